"""A replay: every condition over a whole federation, one finished result after the other.

Each result (a condition under a seed) is written the moment it is finished; a replay that was stopped goes
on where it stopped, and one whose code, data or plan changed starts that part anew.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import highstreet
from highstreet.audit.charter import RoundTerms
from highstreet.audit.claims import releases_of
from highstreet.audit.requests import mechanism_under
from highstreet.audit.sums import committee_terms
from highstreet.models.local import fit_alone, fit_local
from highstreet.models.plan import ModelPlan
from highstreet.models.schema import FIELDS, FeatureSchema
from highstreet.models.serving import Recommender
from highstreet.models.state import SharedState
from highstreet.privacy.claims import two_claims
from highstreet.privacy.releases import NoisePlacement, Weighting
from highstreet.simulations.conditions import DELTA, Condition, Kind, Placement
from highstreet.simulations.judging import judge
from highstreet.simulations.opponents import judge_opponent
from highstreet.simulations.person_weights import STORES_PER_PERSON, weighted_shops
from highstreet.simulations.protocol import Federation, LabStore
from highstreet.simulations.training import FirstSums, plan_for, shops_per_person, train

__all__ = ["Job", "Outcome", "jobs_for", "replay"]

_CODE = {
    Kind.OPPONENT: (
        "models/baselines.py",
        "models/metrics.py",
        "simulations/judging.py",
        "simulations/opponents.py",
    ),
    Kind.ALONE: ("models", "simulations/judging.py"),
    Kind.COOP: (
        "models",
        "privacy",
        "privacy/secure_sum",
        "audit/drafting.py",
        "client/contribution.py",
        "simulations/judging.py",
        "simulations/person_weights.py",
        "simulations/secure_sums.py",
        "simulations/training.py",
    ),
}
_WEIGHTS = {
    Weighting.ONE_OVER_SHOPS: "1 / k for a person in k shops, k known exactly, as private matching gives it",
    Weighting.ONE_OVER_MOST: "1 / most_shops for everybody, as where no shop knows k",
}
_PLACEMENTS = {
    Placement.EVERY_STORE: NoisePlacement.EVERY_STORE,
    Placement.ONCE_IN_SUM: NoisePlacement.ONCE_IN_SUM,
}

Step = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One condition under one seed.

    Attributes:
        condition: what is run.
        seed: of noise, sampling and local training.
        fingerprint: of everything the result depends on; another fingerprint, another result.
        rounds: how its secure sums are held; None without any.
    """

    condition: Condition
    seed: int
    fingerprint: str
    rounds: RoundTerms | None = None

    @property
    def name(self) -> str:
        """Name of the result's files."""
        return f"{self.condition.name}-seed{self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a job gave.

    Attributes:
        values: (units, metrics), see judging.METRICS.
        seconds: it took.
        claims: what a private condition promises, two lines; none without privacy.
        details: public numbers of the plan and the secure sums that were run.
    """

    values: NDArray[np.float64]
    seconds: float
    claims: tuple[str, ...]
    details: dict[str, object]


def jobs_for(
    federation: Federation,
    conditions: Sequence[Condition],
    *,
    seeds: int,
    rounds: RoundTerms | None = None,
) -> list[Job]:
    """List the jobs in an order that shows something early: opponents, alone, then seed after seed.

    Args:
        federation: shops and protocol.
        conditions: what is run.
        seeds: of each condition that draws at random.
        rounds: how secure sums are held; needed where the noise is added in them.
    """
    data = _data_digest(federation)
    steady = [each for each in conditions if not each.is_random]
    random = [each for each in conditions if each.is_random]
    pairs = [(each, 1) for each in steady]
    pairs += [(each, seed) for seed in range(1, seeds + 1) for each in random]
    jobs = []
    for condition, seed in pairs:
        terms = rounds if condition.placement is Placement.ONCE_IN_SUM else None
        fingerprint = _fingerprint(condition, data + _weights_digest(federation, condition.weighting), terms)
        jobs.append(Job(condition=condition, seed=seed, fingerprint=fingerprint, rounds=terms))
    return jobs


def replay(
    federation: Federation, jobs: Sequence[Job], schema: FeatureSchema, *, step: Step
) -> Iterator[tuple[Job, Outcome]]:
    """Run jobs one after the other and yield each outcome as soon as it is there.

    Args:
        federation: shops and protocol.
        jobs: from `jobs_for`, those not finished yet.
        schema: the feature space the federation was built in.
        step: told (what, done, of how many) as work goes on.
    """
    first_sums: FirstSums = {}
    plans: dict[tuple[float | None, Weighting], ModelPlan] = {}
    for job in jobs:
        condition = job.condition
        started = time.perf_counter()
        claims: tuple[str, ...] = ()
        details: dict[str, object] = {}
        if condition.kind is Kind.OPPONENT:
            step(condition.title, 0, 1)
            values = judge_opponent(federation, condition.name)
        else:
            wanted = (condition.epsilon, condition.weighting)
            if wanted not in plans:
                plans[wanted] = plan_for(schema, *wanted)
            plan = plans[wanted]
            release = _release(federation, plan, job, first_sums, step)
            values = _judge_shops(federation, plan, release, job, step)
            claims = _claims(plan, condition)
            details = _details(plan, job, stores=len(federation.training))
        seconds = time.perf_counter() - started
        yield job, Outcome(values=values, seconds=seconds, claims=claims, details=details)


def _release(
    federation: Federation, plan: ModelPlan, job: Job, first_sums: FirstSums, step: Step
) -> SharedState | None:
    if job.condition.kind is Kind.ALONE:
        return None
    return train(
        plan,
        weighted_shops(federation.training, job.condition.weighting),
        placement=job.condition.placement,
        seed=job.seed,
        first_sums=first_sums,
        step=step,
        rounds=job.rounds,
        weighting=job.condition.weighting,
    )


def _judge_shops(
    federation: Federation, plan: ModelPlan, release: SharedState | None, job: Job, step: Step
) -> NDArray[np.float64]:
    """Let every shop train for itself, from the release or alone, and judge what it serves."""

    def scores(index: int, store: LabStore) -> NDArray[np.floating]:
        generator = np.random.default_rng((job.seed, index))
        if release is None:
            model = fit_alone(plan, store.shop, generator=generator)
        else:
            model = fit_local(plan, release, store.shop, generator=generator)
        step("local training", index + 1, len(federation.stores))
        return Recommender(model, store.shop).scores(store.judged)

    return judge(federation, scores)


def _claims(plan: ModelPlan, condition: Condition) -> tuple[str, ...]:
    if condition.placement is Placement.NOBODY:
        return ()
    both = two_claims(
        releases_of(plan),
        delta=DELTA,
        stores_per_person=STORES_PER_PERSON,
        placement=_PLACEMENTS[condition.placement],
        weighting=condition.weighting,
    )
    return both.lines()


def _details(plan: ModelPlan, job: Job, *, stores: int) -> dict[str, object]:
    if job.condition.kind is not Kind.COOP:
        return {}
    details: dict[str, object] = {
        "rung": plan.rung,
        "messages_per_store": len(plan.phases),
        "clients_per_store": plan.clients_per_store,
        "params": dict(plan.params),
        "phases": [
            {"name": phase.name, "dimension": phase.dimension, "noise_multiplier": phase.noise_multiplier}
            for phase in plan.phases
        ],
    }
    weighting = job.condition.weighting
    if weighting is not Weighting.WHOLE:
        details["weights"] = {"rule": _WEIGHTS[weighting], "most_shops": STORES_PER_PERSON}
    if job.rounds is not None:
        details["secure_sum"] = _secure_sum_details(plan, job.rounds, weighting, stores=stores)
    return details


def _secure_sum_details(
    plan: ModelPlan, rounds: RoundTerms, weighting: Weighting, *, stores: int
) -> dict[str, object]:
    """Say how the sums were held, and how much more noise than promised they carry; all shops contributed."""
    terms = committee_terms(rounds)
    phase = plan.phases[0]
    mechanism = mechanism_under(
        phase,
        rounds,
        participants=stores,
        clients_per_store=plan.clients_per_store,
        shops_per_person=shops_per_person(weighting),
    )
    reached = mechanism.noise_multiplier_with(contributors=stores, colluders=rounds.colluders)
    return {
        "contributors": stores,
        "floor": rounds.cohort_floor,
        "colluders": rounds.colluders,
        "committee": terms.seats(stores),
        "threshold": terms.threshold(terms.seats(stores)),
        "surplus": reached / phase.noise_multiplier,
        "rounding": mechanism.rounding_share,
    }


def _fingerprint(condition: Condition, data: str, rounds: RoundTerms | None) -> str:
    digest = hashlib.sha256(f"{condition} {data} {rounds}".encode())
    for source in _sources(_CODE[condition.kind]):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _sources(places: Sequence[str]) -> Iterator[Path]:
    """The source files a result depends on, wherever the package is installed."""
    for place in places:
        room, _, rest = place.partition("/")
        folder = Path(str(getattr(__import__(f"highstreet.{room}"), room).__path__[0]))
        place_in = folder / rest
        yield from (sorted(place_in.glob("*.py")) if place_in.is_dir() else [place_in])


def _data_digest(federation: Federation) -> str:
    digest = hashlib.sha256(f"{highstreet.__version__} {federation.protocol}".encode())
    digest.update("\n".join(federation.catalogue.product_ids).encode())
    for name in ("shared_key", *FIELDS, "price_band"):
        digest.update(federation.catalogue.column(name).tobytes())
    for store in federation.stores:
        for judged in (store.persons, store.targets.indices, store.targets.indptr):
            digest.update(np.ascontiguousarray(judged).tobytes())
    for store in (*federation.stores, *(federation.members or ())):
        lines = store.shop.purchases
        for column in (lines.customer, lines.item, lines.day):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _weights_digest(federation: Federation, weighting: Weighting) -> str:
    """A digest of the weights; nothing where contributions are whole, whatever persons there are."""
    if weighting is Weighting.WHOLE:
        return ""
    digest = hashlib.sha256()
    for shop in weighted_shops(federation.training, weighting):
        digest.update(np.ascontiguousarray(shop.weights).tobytes())
    return f" {digest.hexdigest()}"
