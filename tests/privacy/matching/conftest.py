"""A made-up matching: members with keys, holders, and stores whose customers are plain names."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from highstreet.privacy.matching import (
    HolderKeys,
    IdentifierKind,
    KeyHolder,
    MatchedStore,
    MatchingContext,
    MatchingStore,
    identifier_input,
)
from highstreet.privacy.secure_sum import (
    CommitteeSeat,
    CommitteeTerms,
    CountedMembers,
    MemberKeys,
    Opening,
    RoundContext,
    choose_committee,
    contribute,
)
from highstreet.privacy.secure_sum.field import MODULUS, centre
from tests.privacy.made_up_members import (
    COOP_ID,
    COORDINATOR_KEY,
    counting_entropy,
    id_of,
    keys_of,
    member_of,
    secret,
)

sys.path.insert(0, str(Path(__file__).parent))


def wrapped(total: np.ndarray) -> np.ndarray:
    """A plain sum of integers as the secure sum gives it: modulo p, centred."""
    return centre((total % MODULUS).astype(np.uint32))


@dataclass
class MadeUpMatching:
    """One matching over members 0 .. n - 1; `matched` runs it up to the tags, by hand."""

    context: MatchingContext
    keys: dict[str, MemberKeys]
    holders: dict[str, KeyHolder] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.holders = {
            one: KeyHolder.draw(self.context, one, entropy=counting_entropy(f"holder {one}"))
            for one in self.context.holder_ids
        }

    @property
    def ids(self) -> list[str]:
        return list(self.keys)

    def with_context(self, **changes: object) -> MadeUpMatching:
        return MadeUpMatching(replace(self.context, **changes), self.keys)

    def offers(self) -> list[bytes]:
        return [holder.offer(self.keys[one].signing) for one, holder in self.holders.items()]

    def holder_keys(self) -> HolderKeys:
        return HolderKeys.collect(self.context, self.offers())

    def store(self, member_id: str, customers: Iterable[str], *, label: str = "first") -> MatchingStore:
        return MatchingStore.draw(
            self.context,
            member_id,
            {name: identifier_input(IdentifierKind.EMAIL, f"{name}@example.org") for name in customers},
            entropy=counting_entropy(f"{label} {member_id}"),
        )

    def list_of(self, store: MatchingStore) -> bytes:
        return store.blinded_list(self.holder_keys(), self.keys[store.member_id].signing)

    def answer(self, holder_id: str, body: bytes) -> bytes:
        prepared = self.holders[holder_id].evaluate(
            body, self.holder_keys(), self.keys[holder_id].signing, entropy=counting_entropy("proof")
        )
        self.holders[holder_id] = prepared.holder
        return prepared.release(lambda answered: None)

    def answers(self, body: bytes) -> list[bytes]:
        return [self.answer(one, body) for one in self.holders]

    def matched(self, customers: Mapping[str, Iterable[str]]) -> dict[str, MatchedStore]:
        """Every store's tags, given the customers of each."""
        stores = {one: self.store(one, names) for one, names in customers.items()}
        return {
            one: store.match(self.holder_keys(), self.answers(self.list_of(store)))
            for one, store in stores.items()
        }

    def plain_sum(self, tables: Iterable[np.ndarray]) -> np.ndarray:
        return wrapped(sum(tables))

    def secure_sum(self, tables: Mapping[str, np.ndarray]) -> np.ndarray:
        """The sum by contribution, agreement and answer, as in every round."""
        context = self.round_context()
        opening, headers = Opening(context), {}
        for one, table in tables.items():
            made = contribute(context, table, member_id=one, signing_key=self.keys[one].signing)
            headers[one] = made.header_sha256
            opening.add_contribution(made.body)
        opening.announce(COORDINATOR_KEY)
        seats = [member.member_id for member in context.committee.members]
        agreed = {}
        for one in seats:
            seat = CommitteeSeat(context=context, member_id=one, own_header_sha256=headers.get(one))
            prepared = seat.agree(opening.agreement_request(one), self.keys[one])
            agreed[one] = prepared.seat
            opening.add_agreement(prepared.release(lambda announced: None))
        for one in seats:
            prepared = agreed[one].prepare(opening.sum_request(one), self.keys[one])
            opening.add_answer(prepared.release(lambda announced: None))
        return opening.open().values

    def round_context(self) -> RoundContext:
        """The round of the table: its request's hash stands for one that names the holders' keys."""
        terms = CommitteeTerms(committee_size=5, colluders=self.context.colluders, floor=3)
        return RoundContext(
            coop_id=self.context.coop_id,
            request_sha256=hashlib.sha256(b"table round" + self.holder_keys().sha256()).digest(),
            coordinator_public_key=COORDINATOR_KEY.public_key().public_bytes_raw(),
            members=self.context.members,
            committee=choose_committee(
                self.context.members,
                coop_id=self.context.coop_id,
                programme_id=self.context.matching_id,
                round_number=0,
                roster_sha256=secret("roster"),
                terms=terms,
            ),
            floor=terms.floor,
            dimension=self.context.shape.dimension,
        )


def make_matching(
    *, n: int = 5, c: int = 1, identifiers: int = 6, request: str = "request", matching_id: str = "ef" * 8
) -> MadeUpMatching:
    members = CountedMembers(member_of(number) for number in range(n))
    context = MatchingContext(
        coop_id=COOP_ID,
        matching_id=matching_id,
        request_sha256=secret(request),
        members=members,
        holder_ids=tuple(member.member_id for member in members)[: c + 1],
        colluders=c,
        identifiers_per_store=identifiers,
    )
    keys = {id_of(number): keys_of(number) for number in range(n)}
    return MadeUpMatching(context, dict(sorted(keys.items())))


@pytest.fixture(scope="session")
def made_up_matching() -> Callable[..., MadeUpMatching]:
    return make_matching


@pytest.fixture(scope="session")
def shops_of() -> Callable[[Mapping[str, Iterable[str]]], Counter[str]]:
    """A plain count: at how many shops each person is."""
    return lambda customers: Counter(name for names in customers.values() for name in set(names))


@pytest.fixture(scope="session")
def fresh() -> Callable[[str], Callable[[int], bytes]]:
    return counting_entropy
