"""What customers were promised: the charter on disk, its cost recomputed, the release held to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from highstreet.audit.charter import Charter
from highstreet.audit.claims import are_same, check_promise, weights_in_words
from highstreet.audit.manifest import Manifest
from highstreet.client.errors import ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.membership import load_charter, load_membership
from highstreet.client.releases import active_release
from highstreet.privacy.claims import TwoClaims

__all__ = ["Promise", "read_promise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A charter and a release that were checked again just now, on this computer alone.

    Attributes:
        charter: signed by the coordinator this store joined, and the one it agreed to.
        charter_sha256: in hex; the same at every member.
        agreed_on: day of joining, UTC, YYYY-MM-DD.
        claims: what one training under the charter costs at most, recomputed from its phases.
        release: manifest of the release in use; None when there is none.
    """

    charter: Charter
    charter_sha256: str
    agreed_on: str
    claims: TwoClaims
    release: Manifest | None

    def to_dict(self) -> dict[str, object]:
        """Return plain values, for programs."""
        return {
            "charter_sha256": self.charter_sha256,
            "agreed_on": self.agreed_on,
            "charter": self.charter.to_dict(),
            "claims": [
                {
                    "epsilon": claim.epsilon,
                    "delta": claim.delta,
                    "unit": claim.unit.value,
                    "shops": claim.k,
                    "weighting": claim.weighting.value,
                }
                for claim in (self.claims.customer, self.claims.person)
            ],
            "conditions": list(weights_in_words(self.charter)),
            "release": None if self.release is None else self.release.to_dict(),
        }


def read_promise(home: StoreHome) -> Promise:
    """Read charter and release from the store's folder and check them; nothing is asked of the coordinator.

    Raises:
        NotJoinedError: the store is in no co-op.
        AuditError, StoreConfigError: the charter is not the one agreed to, or not signed by the coordinator.
        EpsilonClaimError: its phases cost more than it promises.
        ReleaseRefusedError: the release in use is not the signed one, or of another charter or other figures.
    """
    membership, charter = load_membership(home), load_charter(home)
    claims = check_promise(charter)
    release = active_release(home)
    if release is not None:
        _refuse_of_another_promise(release.manifest, membership.charter_sha256, claims)
    return Promise(
        charter=charter,
        charter_sha256=membership.charter_sha256,
        agreed_on=datetime.fromtimestamp(membership.joined_at, tz=UTC).date().isoformat(),
        claims=claims,
        release=None if release is None else release.manifest,
    )


def _refuse_of_another_promise(manifest: Manifest, charter_sha256: str, claims: TwoClaims) -> None:
    if manifest.charter_sha256 != charter_sha256 or not are_same(manifest.claims, claims):
        raise ReleaseRefusedError(
            f"Release {manifest.number}, which is in use, was not made under the promise of this charter.",
            next_step="Stop `highstreet store run` and report it as SECURITY.md says.",
        )
