"""Situations beside a customer of one shop in full batches: a person in several, samples, evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from highstreet.client.contribution import phase_release
from highstreet.models.plan import ModelPlan
from highstreet.privacy.claims import two_claims
from highstreet.privacy.noise import NoiseSource
from highstreet.privacy.releases import NoisePlacement
from highstreet.simulations.audits.made_up import made_up_shops
from highstreet.simulations.audits.membership import Ratios, customer_ratios, worst_case_ratios
from highstreet.simulations.audits.paths import Path
from highstreet.simulations.audits.plans import SMALL_PARAMS, SMALL_SCHEMA, claimed_plan

__all__ = ["SITUATIONS", "Situation", "ratios_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Who is attacked, and in what programme.

    Attributes:
        name: in words.
        stores, customers: shops, and customers of each who are not attacked.
        targets: attacked in one run, independently; at most the dimension of the smallest phase.
        shops_each: k, of how many shops each of them is a customer.
        sampling_rate: of customers in the ranker rounds.
        gradient_rounds: ranker rounds.
        shares: of the budget by phase name, so that what the situation is about weighs most.
        params: of the model, beside the small ones.
        is_ordinary: whether a customer with purchases is attacked, and not one who adds all clipping allows.
        runs_factor: how many times the runs of other audits it needs, for as many trials.
    """

    name: str
    stores: int = 3
    customers: int = 4
    targets: int = 24
    shops_each: int = 1
    sampling_rate: float = 1.0
    gradient_rounds: int = 4
    shares: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, float] = field(default_factory=dict)
    is_ordinary: bool = False
    runs_factor: int = 1

    @property
    def is_gaussian(self) -> bool:
        """Whether likelihood ratios are normal and the trade-off curve is a Gaussian one."""
        return self.sampling_rate == 1

    @property
    def bounds(self) -> int:
        """How many bounds are concluded."""
        return 3 if self.is_gaussian else 2

    def plan(self, epsilon: float, *, delta: float) -> ModelPlan:
        """Return the programme that costs this epsilon for a customer of one shop."""
        return claimed_plan(
            epsilon,
            delta=delta,
            schema=SMALL_SCHEMA,
            params={**SMALL_PARAMS, **self.params},
            shares=self.shares,
            gradient_rounds=self.gradient_rounds,
            gradient_sampling_rate=self.sampling_rate,
        )

    def promised(self, plan: ModelPlan, *, delta: float) -> float:
        """Return the epsilon that is printed for whoever is attacked: for a person when in several shops."""
        claims = two_claims(
            [phase_release(phase) for phase in plan.phases],
            delta=delta,
            stores_per_person=self.shops_each,
            placement=NoisePlacement.ONCE_IN_SUM,
        )
        return (claims.customer if self.shops_each == 1 else claims.person).epsilon


def ratios_in(
    situation: Situation, plan: ModelPlan, *, path: Path, runs: int, seed: int, source: NoiseSource
) -> Ratios:
    """Attack the targets of a situation; see `membership`.

    Args:
        situation: who is attacked.
        plan: of the situation, with the noise that is really added.
        path: how sums travel.
        runs: of the programme.
        seed: of shops, directions and coins.
        source: of the noise and the samples.
    """
    shops = made_up_shops(SMALL_SCHEMA, stores=situation.stores, customers=situation.customers, seed=seed)
    if situation.is_ordinary:
        return customer_ratios(plan, shops, path=path, runs=runs, seed=seed, source=source)
    return worst_case_ratios(
        plan,
        shops,
        targets=situation.targets,
        path=path,
        runs=runs,
        seed=seed,
        source=source,
        shops_each=situation.shops_each,
    )


_EVALUATION: Mapping[str, float] = {
    "popularity": 0.04,
    "cooccurrence": 0.02,
    "curvature": 0.02,
    "ranker": 0.02,
    "evaluation": 0.9,
}
_WITH_HOLDOUT: Mapping[str, float] = {"holdout_days": 14}

SITUATIONS = (
    Situation(name="person in 4 shops", stores=5, shops_each=4),
    Situation(
        name="customer sampled at 0.1",
        customers=0,  # of others it would not be known who was drawn
        sampling_rate=0.1,
        gradient_rounds=16,
        # Shares are those of full batches: sampled at 0.1, a round costs about a hundredth of its share.
        shares={"popularity": 0.0007, "cooccurrence": 0.0007, "curvature": 0.0006, "ranker": 0.998},
    ),
    Situation(
        name="worst-case customer, mostly the evaluation",
        targets=6,  # numbers of an evaluation
        gradient_rounds=1,
        shares=_EVALUATION,
        params=_WITH_HOLDOUT,
        runs_factor=4,
    ),
    Situation(
        name="ordinary customer, mostly the evaluation",
        targets=1,
        gradient_rounds=1,
        shares=_EVALUATION,
        params=_WITH_HOLDOUT,
        is_ordinary=True,
    ),
)
