"""The secure sum with every party in one process: real contributions, answers and openings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.privacy.noise import NoiseSource
from highstreet.privacy.secure_sum import (
    CommitteeSeat,
    CommitteeTerms,
    CountedMembers,
    Member,
    MemberKeys,
    Opening,
    RoundContext,
    choose_committee,
    contribute,
    open_contribution,
)
from highstreet.privacy.secure_sum.field import centre, from_bytes
from highstreet.privacy.secure_sum.sealing import open_box
from highstreet.privacy.shared_noise import DistributedMechanism
from highstreet.simulations.audits.transcripts import Transcript

__all__ = ["SecureSums", "share_of_a_colluder"]

_COOP = "0" * 32
_PROGRAMME = "1" * 16
_SEATS = 5


@dataclass(frozen=True, slots=True)
class _Store:
    member_id: str
    keys: MemberKeys


class SecureSums:
    """Stores with keys, a roster of them, and a coordinator; rounds are numbered as they come.

    Attributes:
        colluders: c.
    """

    def __init__(self, stores: int, *, colluders: int = 1) -> None:
        self.colluders = colluders
        self._coordinator = Ed25519PrivateKey.generate()
        self._stores = [
            _Store(f"{number:016x}", MemberKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate()))
            for number in range(stores)
        ]
        self._members = CountedMembers(
            Member(
                member_id=store.member_id,
                signing_public_key=store.keys.signing.public_key().public_bytes_raw(),
                encryption_public_key=store.keys.encryption.public_key().public_bytes_raw(),
            )
            for store in self._stores
        )
        self._round = 0

    def next_round(self, dimension: int) -> RoundContext:
        """Return the context of a round nobody has used yet; its floor is the number of stores."""
        self._round += 1
        request = hashlib.sha256(f"request {self._round}".encode()).digest()
        terms = CommitteeTerms(committee_size=_SEATS, colluders=self.colluders, floor=len(self._stores))
        committee = choose_committee(
            self._members,
            coop_id=_COOP,
            programme_id=_PROGRAMME,
            round_number=self._round,
            roster_sha256=bytes(32),
            terms=terms,
        )
        return RoundContext(
            coop_id=_COOP,
            request_sha256=request,
            coordinator_public_key=self._coordinator.public_key().public_bytes_raw(),
            members=self._members,
            committee=committee,
            floor=terms.floor,
            dimension=dimension,
        )

    def send(self, context: RoundContext, store: int, addend: NDArray[np.int64]) -> bytes:
        """Return the contribution of one store, as it travels."""
        one = self._stores[store]
        return contribute(context, addend, member_id=one.member_id, signing_key=one.keys.signing).body

    def add(self, addends: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Run one round: all stores contribute, the committee agrees and answers, the coordinator opens."""
        context = self.next_round(len(addends[0]))
        opening = Opening(context)
        headers = {}
        for number, addend in enumerate(addends):
            body = self.send(context, number, addend)
            name = opening.add_contribution(body)
            headers[name] = open_contribution(body, context).header.sha256
        opening.announce(self._coordinator)
        seats = [self._seat(context, store, headers) for store in self._committee(context)]
        for seat, keys in seats:
            agreed = seat.agree(opening.agreement_request(seat.member_id), keys)
            opening.add_agreement(agreed.release(_in_one_process))
        for seat, keys in seats:
            answer = seat.prepare(opening.sum_request(seat.member_id), keys)
            opening.add_answer(answer.release(_in_one_process))
        return opening.open().values

    def _committee(self, context: RoundContext) -> list[_Store]:
        return [store for store in self._stores if context.committee.position(store.member_id) is not None]

    def _seat(
        self, context: RoundContext, store: _Store, headers: Mapping[str, bytes]
    ) -> tuple[CommitteeSeat, MemberKeys]:
        own = headers[store.member_id]
        seat = CommitteeSeat(context=context, member_id=store.member_id, own_header_sha256=own)
        return seat, store.keys

    def colluder_sees(self, context: RoundContext, body: bytes) -> NDArray[np.int64]:
        """Return a contribution's vector share as the last committee member opens it, centred around 0."""
        position = len(context.committee.members)
        member = context.committee.members[position - 1]
        keys = next(store.keys for store in self._stores if store.member_id == member.member_id)
        opened = open_contribution(body, context)
        label = opened.header.box_label(context, position)
        share = open_box(opened.boxes[position - 1], label, member_key=keys.encryption)
        return centre(from_bytes(share, dimension=context.dimension))


def share_of_a_colluder(stores: int) -> Transcript:
    """Return the transcript of a store in the secure sum, read by the coordinator and one committee member.

    The member opens the share sealed to it and takes it for the vector. Without the secure sum's threshold of
    shares nothing else in the bytes depends on the vector.
    """
    room = SecureSums(stores)
    contexts: dict[int, RoundContext] = {}

    def context_of(dimension: int) -> RoundContext:
        return contexts.setdefault(dimension, room.next_round(dimension))

    def mechanism(plan: ModelPlan, phase: PhasePlan) -> DistributedMechanism:
        return DistributedMechanism(
            dimension=phase.dimension,
            clipping_norm=phase.clipping_norm,
            noise_multiplier=phase.noise_multiplier or 1.0,
            floor=stores,
            colluders=room.colluders,
            stores=stores,
            clients_per_store=plan.clients_per_store,
        )

    def send(plan: ModelPlan, phase: PhasePlan, total: NDArray[np.float64], source: NoiseSource) -> bytes:
        addend = mechanism(plan, phase).share(total, source=source)
        return room.send(context_of(phase.dimension), 1, addend)

    def read(plan: ModelPlan, phase: PhasePlan, sent: bytes) -> NDArray[np.float64]:
        share = room.colluder_sees(context_of(phase.dimension), sent)
        return mechanism(plan, phase).decode(share.astype(np.int64))

    return Transcript(
        name="boxes of one store, one of them opened by a colluding member",
        send=send,
        read=read,
        mu=lambda _phase: 0.0,
    )


def _in_one_process(_announced: bytes) -> None:
    """Keep no record: the process plays all parties and a crash ends them all."""
