"""Names of what a store attested: a round of a training, or a matching's list or table.

People count rounds from 1; requests, files and logs hold what travels, which counts from 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from highstreet.audit.attestation import AttestedKind
from highstreet.client.errors import AttestationRecordError

__all__ = ["AttestedName", "find_name"]

_PARTS = {AttestedKind.MATCHING_LIST: "list", AttestedKind.MATCHING_TABLE: "table"}
_KINDS = {part: kind for kind, part in _PARTS.items()}
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_FILE = re.compile(r"(?P<programme>[0-9a-f]{1,64})-(?P<part>list|table|[0-9]{1,10})\.json")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AttestedName:
    """One contribution of this store.

    Attributes:
        programme_id: of the training, or of the matching.
        kind: what was contributed.
        round: of a training, as it travels; 0 in a matching.
    """

    programme_id: str
    kind: AttestedKind
    round: int = 0

    def __str__(self) -> str:
        """Return it as people write it: PROGRAMME/NUMBER, MATCHING/list or MATCHING/table."""
        return f"{self.programme_id}/{_PARTS.get(self.kind, str(self.round + 1))}"

    @property
    def key(self) -> str:
        """What names it in the store's log."""
        return f"{self.programme_id}/{_PARTS.get(self.kind, str(self.round))}"

    @property
    def file_name(self) -> str:
        """The name of the file that opens it."""
        return f"{self.key.replace('/', '-')}.json"

    @classmethod
    def from_file_name(cls, name: str) -> AttestedName | None:
        """Return what a file opens; None for another file."""
        found = _FILE.fullmatch(name)
        if found is None:
            return None
        programme_id, part = found["programme"], found["part"]
        if part in _KINDS:
            return cls(programme_id=programme_id, kind=_KINDS[part])
        return cls(programme_id=programme_id, kind=AttestedKind.TRAINING, round=int(part))


def find_name(text: str) -> AttestedName:
    """Return what people name: PROGRAMME/NUMBER, with rounds from 1, or MATCHING/list, MATCHING/table.

    Raises:
        AttestationRecordError: it is not so written.
    """
    programme_id, _, part = text.strip().rpartition("/")
    if programme_id and part in _KINDS:
        return AttestedName(programme_id=programme_id, kind=_KINDS[part])
    if programme_id and _NUMBER.fullmatch(part):
        return AttestedName(programme_id=programme_id, kind=AttestedKind.TRAINING, round=int(part) - 1)
    raise AttestationRecordError(
        "That is no round, and no part of a matching.",
        next_step="Write it as `highstreet store rounds` does: PROGRAMME/NUMBER, where rounds count from 1, "
        "MATCHING/list or MATCHING/table.",
    )
