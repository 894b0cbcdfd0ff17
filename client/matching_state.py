"""Matching state: a store's secrets in private matchings, as holder and as shop, kept before anything leaves.

What was drawn once is drawn for good, so that after a crash the same bytes are sent again; what would
contradict it is refused. Secrets go when a matching is over, and the fact that there was one stays: a request
that is shown again later finds nothing to answer with, and nothing new is drawn for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from highstreet.client.errors import MatchingStateError, MatchingTooSoonError
from highstreet.client.matching_file import open_matching_file
from highstreet.client.matching_holder_rows import insert_answer, insert_holder, kept_holder, remove_holder
from highstreet.client.matching_list_rows import (
    erase_from_lists,
    insert_store,
    insert_tags,
    kept_matched,
    kept_store,
    list_position,
    remove_list,
    remove_tags,
)
from highstreet.client.matching_register import (
    contradicted,
    find_matching,
    insert_matching,
    may_begin,
    refuse_many,
    refuse_over,
    refuse_used_id,
    under_way,
)
from highstreet.client.private_database import PrivateDatabase
from highstreet.privacy.matching import (
    AnsweredList,
    KeyHolder,
    MatchedStore,
    MatchingContext,
    MatchingStore,
)
from highstreet.privacy.matching.entropy import Entropy
from highstreet.privacy.matching.errors import InvalidMatchingError

__all__ = ["MatchingState"]


class MatchingState:
    """The durable record of one store's matchings; safe to share between threads and processes.

    Every method that changes something has it on the disk when it returns. Methods take the matching's
    context as this store checked it; what is kept under another context with the same request is not given
    out. Every one raises MatchingStateError when the file or what it says cannot be relied on.
    """

    def __init__(self, database: PrivateDatabase, vault_id: str) -> None:
        self._database = database
        self._connection = database.connection
        self._vault_id = vault_id
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, *, vault_id: str) -> MatchingState:
        """Open the file, or make it.

        Args:
            path: of the file.
            vault_id: of the vault in use. A matching begun with another is not gone on with: customers are
                kept by row keys, which are other people in a vault that was made anew.

        Raises:
            MatchingStateError: damaged, another program's, of a newer version, locked or not writable.
        """
        return cls(open_matching_file(path), vault_id)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def may_begin(self, day: int, period_days: int) -> bool:
        """Say whether a new matching may begin: none is under way or gave its table in the last period_days.

        A matching that was destroyed before this store gave its table does not count: nothing of this store
        is in any sum of it. A clock set back frees nothing.

        Args:
            day: today, in days since 1970-01-01.
            period_days: of the charter.
        """
        with self._transaction():
            return may_begin(self._connection, day, period_days)

    def begin(self, context: MatchingContext, *, day: int, period_days: int) -> None:
        """Record that this store takes part in a matching; the same one again changes nothing.

        Raises:
            MatchingTooSoonError: see `may_begin`; or too many were begun today, and came to nothing.
            MatchingOverError: this one was destroyed.
            MatchingContradictedError: the request is on record in another context, or the matching's id with
                another request, or it was begun with another vault.
        """
        with self._transaction():
            if self._find(context) is not None:
                return
            refuse_used_id(self._connection, context)
            refuse_many(self._connection, day)
            if not may_begin(self._connection, day, period_days):
                raise MatchingTooSoonError(
                    f"This store takes part in one matching every {period_days} days, and there was one.",
                    next_step="Nothing was sent. Wait until the period has passed.",
                )
            insert_matching(self._connection, context, vault_id=self._vault_id, day=day)

    def draw_holder(
        self, context: MatchingContext, member_id: str, *, entropy: Entropy = os.urandom
    ) -> KeyHolder:
        """Return this store as a holder of a matching that was begun; its key is drawn the first time only.

        Raises:
            MatchingOverError, MatchingContradictedError: see `begin`; also when it was not begun.
            MatchingStateError: the member is no holder of it.
        """
        with self._transaction():
            self._begun(context)
            kept = kept_holder(self._connection, context, member_id)
            if kept is None:
                kept = KeyHolder.draw(context, member_id, entropy=entropy)
                insert_holder(self._connection, kept)
            return kept

    def holder(self, context: MatchingContext, member_id: str) -> KeyHolder | None:
        """Return this store as a holder with all it answered, None when it drew no key.

        Raises:
            MatchingOverError, MatchingContradictedError: see `begin`.
        """
        with self._transaction():
            return (
                kept_holder(self._connection, context, member_id) if self._find(context) is not None else None
            )

    def record_answer(self, request_sha256: bytes, answered: AnsweredList) -> None:
        """Record a list before it is answered; for `PreparedEvaluations.release`. The same again is fine.

        Raises:
            MatchingRefusedError: SECOND_LIST or OTHER_KEYS, when another list of that member or other keys
                are on record.
            MatchingOverError: the matching was destroyed.
            MatchingContradictedError: no key was drawn for it.
        """
        with self._transaction():
            refuse_over(self._connection, request_sha256)
            insert_answer(self._connection, request_sha256, answered)

    def draw_store(
        self,
        context: MatchingContext,
        member_id: str,
        inputs: Mapping[str, bytes],
        *,
        consent_position: int,
        entropy: Entropy = os.urandom,
    ) -> MatchingStore:
        """Return this store in a matching that was begun; who takes part is drawn the first time only.

        Args:
            context: the matching.
            member_id: this store.
            inputs: from `matching_inputs`; not looked at when it was drawn before.
            consent_position: the last entry of the consent log, looked up before the inputs; likewise.
            entropy: gives fresh secret bytes.

        Raises:
            MatchingOverError, MatchingContradictedError: see `begin`; also when it was not begun.
            MatchingStateError: not a counted member.
        """
        with self._transaction():
            self._begun(context)
            kept = kept_store(self._connection, context, member_id)
            if kept is None:
                kept = MatchingStore.draw(context, member_id, inputs, entropy=entropy)
                insert_store(self._connection, kept, consent_position=consent_position)
            return kept

    def store(self, context: MatchingContext, member_id: str) -> MatchingStore | None:
        """Return this store as it was drawn, None when it was not.

        Raises:
            MatchingOverError, MatchingContradictedError: see `begin`.
        """
        with self._transaction():
            return (
                kept_store(self._connection, context, member_id) if self._find(context) is not None else None
            )

    def consent_position(self, context: MatchingContext) -> int:
        """Return the last entry of the consent log when the store was drawn; later withdrawals are behind it.

        Raises:
            MatchingOverError, MatchingContradictedError: see `begin`; also when it was not drawn.
        """
        with self._transaction():
            self._begun(context)
            return list_position(self._connection, context.request_sha256)

    def forget_list(self, context: MatchingContext) -> None:
        """Overwrite what was drawn for a list that has not left; nothing is there to be drawn for good yet.

        Raises:
            MatchingOverError, MatchingContradictedError: see `begin`; also when the table was given.
        """
        with self._transaction():
            if self._begun(context) is not None:
                raise contradicted("Its table was given away already")
            remove_list(self._connection, context.request_sha256)

    def keep_matched(self, context: MatchingContext, matched: MatchedStore) -> MatchedStore:
        """Keep the tags before the table leaves; return what is kept, which is the first that was given.

        It is without customers who were left out before.

        Raises:
            MatchingOverError, MatchingContradictedError: see `begin`; also when the store was not drawn, or a
                tag is of somebody who does not take part.
        """
        with self._transaction():
            self._begun(context)
            kept = kept_matched(self._connection, context)
            if kept is not None:
                return kept
            return insert_tags(self._connection, context, matched)

    def matched(self, context: MatchingContext) -> MatchedStore | None:
        """Return the store with its tags, None before `keep_matched`.

        Raises:
            MatchingOverError, MatchingContradictedError: see `begin`.
        """
        with self._transaction():
            return kept_matched(self._connection, context) if self._find(context) is not None else None

    def leave_out(self, context: MatchingContext, customers: Collection[str]) -> None:
        """Remove customers' tags for good: they withdrew, or have another identifier than in the list.

        They are in no table and have no count.

        Their places in the list stay, as it may have left. For as long as the table has not: what was sent
        stays as it was sent, and from then on `PersonCounts.forget` takes a withdrawal into account.

        Raises:
            MatchingOverError, MatchingContradictedError: see `begin`.
        """
        with self._transaction():
            self._begun(context)
            remove_tags(self._connection, context.request_sha256, customers)

    def give_table(self, context: MatchingContext, table_request_sha256: bytes) -> MatchedStore:
        """Record which secure sum the table goes into, before it does; there is only ever one.

        Two sums over two halves of the co-op would count each half alone.

        Returns:
            The store whose table is to be given, the same one every time.

        Raises:
            MatchingContradictedError: it went into another, or there are no tags; or see `begin`.
            MatchingOverError: see `begin`.
        """
        with self._transaction():
            given_to, matched = self._begun(context), kept_matched(self._connection, context)
            if matched is None:
                raise contradicted("There are no tags yet to make a table of")
            if given_to not in (None, table_request_sha256):
                raise contradicted("Its table went into another sum")
            if given_to is None:
                self._connection.execute(
                    "UPDATE matchings SET table_request_sha256 = ? WHERE request_sha256 = ?",
                    (table_request_sha256, context.request_sha256),
                )
            return matched

    def table_request(self, context: MatchingContext) -> bytes | None:
        """Return the hash of the request that the table was given to, None when it was given to none.

        Raises:
            MatchingOverError, MatchingContradictedError: see `begin`.
        """
        with self._transaction():
            found = self._find(context)
            return None if found is None else found[0]

    def day_of(self, table_request_sha256: bytes) -> int | None:
        """Return the day, since 1970-01-01, on which the matching of a table was begun; None: not known."""
        with self._transaction():
            row = self._connection.execute(
                "SELECT begun_on_day FROM matchings WHERE table_request_sha256 = ?", (table_request_sha256,)
            ).fetchone()
        return None if row is None else int(row[0])

    def under_way(self) -> tuple[bytes, ...]:
        """Return the requests of matchings that were begun and not destroyed, the latest first."""
        with self._transaction():
            return under_way(self._connection)

    def destroy(self, request_sha256: bytes) -> None:
        """Overwrite all secrets of a matching; that it was, and what its table was given to, stays on record.

        Again, or for a matching that was never begun, it changes nothing.
        """
        with self._transaction():
            remove_holder(self._connection, request_sha256)
            remove_list(self._connection, request_sha256)
            self._connection.execute(
                "UPDATE matchings SET is_destroyed = 1 WHERE request_sha256 = ? AND is_destroyed = 0",
                (request_sha256,),
            )

    def erase(self, customers: Collection[str]) -> int:
        """Take customers who are erased out of every matching; return in how many they were.

        Random bytes take the place of what was hashed and of what blinded it, and no tag is left. The list
        stays as it was sent, in which nobody can find them any more, and everybody else is counted as before:
        nobody outside is shown that somebody was erased.
        """
        with self._transaction():
            found = erase_from_lists(self._connection, customers)
        with self._lock:  # tags made rows longer, and pages that were taken apart hold what they held before
            self._database.rewrite()
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._database.writing():
            try:
                yield
            except InvalidMatchingError as error:
                raise MatchingStateError(
                    f"What {self._database.path} or a request says of a matching cannot be true.",
                    next_step="Nothing was sent. Wait for the next matching.",
                ) from error

    def _find(self, context: MatchingContext) -> tuple[bytes | None] | None:
        return find_matching(self._connection, context, vault_id=self._vault_id)

    def _begun(self, context: MatchingContext) -> bytes | None:
        """Return what the table was given to; refuse a matching that was never begun."""
        found = self._find(context)
        if found is None:
            raise contradicted("It was never begun here")
        return found[0]
