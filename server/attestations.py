"""Attestations of what stores contribute: nothing is taken without, and they stay when it is dropped."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from highstreet.audit.attestation import AttestedRound, open_attestation
from highstreet.audit.attested_cost import CostBounds
from highstreet.audit.errors import AttestationError
from highstreet.audit.signing import SignedDocument
from highstreet.server.errors import OddReplyError
from highstreet.server.membership import Member

__all__ = ["Attested"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """An attestation that was found in order.

    Attributes:
        about: what it is about.
        signed: as it came.
    """

    about: AttestedRound
    signed: SignedDocument

    @classmethod
    def read(
        cls, signed: SignedDocument | None, about: AttestedRound, member: Member, *, cost: CostBounds
    ) -> Attested:
        """Return what came beside a contribution, when it is that member's word about that very one.

        Args:
            signed: as it came; None: nothing did.
            about: what must be attested.
            member: who contributed.
            cost: what the member can have spent.

        Raises:
            OddReplyError: it is not, or nothing came.
        """
        if signed is None:
            raise OddReplyError("attestation: none")
        try:
            found = open_attestation(signed, public_key=member.signing_public_key, about=about)
        except AttestationError as error:
            raise OddReplyError("attestation: not of this request, contribution and store") from error
        try:
            cost.check(found.use)
        except AttestationError as error:
            raise OddReplyError("attestation: of a cost that the charter does not have") from error
        return cls(about=about, signed=signed)

    def keep(self, connection: sqlite3.Connection) -> None:
        """Write it into coop.db, for good; the first one of a store stands."""
        about, signed = self.about, self.signed
        connection.execute(
            "INSERT OR IGNORE INTO attestations (programme_id, round, kind, member_id, document, signature)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                about.programme_id,
                about.round,
                about.kind.value,
                about.member_id,
                signed.document,
                signed.signature,
            ),
        )
