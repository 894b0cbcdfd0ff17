"""What a state can be after some phases of a plan: which arrays, their shapes and dtypes, and how large.

A state comes from a coordinator, who may be malicious. Finite but extreme numbers turn the last bits of a
customer's row into numbers of any size, so a store uses a state only when honest phases could have made it.
The bounds are public, follow from what the coordinator's steps can produce, and are generous:

- Sums and noise stddevs: 1e13. 2^24 customers at each of 10,000 stores with rows of norm 1, block weights of
  at least 0.038 undone, come to 4.4e12.
- `cooccurrence/weights`: entries -P_ij / P_jj of the inverse P of a positive matrix with eigenvalues between
  the ridge r and r + 1e12, at most sqrt(1 + 1e12 / r).
- `ranker/whitening`: eigenvalues are floored at 1e-6 before the inverse root, so entries are at most 1,000
  times the largest scale of a feature.
- `ranker/weights`: a round moves them by at most so many times the step radius from where they were; before
  the first round they are the public ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models import cooccurrence
from highstreet.models.errors import InvalidStateError
from highstreet.models.evaluation import METRICS
from highstreet.models.features import FEATURE_SCALES, FEATURES, INITIAL_WEIGHTS
from highstreet.models.plan import ModelPlan, PhasePlan
from highstreet.models.popularity import block_sizes
from highstreet.models.settings import Settings
from highstreet.models.state import Array, SharedState

__all__ = ["ExpectedArray", "expected_arrays", "refuse_unexpected"]

_MOST = 1e13
_MOST_EIGENVALUE = 1e12
_MOST_WHITENING = 1e3 * float(FEATURE_SCALES.max())
#: For the rounding of the coordinator's own steps.
_SLACK = 1 + 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExpectedArray:
    """One array of a state.

    Attributes:
        shape, dtype: exactly.
        low, high: least and most of each number; scalars, or arrays of that shape.
    """

    shape: tuple[int, ...]
    dtype: str
    low: float | NDArray[np.float64]
    high: float | NDArray[np.float64]

    def holds(self, array: Array) -> bool:
        """Whether an array is one of these."""
        if array.shape != self.shape or array.dtype != np.dtype(self.dtype):
            return False
        return bool(((self.low <= array) & (array <= self.high)).all())


def expected_arrays(plan: ModelPlan, settings: Settings, *, phases_done: int) -> dict[str, ExpectedArray]:
    """Return every array of the state after the first `phases_done` phases, by name."""
    done = plan.phases[:phases_done]
    reach = _MOST_WHITENING * settings.step_radius * sum(phase.name == "ranker" for phase in done) * _SLACK
    arrays = {
        "ranker/weights": ExpectedArray(
            shape=INITIAL_WEIGHTS.shape,
            dtype="float64",
            low=INITIAL_WEIGHTS - reach,
            high=INITIAL_WEIGHTS + reach,
        ),
        "ranker/variance": _number(at_least=0.0),
    }
    for phase in done:
        arrays.update(_released(phase, plan, settings))
    return arrays


def refuse_unexpected(state: SharedState, expected: dict[str, ExpectedArray]) -> None:
    """Return only when a state holds exactly these arrays.

    Raises:
        InvalidStateError: with the first name that is missing, foreign or out of bounds.
    """
    odd = sorted(set(state) ^ set(expected))
    if odd:
        raise InvalidStateError(f"The state should hold other arrays at this phase; see {odd[0]}.")
    for name, array in expected.items():
        if not array.holds(state[name]):
            raise InvalidStateError(
                f"The state's array {name} has a shape, dtype or number that no honest phase gives."
            )


def _released(phase: PhasePlan, plan: ModelPlan, settings: Settings) -> Iterable[tuple[str, ExpectedArray]]:
    """What a phase adds to the state; the ranker's rounds only change what is there."""
    name, features = phase.name, len(FEATURES)
    if name == "popularity":
        return _popularity(block_sizes(plan.schema))
    if name == "cooccurrence":
        tokens = cooccurrence.token_count(settings)
        most = math.sqrt(1 + _MOST_EIGENVALUE / settings.cooccurrence_ridge)
        return [("cooccurrence/weights", _within(most, (tokens, tokens), "float32"))]
    if name == "curvature":
        square = (features, features)
        return [
            ("ranker/whitening", _within(_MOST_WHITENING, square, "float64")),
            ("ranker/curvature", _within(_MOST, square, "float64")),
        ]
    if name == "evaluation":
        sums = [(f"evaluation/{metric}", _number(at_least=-_MOST)) for metric in METRICS]
        return [*sums, ("evaluation/stddev", _number(at_least=0.0))]
    if name == "bias":
        measured = _within(_MOST, (phase.dimension,), "float64")
        return [("bias/sums", measured), ("bias/stddev", _number(at_least=0.0))]
    return []


def _popularity(sizes: dict[str, int]) -> Iterator[tuple[str, ExpectedArray]]:
    for name, size in sizes.items():
        yield f"popularity/{name}", _within(_MOST, (size,), "float32")
        yield f"popularity/{name}_stddev", _number(at_least=0.0)


def _within(most: float, shape: tuple[int, ...], dtype: str) -> ExpectedArray:
    return ExpectedArray(shape=shape, dtype=dtype, low=-most * _SLACK, high=most * _SLACK)


def _number(*, at_least: float) -> ExpectedArray:
    return ExpectedArray(shape=(1,), dtype="float64", low=at_least, high=_MOST)
