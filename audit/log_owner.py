"""The owner of a log: whose it is, as its first entry says."""

from __future__ import annotations

from dataclasses import dataclass

from highstreet.audit.canonical import Json
from highstreet.audit.log_entries import EntryDraft, EntryKind

__all__ = ["LogOwner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOwner:
    """Whose log it is: what its first entry says.

    Attributes:
        origin: the log's name (`audit.checkpoints`).
        role: `coordinator` or `store`.
        coop_id: of which co-op.
        member_id: of a store; None of the coordinator.
    """

    origin: str
    role: str
    coop_id: str
    member_id: str | None = None

    def opening(self, public_key: bytes) -> EntryDraft:
        """Return the first entry of the log under this key."""
        body: dict[str, Json] = {
            "origin": self.origin,
            "role": self.role,
            "coop_id": self.coop_id,
            "member_id": self.member_id,
            "public_key": public_key.hex(),
        }
        return EntryDraft(kind=EntryKind.OPENING, key="opening", body=body)
