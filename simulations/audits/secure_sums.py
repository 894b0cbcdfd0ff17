"""The secure sum as the audits attack it: sums through the real one, and what a colluding member opens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import count

import numpy as np
from numpy.typing import NDArray

from highstreet.audit.charter import RoundTerms
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.privacy.noise import NoiseSource
from highstreet.privacy.secure_sum import RoundContext, open_contribution
from highstreet.privacy.secure_sum.field import centre, from_bytes
from highstreet.privacy.secure_sum.sealing import open_box
from highstreet.privacy.shared_noise import DistributedMechanism
from highstreet.simulations.audits.paths import mechanism_at_the_floor
from highstreet.simulations.audits.transcripts import Transcript
from highstreet.simulations.secure_sums import OneProcessCoop

__all__ = ["SecureSums", "share_of_a_colluder"]


class SecureSums:
    """A co-op whose rounds are numbered as they come and need every store.

    Attributes:
        colluders: c.
        coop: plays all parties.
    """

    def __init__(self, stores: int, *, colluders: int = 1) -> None:
        self.colluders = colluders
        self.coop = OneProcessCoop(stores, RoundTerms(cohort_floor=stores, colluders=colluders))
        self._rounds = count()

    def next_round(self, dimension: int) -> RoundContext:
        """Return the context of a round nobody has used yet."""
        return self.coop.context(next(self._rounds), dimension)

    def add(self, addends: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Run one round: all stores contribute, the committee agrees and answers, the coordinator opens."""
        given = {number: partial(np.asarray, addend) for number, addend in enumerate(addends)}
        return self.coop.add(given, round_number=next(self._rounds), dimension=len(addends[0])).values

    def colluder_sees(self, context: RoundContext, body: bytes) -> NDArray[np.int64]:
        """Return a contribution's vector share as the last committee member opens it, centred around 0."""
        position = len(context.committee.members)
        keys = self.coop.keys_of(context.committee.members[position - 1].member_id)
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
        if dimension not in contexts:
            contexts[dimension] = room.next_round(dimension)
        return contexts[dimension]

    def mechanism(plan: ModelPlan, phase: PhasePlan) -> DistributedMechanism:
        return mechanism_at_the_floor(plan, phase, stores=stores, colluders=room.colluders)

    def send(plan: ModelPlan, phase: PhasePlan, total: NDArray[np.float64], source: NoiseSource) -> bytes:
        addend = mechanism(plan, phase).share(total, source=source)
        return room.coop.contribution(context_of(phase.dimension), 1, addend).body

    def read(plan: ModelPlan, phase: PhasePlan, sent: bytes) -> NDArray[np.float64]:
        share = room.colluder_sees(context_of(phase.dimension), sent)
        return mechanism(plan, phase).decode(share.astype(np.int64))

    return Transcript(
        name="boxes of one store, one of them opened by a colluding member",
        send=send,
        read=read,
        mu=lambda _phase: 0.0,
    )
