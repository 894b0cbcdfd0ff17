"""Leak tests on transcripts: what a store's customers bought, and who they are, read from what it sends.

A transcript is whatever leaves one store in the round of popularity. Two things are guessed from it:

- items: each customer buys one of GROUP rare products that nobody else buys. Which one? The attacker takes
  the product whose coordinate is largest, and knows nothing else.
- attribute: a made-up attribute of one customer leans their purchases to one half of the categories. The
  attacker knows all other customers, and how strongly purchases lean.

From plain sums both are read with certainty, or nearly; from what is really sent, hardly better than by
chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from highstreet.client.contribution import clipped_sum, sum_over
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.programme import initial_state
from highstreet.models.shop import ShopData
from highstreet.privacy.noise import NoiseSource
from highstreet.simulations.audits.made_up import AS_OF, CATEGORIES, PRODUCTS, made_up_shops, with_customers
from highstreet.simulations.audits.operating_points import interval
from highstreet.simulations.audits.paths import grid_of

__all__ = [
    "GROUP",
    "Attack",
    "Transcript",
    "attribute_attack",
    "item_attack",
    "noisy_integers",
    "plain_integers",
]

_WIRE = np.dtype("<i4")

#: Rare products a customer chooses one of; a guess is right by chance once in GROUP.
GROUP = 10
_LEANING = 0.85
_LINES = 24

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What leaves one store in a phase, and how an attacker reads it.

    Attributes:
        name: printed.
        send: (plan, phase, clipped sum, source) -> the bytes that leave the store.
        read: (plan, phase, bytes) -> numbers, one per coordinate, in the unit of the sum; the best guess at
            it.
        mu: (phase) -> separation by one customer that the claim allows in this phase; infinity without one.
    """

    name: str
    send: Callable[[ModelPlan, PhasePlan, Vector, NoiseSource], bytes]
    read: Callable[[ModelPlan, PhasePlan, bytes], Vector]
    mu: Callable[[PhasePlan], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """How often an attacker was right.

    Attributes:
        right, guesses: counts.
        chance: accuracy without the transcript.
        limit: accuracy that no attacker can exceed under the claim; 1 without one.
    """

    right: int
    guesses: int
    chance: float
    limit: float

    @property
    def accuracy(self) -> float:
        """Part of the guesses that were right."""
        return self.right / self.guesses

    def interval(self, *, alpha: float = 0.05) -> tuple[float, float]:
        """Return the Clopper-Pearson interval of the accuracy."""
        return interval(self.right, self.guesses, alpha=alpha)


def noisy_integers() -> Transcript:
    """Return the transcript of a store that adds the full noise itself: for comparison, no store does so."""

    def send(_plan: ModelPlan, phase: PhasePlan, total: Vector, source: NoiseSource) -> bytes:
        return grid_of(phase).privatise(total, source=source).astype(_WIRE).tobytes()

    def read(_plan: ModelPlan, phase: PhasePlan, sent: bytes) -> Vector:
        return grid_of(phase).decode(np.frombuffer(sent, dtype=_WIRE).astype(np.int64))

    return Transcript(
        name="noisy integers of one store", send=send, read=read, mu=lambda phase: 1 / phase.noise_multiplier
    )


def plain_integers() -> Transcript:
    """Return the transcript of a store that adds no noise: the twin from which everything must be read."""

    def send(_plan: ModelPlan, phase: PhasePlan, total: Vector, _source: NoiseSource) -> bytes:
        return grid_of(phase).encode(total).astype(_WIRE).tobytes()

    def read(_plan: ModelPlan, phase: PhasePlan, sent: bytes) -> Vector:
        return grid_of(phase).decode(np.frombuffer(sent, dtype=_WIRE).astype(np.int64))

    return Transcript(name="plain sum of one store", send=send, read=read, mu=lambda _phase: math.inf)


def item_attack(
    plan: ModelPlan, transcript: Transcript, *, customers: int, rounds: int, seed: int, source: NoiseSource
) -> Attack:
    """Guess which rare product each customer bought, from the transcript alone.

    Args:
        plan: whose first phase is popularity.
        transcript: what is sent and how it is read.
        customers: of the one store; each gives one guess a round.
        rounds: transcripts, each with new purchases.
        seed: of the shop and the choices.
        source: of the noise.

    Returns:
        Guesses, with the limit Phi(Phi^-1(1 / GROUP) + mu): against the transcript without the customer a
        guess is right by chance, and a trade-off curve is convex (Dong, Roth and Su 2022, section 2).
    """
    phase = plan.phases[0]
    generator = np.random.default_rng(seed)
    (shop,) = made_up_shops(plan.schema, stores=1, customers=customers, seed=seed, rare=5 * customers * GROUP)
    groups = _groups(shop, customers)
    keys = shop.catalogue.shared_key[groups]
    right = 0
    for _ in range(rounds):
        chosen = generator.integers(GROUP, size=customers)
        bought = groups[np.arange(customers), chosen]
        total = clipped_sum(plan, phase, initial_state(plan), _with_lines(shop, bought), source=source)
        seen = transcript.read(plan, phase, transcript.send(plan, phase, total, source))
        right += int((np.argmax(seen[keys], axis=1) == chosen).sum())
    chance = 1 / GROUP
    return Attack(
        right=right, guesses=rounds * customers, chance=chance, limit=_limit(chance, transcript.mu(phase))
    )


def attribute_attack(
    plan: ModelPlan, transcript: Transcript, *, rounds: int, seed: int, source: NoiseSource
) -> Attack:
    """Guess a two-valued attribute of one customer, everybody else being known.

    The attacker takes what is left after everybody else is subtracted and asks which half of the categories
    it
    leans to: the sign of its inner product with the difference of the halves' mean rows, which are learnt
    from customers made up by the same rule.
    """
    phase = plan.phases[0]
    generator = np.random.default_rng(seed)
    (shop,) = made_up_shops(plan.schema, stores=1, customers=8, seed=seed)
    state = initial_state(plan)
    others = sum_over(plan, phase, state, shop)
    means = [_mean_row(plan, phase, shop, value, generator) for value in (0, 1)]
    direction, middle = means[1] - means[0], (means[1] + means[0]) / 2
    right = 0
    for _ in range(rounds):
        value = int(generator.integers(2))
        joined = with_customers(shop, ["the one"], [_leaning_basket(value, generator)])
        total = clipped_sum(plan, phase, state, joined, source=source)
        seen = transcript.read(plan, phase, transcript.send(plan, phase, total, source))
        right += int((float((seen - others - middle) @ direction) > 0) == bool(value))
    return Attack(right=right, guesses=rounds, chance=0.5, limit=_limit(0.5, transcript.mu(phase)))


def _limit(chance: float, mu: float) -> float:
    return float(ndtr(ndtri(chance) + mu))


def _groups(shop: ShopData, customers: int) -> NDArray[np.int64]:
    """Return (customers, GROUP) rare products, no two of all products with the same key bucket."""
    keys = shop.catalogue.shared_key
    unique, first, counts = np.unique(keys, return_index=True, return_counts=True)
    alone = np.sort(first[(counts == 1) & (unique > 0)])
    rare = alone[alone >= PRODUCTS][: customers * GROUP]
    return rare.reshape(customers, GROUP).astype(np.int64)


def _with_lines(shop: ShopData, bought: NDArray[np.int64]) -> ShopData:
    """Return the shop in which customer i bought bought[i] besides, last week."""
    names = shop.customer_ids
    lines = shop.purchases
    baskets = [
        np.concatenate(
            [
                np.stack([lines.item[lines.customer == row], lines.day[lines.customer == row]], axis=1),
                [[product, AS_OF - 7]],
            ]
        )
        for row, product in enumerate(bought)
    ]
    return with_customers(shop.select(np.zeros(0, dtype=np.int64)), names, baskets)


def _leaning_basket(value: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return purchases that lean to the first or the second half of the categories."""
    half = CATEGORIES // 2
    leans = generator.random(_LINES) < _LEANING
    chosen = np.where(leans, value, 1 - value) * half + generator.integers(half, size=_LINES)
    item = chosen + CATEGORIES * generator.integers(PRODUCTS // CATEGORIES, size=_LINES)
    day = AS_OF - 1 - generator.integers(150, size=_LINES)
    return np.stack([item, day], axis=1).astype(np.int64)


def _mean_row(
    plan: ModelPlan, phase: PhasePlan, shop: ShopData, value: int, generator: np.random.Generator
) -> Vector:
    baskets: Sequence[NDArray[np.int64]] = [_leaning_basket(value, generator) for _ in range(64)]
    alone = with_customers(
        shop.select(np.zeros(0, dtype=np.int64)), [f"like {index}" for index in range(64)], baskets
    )
    return sum_over(plan, phase, initial_state(plan), alone) / 64
