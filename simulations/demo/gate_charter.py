"""The charter of the trial of the gate: a short programme that ends by measuring age bands, and one rule."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import date
from functools import partial

from highstreet.audit.bias_rules import BiasLimits, BiasRule, Comparison, Direction, Metric
from highstreet.audit.charter import COOP_LEARNING, Charter, CoopIdentity, PrivacyTerms
from highstreet.audit.claims import releases_of
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import default_plan
from highstreet.models.schema import FeatureSchema
from highstreet.privacy.calibration import calibrate_noise_multiplier

__all__ = ["GATE_COOP", "TRAININGS", "gate_charter"]

GATE_COOP = "Trial of the gate"
#: Both candidates share what a customer's privacy may cost.
TRAININGS = 2
_EPSILON, _DELTA = 3.0, 1e-5
_RULE = BiasRule(
    name="ages_alike",
    metric=Metric.NDCG_NOVEL,
    groups="age_band",
    comparison=Comparison.OTHERS,
    direction=Direction.AT_LEAST,
    limit=-0.25,
)
#: Small: two dozen products take no more.
_SCHEMA = FeatureSchema(
    key_buckets=4096,
    category_buckets=8,
    product_type_buckets=512,
    brand_buckets=8,
    maker_buckets=8,
    size_buckets=8,
)
_SHARES = {"popularity": 0.3, "cooccurrence": 0.3, "evaluation": 0.05, "bias": 0.35}
_PARAMS = {"holdout_days": 14, "token_keys": 24}
#: What the ranker rounds would need; this programme has none.
_LEFT_OUT = "curvature"


def gate_charter(*, today: date, clients_per_store: int) -> Charter:
    """Return the charter: two trainings in a year cost a customer just under the usual epsilon.

    Args:
        today: the day it is made.
        clients_per_store: public number of customers of a shop.
    """
    plan = partial(_plan, clients_per_store=clients_per_store)
    releases = list(releases_of(plan(1.0))) * TRAININGS
    return Charter(
        coop=CoopIdentity(id=secrets.token_hex(16), name=GATE_COOP, created=today.isoformat()),
        purposes=(COOP_LEARNING,),
        plan=plan(calibrate_noise_multiplier(releases, epsilon=_EPSILON, delta=_DELTA)),
        privacy=PrivacyTerms(epsilon=_EPSILON, delta=_DELTA),
        bias_limits=BiasLimits(rules=(_RULE,)),
    )


def _plan(noise_multiplier: float, *, clients_per_store: int) -> ModelPlan:
    """Return popularity, what is bought together, and both measurements; the ranker's weights stay public."""
    whole = default_plan(
        _SCHEMA,
        noise_multiplier=noise_multiplier,
        clients_per_store=clients_per_store,
        gradient_rounds=0,
        params=_PARAMS,
        shares={**_SHARES, _LEFT_OUT: 1e-6},
        measured=[_RULE.groups],
    )
    kept = [phase for phase in whole.phases if phase.name != _LEFT_OUT]
    return replace(whole, phases=tuple(replace(phase, index=index) for index, phase in enumerate(kept)))
