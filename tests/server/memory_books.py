"""What a matching store keeps on its disk, kept in memory by the same rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from highstreet.audit.attestation import AttestedUse
from highstreet.client.errors import (
    MatchingContradictedError,
    MatchingOverError,
    MatchingTooSoonError,
    RoundRefusedError,
)
from highstreet.client.round_terms import AskedRound
from highstreet.privacy.matching import (
    AnsweredList,
    Counts,
    KeyHolder,
    MatchedStore,
    MatchingContext,
    MatchingRefusal,
    MatchingRefusedError,
    MatchingStore,
)
from highstreet.protos.rounds_pb2 import REFUSAL_REPEATED, RoundRequest


@dataclass
class _Kept:
    context: MatchingContext
    day: int
    holder: KeyHolder | None = None
    store: MatchingStore | None = None
    position: int = 0
    matched: MatchedStore | None = None
    given_to: bytes | None = None
    is_over: bool = False


class MemorySecrets:
    """What `MatchingState` keeps on a disk, by the same rules."""

    def __init__(self) -> None:
        self.kept: dict[bytes, _Kept] = {}

    def begin(self, context: MatchingContext, *, day: int, period_days: int) -> None:
        if context.request_sha256 in self.kept:
            self._begun(context)
            return
        if any(one.context.matching_id == context.matching_id for one in self.kept.values()):
            raise MatchingContradictedError("Its id was used by another matching.")
        for one in self.kept.values():
            if (not one.is_over or one.given_to is not None) and day - one.day < period_days:
                raise MatchingTooSoonError("There was one.")
        self.kept[context.request_sha256] = _Kept(context=context, day=day)

    def draw_holder(self, context: MatchingContext, member_id: str) -> KeyHolder:
        kept = self._begun(context)
        kept.holder = kept.holder or KeyHolder.draw(context, member_id)
        return kept.holder

    def record_answer(self, request_sha256: bytes, answered: AnsweredList) -> None:
        kept = self.kept[request_sha256]
        assert kept.holder is not None
        if kept.holder.answered.get(answered.member_id, answered.list_sha256) != answered.list_sha256:
            raise MatchingRefusedError(MatchingRefusal.SECOND_LIST)
        kept.holder = replace(
            kept.holder,
            keys_sha256=answered.keys_sha256,
            answered={**kept.holder.answered, answered.member_id: answered.list_sha256},
        )

    def draw_store(
        self, context: MatchingContext, member_id: str, inputs: Mapping[str, bytes], *, consent_position: int
    ) -> MatchingStore:
        kept = self._begun(context)
        if kept.store is None:
            kept.store, kept.position = MatchingStore.draw(context, member_id, inputs), consent_position
        return kept.store

    def consent_position(self, context: MatchingContext) -> int:
        return self._begun(context).position

    def store(self, context: MatchingContext, member_id: str) -> MatchingStore | None:
        del member_id
        return self._begun(context).store

    def forget_list(self, context: MatchingContext) -> None:
        kept = self._begun(context)
        if kept.given_to is not None:
            raise MatchingContradictedError("Its table was given.")
        kept.store = kept.matched = None

    def keep_matched(self, context: MatchingContext, matched: MatchedStore) -> MatchedStore:
        kept = self._begun(context)
        kept.matched = kept.matched or matched
        return kept.matched

    def matched(self, context: MatchingContext) -> MatchedStore | None:
        return self._begun(context).matched

    def leave_out(self, context: MatchingContext, customers: Collection[str]) -> None:
        kept = self._begun(context)
        assert kept.matched is not None
        kept.matched = kept.matched.without(customers)

    def give_table(self, context: MatchingContext, table_request_sha256: bytes) -> MatchedStore:
        kept = self._begun(context)
        if kept.matched is None or kept.given_to not in (None, table_request_sha256):
            raise MatchingContradictedError("Its table went into another sum.")
        kept.given_to = table_request_sha256
        return kept.matched

    def table_request(self, context: MatchingContext) -> bytes | None:
        return self._begun(context).given_to

    def under_way(self) -> tuple[bytes, ...]:
        return tuple(sha256 for sha256, one in self.kept.items() if not one.is_over)

    def destroy(self, request_sha256: bytes) -> None:
        kept = self.kept.get(request_sha256)
        if kept is not None:
            kept.holder = kept.store = kept.matched = None
            kept.is_over = True

    def _begun(self, context: MatchingContext) -> _Kept:
        kept = self.kept.get(context.request_sha256)
        if kept is None or kept.context.sha256() != context.sha256():
            raise MatchingContradictedError("It was not begun here.")
        if kept.is_over:
            raise MatchingOverError("It is over.")
        return kept


class MemoryPapers:
    def __init__(self) -> None:
        self.deadlines: dict[bytes, int] = {}
        self.lists: dict[bytes, bytes] = {}
        self.tables: dict[bytes, bytes] = {}

    def keep_deadline(self, request_sha256: bytes, deadline: int) -> None:
        self.deadlines.setdefault(request_sha256, deadline)

    def deadline(self, request_sha256: bytes) -> int:
        return self.deadlines.get(request_sha256, 0)

    def keep_deadlines(self, of: Collection[bytes]) -> None:
        self.deadlines = {one: deadline for one, deadline in self.deadlines.items() if one in of}

    def keep_list(self, request_sha256: bytes, reply: bytes) -> bytes:
        return self.lists.setdefault(request_sha256, reply)

    def list(self, request_sha256: bytes) -> bytes | None:
        return self.lists.get(request_sha256)

    def keep_table(self, request_sha256: bytes, reply: bytes) -> bytes:
        return self.tables.setdefault(request_sha256, reply)

    def table(self, request_sha256: bytes) -> bytes | None:
        return self.tables.get(request_sha256)


class MemoryCounts:
    def __init__(self) -> None:
        self.read: dict[bytes, dict[str, int] | None] = {}

    def save(
        self,
        table_request_sha256: bytes,
        counts: Counts,
        read_for: Mapping[str, bytes],
        *,
        consent_position: int,
    ) -> None:
        new = dict(counts.shops)
        assert new.keys() <= read_for.keys()
        assert self.read.setdefault(table_request_sha256, new) == new

    def refuse(self, table_request_sha256: bytes) -> None:
        assert self.read.setdefault(table_request_sha256, None) is None

    def forget(self, customers: Collection[str]) -> None:
        for shops in self.read.values():
            for customer in customers if shops else ():
                shops.pop(customer, None)


@dataclass
class MemoryTill:
    """Sets agreed to; it is asked for no training here."""

    sets: dict[tuple[str, int], tuple[bytes, bytes]] = field(default_factory=dict)

    def given(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        raise AssertionError("no training is asked for")

    def agreed_set(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        kept = self.sets.get((request.programme_id, request.round))
        if kept is not None and kept[0] != sha256:
            raise RoundRefusedError(REFUSAL_REPEATED, "another request")
        return None if kept is None else kept[1]

    def agree(self, request: RoundRequest, sha256: bytes, set_sha256: bytes) -> None:
        key = (request.programme_id, request.round)
        if self.sets.setdefault(key, (sha256, set_sha256)) != (sha256, set_sha256):
            raise RoundRefusedError(REFUSAL_REPEATED, "another set")

    def take(self, asked: AskedRound, seal: Callable[[NDArray[np.int64], AttestedUse], bytes]) -> bytes:
        raise AssertionError("no training is asked for")
