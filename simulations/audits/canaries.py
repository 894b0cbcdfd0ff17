"""Canaries: made-up customers whose part in a noisy sum an audit looks for.

They are customers of a shop like all others and go through the stores' own code. Two kinds:

- `DirectionCanaries` bring a row, or examples whose gradient, points in a random direction of their own and
  is far longer than the clipping norm (Andrew et al. 2024, arXiv:2302.03098, section 3): the worst a
  customer can be.
- `BasketCanaries` bring purchases, of a product nobody else buys, and go through featurisation as well.

The seam of the first kind: `client.contribution` asks `customer_rows` and `gradient_task` for a stream of
customers; inside `streams()` these two answer with the canaries' rows and examples in the place of their
(empty) histories. Clipping, summing, rounding and noise come after that and are the shipped ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from highstreet.client import contribution
from highstreet.models import programme
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState
from highstreet.privacy.clipping import clip_rows
from highstreet.simulations.audits.made_up import AS_OF, PRODUCTS, with_customers
from highstreet.simulations.errors import InvalidAuditError

if TYPE_CHECKING:
    from torch import Tensor

    from highstreet.models.ranker import GradientTask

__all__ = [
    "BasketCanaries",
    "Canaries",
    "DirectionCanaries",
    "Directions",
    "orthogonal_directions",
    "random_directions",
]

#: (phase, canaries' numbers) -> unit vectors (n, dimension), the same whenever asked.
Directions = Callable[[PhasePlan, Sequence[int]], NDArray[np.float32]]

_PREFIX = "canary "
#: Length of a canary's row before clipping, in clipping norms.
_OVERSHOOT = 8.0


class Canaries(Protocol):
    """A set of made-up customers, numbered from 0."""

    count: int

    def join(self, shop: ShopData, numbers: Sequence[int]) -> ShopData:
        """Return the shop with these canaries as its last customers."""
        ...

    def streams(self) -> AbstractContextManager[object]:
        """Return the context in which stores' sums must be computed. Not for several threads at once."""
        ...

    def vectors(
        self, plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData, numbers: Sequence[int]
    ) -> NDArray[np.float32] | None:
        """Return what each of these canaries adds to the phase's sum, (n, dimension), in clipping norms.

        None where the attacker looks for nothing in this phase. The shop may be any: it lends its catalogue.
        """
        ...


def random_directions(seed: int) -> Directions:
    """Return independent directions, uniform on the sphere: nearly orthogonal in many dimensions."""

    def draw(phase: PhasePlan, numbers: Sequence[int]) -> NDArray[np.float32]:
        rows = np.empty((len(numbers), phase.dimension), dtype=np.float32)
        for row, number in zip(rows, numbers, strict=True):
            generator = np.random.default_rng([seed, phase.index, number])
            generator.standard_normal(out=row, dtype=np.float32)
            row /= np.linalg.norm(row)
        return rows

    return draw


def orthogonal_directions(count: int, *, seed: int) -> Directions:
    """Return `count` directions that are orthogonal in every phase; no phase may have fewer dimensions.

    The noise along orthogonal directions is independent, so canaries in one run are independent trials.
    """
    found: dict[int, NDArray[np.float32]] = {}

    def draw(phase: PhasePlan, numbers: Sequence[int]) -> NDArray[np.float32]:
        if phase.dimension < count:
            raise InvalidAuditError(
                f"No {count} directions are orthogonal in the {phase.dimension} dimensions of {phase.name}."
            )
        if phase.index not in found:
            generator = np.random.default_rng([seed, phase.index])
            basis, _ = np.linalg.qr(generator.standard_normal((phase.dimension, count)))
            found[phase.index] = np.ascontiguousarray(basis.T, dtype=np.float32)
        return found[phase.index][list(numbers)]

    return draw


