"""A programme drafted for a promise: the default one, its public numbers by weight, its noise by epsilon.

Charters and the lab draft here, so that what the lab measures is what a charter gets.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from functools import partial

from highstreet.audit.claims import releases_of
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import CLIENTS_PER_STORE, default_plan
from highstreet.models.schema import FeatureSchema
from highstreet.models.settings import Settings
from highstreet.privacy.calibration import calibrate_noise_multiplier
from highstreet.privacy.releases import Weighting

__all__ = ["draft_plan"]

#: Clients per store and ridge where each shop knows k: the defaults times the mean of 1 / k in weeks 1 to 40
#: of the sample, 0.316; the ridge rounded up, as chosen on its tuning weeks.
_WHERE_K_IS_KNOWN = (24, 20.0)


def draft_plan(
    *,
    epsilon: float | None,
    delta: float,
    weighting: Weighting = Weighting.WHOLE,
    shops_per_person: int = 1,
    schema: FeatureSchema | None = None,
    params: Mapping[str, float] | None = None,
    trainings: int = 1,
    measured: Collection[str] = (),
) -> ModelPlan:
    """Return the default programme with noise so that it costs just under epsilon.

    The noise multiplier is calibrated over the programme's releases by the shipped accountant: for a customer
    at a store, which with weights is also the claim for a person.

    Args:
        epsilon: what the trainings together may cost; None for no noise at all, which is for the lab only.
        delta: goes with epsilon.
        weighting: of contributions. Sums then hold less than one customer for each, and the public numbers
            that are in customers shrink with them.
        shops_per_person: K; of account where contributions are divided by it.
        schema: the feature space; the default one when None.
        params: overrides of the model's public numbers by name.
        trainings: how many trainings share epsilon.
        measured: parts of a bias phase at its end; none for no such phase.
    """
    clients, ridge = _in_customers_by_weight(weighting, shops_per_person)
    public = {"cooccurrence_ridge": ridge, **(params or {})}
    plan = partial(default_plan, schema, clients_per_store=clients, params=public, measured=measured)
    if epsilon is None:
        return plan(noise_multiplier=0.0)
    releases = list(releases_of(plan(noise_multiplier=1.0))) * trainings
    return plan(noise_multiplier=calibrate_noise_multiplier(releases, epsilon=epsilon, delta=delta))


def _in_customers_by_weight(weighting: Weighting, shops_per_person: int) -> tuple[int, float]:
    """Return clients per store and the co-occurrence ridge: the defaults, times a customer's mean weight.

    Sums of weights over the number of customers would be means that are too small.
    """
    ridge = Settings().cooccurrence_ridge
    if weighting is Weighting.ONE_OVER_SHOPS:
        return _WHERE_K_IS_KNOWN
    if weighting is Weighting.ONE_OVER_MOST:
        return math.ceil(CLIENTS_PER_STORE / shops_per_person), ridge / shops_per_person
    return CLIENTS_PER_STORE, ridge
