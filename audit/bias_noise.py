"""How much noise the sums on bias can carry under a charter: a smaller figure would narrow the intervals.

A coordinator says which noise is in the sums it released. It follows from the charter and two numbers of
stores, so whoever holds the charter needs no word for it but how many stores took part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from highstreet.audit.bias_figures import NoisySums
from highstreet.audit.charter import Charter
from highstreet.audit.errors import BiasGateError
from highstreet.audit.requests import MAX_PARTICIPANTS, mechanism_of
from highstreet.audit.weights import customer_weight
from highstreet.models.plan import PhasePlan
from highstreet.privacy.errors import InvalidReleaseError
from highstreet.privacy.shared_noise import DistributedMechanism

__all__ = ["refuse_other_noise"]


def refuse_other_noise(charter: Charter, sums: NoisySums | None, *, participants: int) -> None:
    """Return only when the charter's own mechanism gives sums this noise.

    Guarantee: the stddev is, bit for bit, that of the charter's bias phase with n contributors, for some n of
    at least `participants` and the cohort floor, so that it is never less than the floor's. That n took part
    and not more, and the sums themselves, remain the coordinator's word.

    Args:
        charter: as agreed to.
        sums: for whole customers; None, nothing measured, fits every charter.
        participants: fewest stores that any sum of the training holds.

    Raises:
        BiasGateError: no number of stores gives this noise.
    """
    if sums is None:
        return
    fewest = max(participants, charter.rounds.cohort_floor)
    weight = customer_weight(charter.privacy)
    for phase in charter.plan.phases:
        if phase.name == "bias" and any(
            _gives(mechanism, sums.stddev, weight=weight, fewest=fewest)
            for mechanism in _mechanisms(charter, phase, fewest=fewest)
        ):
            return
    raise BiasGateError("The noise said to be in the figures on bias is not what the charter puts there.")


def _mechanisms(charter: Charter, phase: PhasePlan, *, fewest: int) -> Iterator[DistributedMechanism]:
    """Yield the phase's mechanism for every number of stores that may be asked."""
    for asked in range(fewest, MAX_PARTICIPANTS + 1):
        try:
            yield mechanism_of(phase, charter, participants=asked)
        except InvalidReleaseError:
            return  # no noise at all, or no room for so many stores, nor for more


def _gives(mechanism: DistributedMechanism, stddev: float, *, weight: float, fewest: int) -> bool:
    """Whether some number of contributors makes this noise, scaled to whole customers."""
    one = mechanism.noise_stddev(contributors=1) / weight
    if not 0 < stddev <= 2 * one * math.sqrt(mechanism.stores):
        return False
    contributors = round((stddev / one) ** 2)
    return (
        fewest <= contributors <= mechanism.stores
        and mechanism.noise_stddev(contributors=contributors) / weight == stddev
    )
