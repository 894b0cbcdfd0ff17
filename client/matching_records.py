"""What a store keeps of its matchings, as the matching desk needs it: secrets, papers, counts, attestations.

`MatchingState`, `MatchingPapers`, `PersonCounts` and `AttestationBook` keep them on the shop's disk, tests in
memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from highstreet.audit.attestation import AttestedUse, ConsentBasis
from highstreet.client.attested_names import AttestedName
from highstreet.client.matching_inputs import MatchingInputs
from highstreet.privacy.matching import (
    AnsweredList,
    Counts,
    IdentifierKind,
    KeyHolder,
    MatchedStore,
    MatchingContext,
    MatchingStore,
)

__all__ = ["Attest", "CountsBook", "MatchingBooks", "MatchingSecrets", "Papers", "UsedInMatching"]


class MatchingSecrets(Protocol):
    """Durable secrets of the matchings a store takes part in; what contradicts them is refused."""

    def begin(self, context: MatchingContext, *, day: int, period_days: int) -> None:
        """Record that this store takes part; the same matching again changes nothing."""

    def draw_holder(self, context: MatchingContext, member_id: str) -> KeyHolder:
        """Return this store as a holder; its key is drawn the first time only."""

    def record_answer(self, request_sha256: bytes, answered: AnsweredList) -> None:
        """Record a list before it is answered."""

    def draw_store(
        self, context: MatchingContext, member_id: str, inputs: Mapping[str, bytes], *, consent_position: int
    ) -> MatchingStore:
        """Return this store; who takes part is drawn the first time only."""

    def consent_position(self, context: MatchingContext) -> int:
        """Return the last entry of the consent log when the store was drawn."""

    def store(self, context: MatchingContext, member_id: str) -> MatchingStore | None:
        """Return this store as it was drawn, None when it was not."""

    def forget_list(self, context: MatchingContext) -> None:
        """Remove what was drawn for a list that has not left; another one may be drawn then."""

    def keep_matched(self, context: MatchingContext, matched: MatchedStore) -> MatchedStore:
        """Keep the tags before the table leaves, and return what is kept."""

    def matched(self, context: MatchingContext) -> MatchedStore | None:
        """Return the store with its tags, None before there are any."""

    def leave_out(self, context: MatchingContext, customers: Collection[str]) -> None:
        """Remove the tags of who withdrew, or whose identifier changed, before the table left."""

    def give_table(self, context: MatchingContext, table_request_sha256: bytes) -> MatchedStore:
        """Record which sum the table goes into, before it does; there is only ever one."""

    def table_request(self, context: MatchingContext) -> bytes | None:
        """Return what the table was given to."""

    def under_way(self) -> tuple[bytes, ...]:
        """Return the requests of matchings that were begun and not destroyed."""

    def destroy(self, request_sha256: bytes) -> None:
        """Overwrite all secrets of a matching; that it was stays on record."""


class Papers(Protocol):
    """What is no secret but has to outlast a crash."""

    def keep_deadline(self, request_sha256: bytes, deadline: int) -> None:
        """Keep until when a matching lasts, unix seconds, before anything of it is drawn."""

    def deadline(self, request_sha256: bytes) -> int:
        """Return until when a matching lasts; 0 where that is not known, so that it is over."""

    def keep_deadlines(self, of: Collection[bytes]) -> None:
        """Drop the deadlines of all matchings but these."""

    def keep_list(self, request_sha256: bytes, reply: bytes) -> bytes:
        """Keep the sealed reply with this store's list, and return the one that is kept: the first."""

    def list(self, request_sha256: bytes) -> bytes | None:
        """Return the sealed reply with this store's list in a matching, None when it sent none."""

    def keep_table(self, request_sha256: bytes, reply: bytes) -> bytes:
        """Keep the sealed reply with this store's table, and return the one that is kept: the first."""

    def table(self, request_sha256: bytes) -> bytes | None:
        """Return the sealed reply with this store's table in a matching, None when it gave none."""


class CountsBook(Protocol):
    """Counts that were read."""

    def save(
        self,
        table_request_sha256: bytes,
        counts: Counts,
        read_for: Mapping[str, bytes],
        *,
        consent_position: int,
    ) -> None:
        """Keep what was read from a sum, for whom."""

    def refuse(self, table_request_sha256: bytes) -> None:
        """Keep that nothing of a sum may be used."""

    def forget(self, customers: Collection[str]) -> None:
        """Take customers out who withdrew, or whose identifier changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedInMatching:
    """Whose data is in what is about to leave.

    Attributes:
        name: of the contribution.
        request_sha256: names its request.
        customers: row keys in decimal digits.
        basis: the consent log and the moment that they were judged by.
        delta: how often one person changes what others read in this matching; of the request alone.
    """

    name: AttestedName
    request_sha256: bytes
    customers: Collection[str] = field(repr=False)
    basis: ConsentBasis = field(repr=False)
    delta: float


class Attest(Protocol):
    """Commits to whose data was used, with fresh secrets."""

    def __call__(self, used: UsedInMatching) -> AttestedUse:
        """Keep durably what opens it, in the place of what was never sent, and return what is signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingBooks:
    """All of it, and who may be matched.

    Attributes:
        secrets, papers, counts, attest: see there.
        inputs: what is hashed for each customer who agrees at this moment.
        restored_on: the day up to which matchings may be forgotten, as the store was put back from a backup
            then; since 1970-01-01, None where it never was.
        approach: waits until shortly before what was made may leave (`departures`).
    """

    secrets: MatchingSecrets
    papers: Papers
    counts: CountsBook
    inputs: Callable[[IdentifierKind], MatchingInputs]
    attest: Attest
    restored_on: Callable[[], int | None]
    approach: Callable[[], None] = lambda: None

    def end_expired(self, now: float) -> None:
        """Destroy the secrets of every matching whose time has passed, whatever became of it."""
        for request_sha256 in self.secrets.under_way():
            if now > self.papers.deadline(request_sha256):
                self.secrets.destroy(request_sha256)
