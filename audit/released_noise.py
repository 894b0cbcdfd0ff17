"""How much noise can be in what a release released: its charter says it, and not the coordinator.

A model carries, beside released statistics, how noisy each is: stores weigh statistics by it, and intervals
are as wide as it says. It follows from the charter and two numbers of stores, those asked and those that
contributed, so whoever holds the charter needs no word for it but how many took part. How many did, above the
fewest that the manifest names, and the sums themselves remain the coordinator's word.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from highstreet.audit.charter import Charter
from highstreet.audit.errors import ReleasedNoiseError
from highstreet.audit.requests import MAX_PARTICIPANTS, mechanism_of
from highstreet.audit.weights import customer_weight
from highstreet.models.plan import PhasePlan
from highstreet.models.programme import apply_sum
from highstreet.models.state import SharedState
from highstreet.privacy.errors import InvalidReleaseError

__all__ = ["refuse_other_noise", "refuse_other_stddev"]

#: Phases whose released noise stands in the state, each in arrays that end like this.
_PHASES = ("popularity", "evaluation", "bias")
_SAID = "stddev"


def refuse_other_noise(charter: Charter, state: SharedState, *, participants: int) -> None:
    """Return only when every noise that a model tells of is what the charter's mechanism gives.

    Guarantee: the arrays `popularity/BLOCK_stddev`, `evaluation/stddev` and `bias/stddev` are, bit for bit,
    what their phases give with n contributors, for some n per phase of at least `participants` and the cohort
    floor, so that none is less than the floor's.

    Args:
        charter: as agreed to.
        state: the model's, of the charter's plan (`models.programme.check_state`).
        participants: fewest stores that any sum of the training holds.

    Raises:
        ReleasedNoiseError: naming the phase for which no number of stores gives what is said.
    """
    for phase in charter.plan.phases:
        if phase.name not in _PHASES:
            continue
        names = [name for name in state if name.startswith(f"{phase.name}/") and name.endswith(_SAID)]
        unit = _released(charter, phase, state, noise_stddev=1.0)
        told = float(state[names[0]][0]) / float(unit[names[0]][0])

        def is_told(noise: float, phase: PhasePlan = phase, names: list[str] = names) -> bool:
            given = _released(charter, phase, state, noise_stddev=noise)
            return all(np.array_equal(given[name], state[name]) for name in names)

        _refuse_unless(charter, phase, told, is_told, participants=participants)


def refuse_other_stddev(charter: Charter, phase_name: str, stddev: float, *, participants: int) -> None:
    """Return only when the charter's mechanism gives a phase's sums this noise, as in `refuse_other_noise`.

    For figures whose model is not at hand: of the release before, or in a manifest by itself.

    Args:
        charter: that they were measured under.
        phase_name: `bias` or `evaluation`.
        stddev: for whole customers.
        participants: fewest stores that any sum of the training holds.

    Raises:
        ReleasedNoiseError: the charter has no such phase, or no number of stores gives this noise.
    """
    weight = customer_weight(charter.privacy)
    phase = next((each for each in charter.plan.phases if each.name == phase_name), None)
    if phase is None:
        raise _refused(phase_name)
    _refuse_unless(
        charter, phase, stddev * weight, lambda noise: noise / weight == stddev, participants=participants
    )


def _released(charter: Charter, phase: PhasePlan, state: SharedState, *, noise_stddev: float) -> SharedState:
    """Return what the phase makes of a sum of nothing with this noise."""
    nothing = np.zeros(phase.dimension)
    return apply_sum(charter.plan, phase, state, nothing, stores=1, noise_stddev=noise_stddev)


def _refuse_unless(
    charter: Charter,
    phase: PhasePlan,
    told: float,
    is_told: Callable[[float], bool],
    *,
    participants: int,
) -> None:
    fewest = max(participants, charter.rounds.cohort_floor)
    if not any(is_told(noise) for noise in _possible(charter, phase, told, fewest=fewest)):
        raise _refused(phase.name)


def _possible(charter: Charter, phase: PhasePlan, told: float, *, fewest: int) -> Iterator[float]:
    """Yield the stddevs near what is told that the phase's mechanism gives, whoever was asked."""
    if not 0 < told < math.inf:
        return
    tried: set[float] = set()
    for asked in range(fewest, MAX_PARTICIPANTS + 1):
        try:
            mechanism = mechanism_of(phase, charter, participants=asked)
        except InvalidReleaseError:
            return  # no noise at all, or no room for so many stores, nor for more
        one = mechanism.noise_stddev(contributors=1)
        if told > 2 * one * math.sqrt(asked):
            continue
        contributors = round((told / one) ** 2)
        if fewest <= contributors <= asked:
            noise = mechanism.noise_stddev(contributors=contributors)
            if noise not in tried:
                tried.add(noise)
                yield noise


def _refused(phase: str) -> ReleasedNoiseError:
    return ReleasedNoiseError(
        f"The noise said to be in the sums of the phase {phase} is not what the charter puts there.",
        next_step="Ask the coordinator which stores contributed to that round, and do not use the release.",
    )
