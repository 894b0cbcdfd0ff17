"""A made-up round: members with keys, their contributions, a coordinator, all from seeded entropy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.privacy.secure_sum import (
    Committee,
    CommitteeSeat,
    CommitteeTerms,
    CountedMembers,
    MadeContribution,
    Member,
    MemberKeys,
    Opening,
    RoundContext,
    choose_committee,
    contribute,
)
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


PROGRAMME_ID = "cd" * 8


@dataclass
class MadeUpRound:
    """One round over members 0 .. n - 1; everything can be asked for by member id."""

    context: RoundContext
    keys: dict[str, MemberKeys]

    @property
    def ids(self) -> list[str]:
        return list(self.keys)

    @property
    def committee(self) -> Committee:
        return self.context.committee

    @property
    def seats(self) -> list[str]:
        return [member.member_id for member in self.committee.members]

    def with_context(self, **changes: object) -> MadeUpRound:
        return MadeUpRound(replace(self.context, **changes), self.keys)

    def vector(self, member_id: str) -> np.ndarray:
        generator = np.random.default_rng(int(member_id, 16))
        return generator.integers(-(10**6), 10**6, size=self.context.dimension)

    def contribution(
        self, member_id: str, vector: np.ndarray | None = None, *, label: str = "first"
    ) -> MadeContribution:
        return contribute(
            self.context,
            self.vector(member_id) if vector is None else vector,
            member_id=member_id,
            signing_key=self.keys[member_id].signing,
            entropy=counting_entropy(f"{label} {member_id}"),
        )

    def contributions(self, ids: Iterable[str] | None = None) -> dict[str, MadeContribution]:
        return {one: self.contribution(one) for one in (self.ids if ids is None else ids)}

    def opening(self, made: Mapping[str, MadeContribution]) -> Opening:
        opening = Opening(self.context)
        for contribution in made.values():
            opening.add_contribution(contribution.body)
        return opening

    def announced(self, made: Mapping[str, MadeContribution]) -> Opening:
        opening = self.opening(made)
        opening.announce(COORDINATOR_KEY)
        return opening

    def agreed(self, made: Mapping[str, MadeContribution], ids: Iterable[str] | None = None) -> Opening:
        """An announced opening to which some members agreed, the whole committee unless said otherwise."""
        opening = self.announced(made)
        for one in self.seats if ids is None else ids:
            opening.add_agreement(self.agreement(one, opening, made))
        return opening

    def seat(self, member_id: str, made: Mapping[str, MadeContribution]) -> CommitteeSeat:
        own = made.get(member_id)
        return CommitteeSeat(
            context=self.context,
            member_id=member_id,
            own_header_sha256=None if own is None else own.header_sha256,
        )

    def agreement(self, member_id: str, opening: Opening, made: Mapping[str, MadeContribution]) -> bytes:
        request = opening.agreement_request(member_id)
        return self.seat(member_id, made).agree(request, self.keys[member_id]).release(lambda announced: None)

    def answer(self, member_id: str, opening: Opening, made: Mapping[str, MadeContribution]) -> bytes:
        prepared = self.seat(member_id, made).prepare(opening.sum_request(member_id), self.keys[member_id])
        return prepared.release(lambda announced: None)


def make_round(
    *,
    n: int = 5,
    m: int = 5,
    c: int = 1,
    floor: int = 3,
    dimension: int = 7,
    round_number: int = 0,
    request: str = "request",
) -> MadeUpRound:
    members = CountedMembers(member_of(number) for number in range(n))
    terms = CommitteeTerms(committee_size=m, colluders=c, floor=floor)
    committee = choose_committee(
        members,
        coop_id=COOP_ID,
        programme_id=PROGRAMME_ID,
        round_number=round_number,
        roster_sha256=secret("roster"),
        terms=terms,
    )
    context = RoundContext(
        coop_id=COOP_ID,
        request_sha256=secret(request),
        coordinator_public_key=COORDINATOR_KEY.public_key().public_bytes_raw(),
        members=members,
        committee=committee,
        floor=floor,
        dimension=dimension,
    )
    return MadeUpRound(context, {id_of(number): keys_of(number) for number in range(n)})


@pytest.fixture(scope="session")
def made_up_round() -> Callable[..., MadeUpRound]:
    return make_round


@pytest.fixture(scope="session")
def coordinator_key() -> Ed25519PrivateKey:
    return COORDINATOR_KEY


@pytest.fixture(scope="session")
def made_up_member() -> Callable[[int], Member]:
    return member_of
