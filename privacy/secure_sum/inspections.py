"""The coordinator's side of looking contributions through: what each member is shown, and who complained."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.privacy.secure_sum.announced_set import announce_to, set_sha256, with_boxes
from highstreet.privacy.secure_sum.answer import GivenReply
from highstreet.privacy.secure_sum.contribution import OpenedContribution
from highstreet.privacy.secure_sum.errors import InvalidRoundError, SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.inspection import open_inspection
from highstreet.privacy.secure_sum.limits import FORMAT_VERSION
from highstreet.privacy.secure_sum.round_context import RoundContext
from highstreet.privacy.secure_sum.signatures import Signed
from highstreet.protos.secure_sum_pb2 import SumInspectionRequest

__all__ = ["Inspections"]


class Inspections:
    """Collects what the committee says of one collection of contributions.

    Nothing of it needs a record: it binds nobody, and after a crash the committee is asked again.

    Args:
        context: the round.
        contributions: by contributor.
        signing_key: the coordinator's.
    """

    def __init__(
        self,
        context: RoundContext,
        contributions: Mapping[str, OpenedContribution],
        signing_key: Ed25519PrivateKey,
    ) -> None:
        self._context = context
        self._contributions = dict(sorted(contributions.items()))
        self._signing_key = signing_key
        self._owners = {one.header.sha256: who for who, one in self._contributions.items()}
        self._complaints: dict[str, frozenset[str]] = {}

    @property
    def complaints(self) -> dict[str, frozenset[str]]:
        """For each committee member that looked: the contributors whose boxes it cannot use."""
        return dict(self._complaints)

    @property
    def missing(self) -> int:
        """How many members must still look before a set can be chosen that t of them can open."""
        return max(0, self._context.committee.threshold - len(self._complaints))

    def request(self, member_id: str) -> bytes:
        """Return all contributions as one committee member gets them: headers and its own boxes.

        Raises:
            InvalidRoundError: the member has no seat, the key is another, or the request is over the limit.
        """
        position = self._context.committee.position(member_id)
        if position is None:
            raise InvalidRoundError("A committee member is asked, and nobody else.")
        request = SumInspectionRequest(
            format_version=FORMAT_VERSION,
            request_sha256=self._context.request_sha256,
            member_id=member_id,
            signature=announce_to(
                member_id,
                self._set_sha256(),
                kind=Signed.SUM_INSPECTION_REQUEST,
                context=self._context,
                key=self._signing_key,
            ),
        )
        return with_boxes(request, self._contributions.values(), context=self._context, position=position)

    def add(self, body: bytes) -> GivenReply:
        """Take in a committee member's findings or its refusal; the first findings of a member stand.

        Raises:
            SumRefusedError: see `open_inspection`; INSPECTION for findings about other contributions.
        """
        inspection = open_inspection(body, self._context)
        if inspection.refusal is not None:
            return GivenReply(inspection.member_id, inspection.refusal)
        is_of_these = inspection.set_sha256 == self._set_sha256()
        if not is_of_these or not inspection.bad_header_sha256 <= self._owners.keys():
            raise SumRefusedError(SumRefusal.INSPECTION)
        accused = frozenset(self._owners[header] for header in inspection.bad_header_sha256)
        self._complaints.setdefault(inspection.member_id, accused)
        return GivenReply(inspection.member_id, None)

    def _set_sha256(self) -> bytes:
        return set_sha256(self._owners)