class DirectionCanaries:
    """Canaries with a direction of their own in every phase; see `random_directions`."""

    def __init__(self, count: int, *, directions: Directions) -> None:
        self.count = count
        self.directions = directions

    def join(self, shop: ShopData, numbers: Sequence[int]) -> ShopData:
        """Return the shop with these canaries as its last customers; they have no purchases."""
        nothing = np.zeros((0, 2), dtype=np.int64)
        return with_customers(shop, [f"{_PREFIX}{number}" for number in numbers], [nothing] * len(numbers))

    def streams(self) -> AbstractContextManager[object]:
        """Put the canaries' rows and examples into the streams of `client.contribution`."""
        return self._patched()

    def vectors(
        self,
        plan: ModelPlan,
        phase: PhasePlan,
        state: SharedState,
        shop: ShopData,
        numbers: Sequence[int],
    ) -> NDArray[np.float32]:
        """Return the directions: what is left of a canary after clipping."""
        return self.directions(phase, numbers)

    @contextmanager
    def _patched(self) -> Iterator[None]:
        with (
            patch.object(contribution, "customer_rows", self._rows),
            patch.object(contribution, "gradient_task", self._task),
        ):
            yield

    def _rows(
        self, plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData
    ) -> Iterator[NDArray[np.float64]]:
        start = 0
        for chunk in programme.customer_rows(plan, phase, state, shop):
            places, numbers = _canaries_among(shop.customer_ids[start : start + len(chunk)])
            rows = chunk.copy()
            rows[places] = self.directions(phase, numbers) * (_OVERSHOOT * phase.clipping_norm)
            start += len(chunk)
            yield rows

    def _task(self, plan: ModelPlan, phase: PhasePlan, state: SharedState) -> GradientTask:
        return _CanaryTask(programme.gradient_task(plan, phase, state), self, phase)


class _CanaryTask:
    """A gradient task in which canaries bring examples made up so that their gradient has a given direction.

    The module is linear: a single window in which the first candidate is bought and alone has features x has
    the gradient -x (1 - 1 / candidates), so x points against the wanted direction.
    """

    def __init__(self, task: GradientTask, canaries: DirectionCanaries, phase: PhasePlan) -> None:
        self._task, self._canaries, self._phase = task, canaries, phase
        self.module = task.module

    def examples(self, shop: ShopData, rows: NDArray[np.integer]) -> tuple[Tensor, ...]:
        import torch

        features, current, targets = self._task.examples(shop, rows)
        places, numbers = _canaries_among([shop.customer_ids[row] for row in rows])
        length = 2 * _OVERSHOOT * self._phase.clipping_norm
        for place, direction in zip(places, self._canaries.directions(self._phase, numbers), strict=True):
            for tensor in (features, current, targets):
                tensor[place] = 0
            features[place, 0, 0] = torch.from_numpy(-length * direction)
            targets[place, 0, 0] = 1
        return features, current, targets

    def loss(self, outputs: Tensor, *targets: Tensor) -> Tensor:
        return self._task.loss(outputs, *targets)


class BasketCanaries:
    """Canaries that buy one rare product each, three times, and nothing else.

    Canary i buys catalogue row PRODUCTS + i: the shop must be made with `rare` products. The attacker looks
    at the statistics of popularity alone, where the product stands out.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def join(self, shop: ShopData, numbers: Sequence[int]) -> ShopData:
        """Return the shop with these canaries and their purchases."""
        days = AS_OF - np.array([5, 40, 80])
        baskets = [np.stack([np.full(3, PRODUCTS + number), days], axis=1) for number in numbers]
        return with_customers(shop, [f"{_PREFIX}{number}" for number in numbers], baskets)

    def streams(self) -> AbstractContextManager[object]:
        """Change nothing: purchases speak for themselves."""
        return nullcontext()

    def vectors(
        self, plan: ModelPlan, phase: PhasePlan, state: SharedState, shop: ShopData, numbers: Sequence[int]
    ) -> NDArray[np.float32] | None:
        """Return the canaries' own clipped rows."""
        if phase.name != "popularity":
            return None
        alone = self.join(shop.select(np.zeros(0, dtype=np.int64)), numbers)
        rows = [
            clip_rows(chunk, clipping_norm=phase.clipping_norm).astype(np.float32)
            / np.float32(phase.clipping_norm)
            for chunk in programme.customer_rows(plan, phase, state, alone)
        ]
        return np.concatenate([np.zeros((0, phase.dimension), dtype=np.float32), *rows])


def _canaries_among(names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the places of the canaries among customers, and their numbers."""
    places = [place for place, name in enumerate(names) if name.startswith(_PREFIX)]
    return places, [int(names[place].removeprefix(_PREFIX)) for place in places]
