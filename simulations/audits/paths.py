"""Ways from the stores' clipped sums to the coordinator, and what an attacker sees on each.

Every path runs the shipped mechanism of its kind. What is seen comes in the unit of the phase's sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from highstreet.audit.charter import RoundTerms
from highstreet.audit.requests import mechanism_under
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.programme import apply_sum
from highstreet.models.state import SharedState
from highstreet.privacy.mechanism import GaussianMechanism
from highstreet.privacy.noise import NoiseSource
from highstreet.privacy.shared_noise import DistributedMechanism

__all__ = ["EveryStore", "OnceInSum", "Path", "Seen", "SharedNoise", "grid_of", "mechanism_at_the_floor"]

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What came of one phase.

    Attributes:
        state: after the phase.
        views: what the attacker sees, one vector per view, in the unit of the sum.
        noise_multiplier: least stddev of the noise in a view, in clipping norms; 0 without noise.
    """

    state: SharedState
    views: tuple[Vector, ...]
    noise_multiplier: float


class Path(Protocol):
    """How sums travel. `name` is printed; `view_of` says in which view a store's sum is."""

    @property
    def name(self) -> str:
        """Name the path in a table."""
        ...

    def view_of(self, store: int) -> int:
        """Return the index of the view that holds this store's sum."""
        ...

    def close(
        self,
        plan: ModelPlan,
        phase: PhasePlan,
        state: SharedState,
        sums: Sequence[Vector],
        *,
        source: NoiseSource,
    ) -> Seen:
        """Add noise as the phase says (none when its multiplier is 0), send, and close the phase."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryStore:
    """Every store adds the full noise, and its integers are seen: for comparison, no store does so."""

    name: str = "noise in every store"

    def view_of(self, store: int) -> int:
        """Return the store: it is seen on its own."""
        return store

    def close(
        self,
        plan: ModelPlan,
        phase: PhasePlan,
        state: SharedState,
        sums: Sequence[Vector],
        *,
        source: NoiseSource,
    ) -> Seen:
        """See Path."""
        mechanism = grid_of(phase)
        is_noisy = phase.noise_multiplier > 0
        received = [
            mechanism.privatise(each, source=source) if is_noisy else mechanism.encode(each) for each in sums
        ]
        total = mechanism.decode(np.sum(received, axis=0, dtype=np.int64))
        stddev = mechanism.noise_stddev * math.sqrt(len(sums)) if is_noisy else 0.0
        return Seen(
            state=apply_sum(plan, phase, state, total, stores=len(sums), noise_stddev=stddev),
            views=tuple(mechanism.decode(each) for each in received),
            noise_multiplier=_in_clipping_norms(phase, mechanism),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceInSum:
    """Only the sum over stores is seen, and one mechanism's noise is in it, added centrally."""

    name: str = "noise once in the sum"

    def view_of(self, store: int) -> int:
        """Return 0: there is one view."""
        return 0

    def close(
        self,
        plan: ModelPlan,
        phase: PhasePlan,
        state: SharedState,
        sums: Sequence[Vector],
        *,
        source: NoiseSource,
    ) -> Seen:
        """See Path."""
        mechanism = grid_of(phase)
        integers: NDArray[np.int64] = np.sum(
            [mechanism.encode(each) for each in sums], axis=0, dtype=np.int64
        )
        if phase.noise_multiplier > 0:
            integers = integers + mechanism.noise(source)
        noisy = mechanism.decode(integers)
        stated = mechanism.noise_stddev if phase.noise_multiplier > 0 else 0.0
        return Seen(
            state=apply_sum(plan, phase, state, noisy, stores=len(sums), noise_stddev=stated),
            views=(noisy,),
            noise_multiplier=_in_clipping_norms(phase, mechanism),
        )


def _plain_sum(addends: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    total: NDArray[np.int64] = np.sum(addends, axis=0, dtype=np.int64)
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedNoise:
    """Every store adds a share of discrete Gaussian noise; only the sum modulo p is seen.

    The first `colluders` stores tell the attacker what they added; the attacker takes their noise out. The
    floor is the number of stores, so that what is left is exactly the noise promised.

    Attributes:
        colluders: c.
        name: printed.
        add: how the stores' integers are added up: plainly, or by `secure_sums.SecureSums.add`.
    """

    colluders: int = 1
    name: str = "shares of noise, plain sum"
    add: Callable[[Sequence[NDArray[np.int64]]], NDArray[np.int64]] = _plain_sum

    def view_of(self, store: int) -> int:
        """Return 0: there is one view."""
        return 0

    def close(
        self,
        plan: ModelPlan,
        phase: PhasePlan,
        state: SharedState,
        sums: Sequence[Vector],
        *,
        source: NoiseSource,
    ) -> Seen:
        """See Path."""
        mechanism = mechanism_at_the_floor(plan, phase, stores=len(sums), colluders=self.colluders)
        encoded = [mechanism.encode(each) for each in sums]
        silent = phase.noise_multiplier == 0
        addends = encoded if silent else [mechanism.share(each, source=source) for each in sums]
        total = self.add(addends)
        colluding = range(self.colluders)
        told = np.sum([encoded[store] - addends[store] for store in colluding], axis=0, dtype=np.int64)
        stddev = 0.0 if silent else mechanism.noise_stddev(contributors=len(sums))
        honest = math.sqrt((len(sums) - self.colluders) / len(sums))
        return Seen(
            state=apply_sum(
                plan, phase, state, mechanism.decode(total), stores=len(sums), noise_stddev=stddev
            ),
            views=(mechanism.decode(total + told),),
            noise_multiplier=stddev * honest / phase.clipping_norm,
        )


def mechanism_at_the_floor(
    plan: ModelPlan, phase: PhasePlan, *, stores: int, colluders: int
) -> DistributedMechanism:
    """Return the mechanism of a phase when every store is needed; without noise, the grid of multiplier 1."""
    return mechanism_under(
        replace(phase, noise_multiplier=phase.noise_multiplier or 1.0),
        RoundTerms(cohort_floor=stores, colluders=colluders),
        participants=stores,
        clients_per_store=plan.clients_per_store,
    )


def grid_of(phase: PhasePlan) -> GaussianMechanism:
    """Return the phase's mechanism; without noise, the grid of multiplier 1, used for `encode` alone."""
    return GaussianMechanism(
        dimension=phase.dimension,
        clipping_norm=phase.clipping_norm,
        noise_multiplier=phase.noise_multiplier or 1.0,
    )


def _in_clipping_norms(phase: PhasePlan, mechanism: GaussianMechanism) -> float:
    return mechanism.noise_stddev / phase.clipping_norm if phase.noise_multiplier > 0 else 0.0
