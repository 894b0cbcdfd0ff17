"""The audit bench: runs every audit at every claimed epsilon and on every path, and once without noise."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from highstreet.client.contribution import phase_release
from highstreet.models.plan import ModelPlan
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData
from highstreet.privacy.noise import NoiseSource, SecureNoise
from highstreet.simulations.audits import one_run, operating_points
from highstreet.simulations.audits.canaries import (
    BasketCanaries,
    Canaries,
    DirectionCanaries,
    random_directions,
)
from highstreet.simulations.audits.exposure import Exposure, expose, joint_scores, matched_scores
from highstreet.simulations.audits.findings import Bound, Noise
from highstreet.simulations.audits.gaussian_bounds import epsilon_of, separation
from highstreet.simulations.audits.made_up import made_up_shops
from highstreet.simulations.audits.membership import Ratios, customer_ratios, worst_case_ratios
from highstreet.simulations.audits.one_run import Guesses
from highstreet.simulations.audits.operating_points import (
    Errors,
    counted,
    rate_at_low_false_positives,
)
from highstreet.simulations.audits.paths import EveryStore, OnceInSum, Path, SharedNoise
from highstreet.simulations.audits.plans import SMALL_PARAMS, SMALL_SCHEMA, claimed_plan, with_noise_share
from highstreet.simulations.audits.secure_sums import SecureSums
from highstreet.simulations.audits.situations import SITUATIONS, Situation, ratios_in
from highstreet.simulations.audits.sizes import CLAIMS, CONFIDENCE, Size
from highstreet.simulations.conditions import DELTA

__all__ = ["alpha_of_one", "bounds"]

#: Parts of the canaries that are guessed, the surest first.
_GUESSED = (0.05, 0.15, 0.3, 0.6, 1.0)
_BOUNDS_PER_PATH = 6
_BOUNDS_BESIDES = 5 + sum(situation.bounds for situation in SITUATIONS)
_PATHS = 3
#: Of the audits that run the programme many times.
_SMALL_STORES, _SMALL_CUSTOMERS = 3, 4
_TARGETS = 24

Step = Callable[[str], None]


def alpha_of_one(claims: tuple[float, ...] = CLAIMS) -> float:
    """Return the chance of error of each bound, so that all of the table hold together (Bonferroni)."""
    return (1 - CONFIDENCE) / (len(claims) * (_PATHS * _BOUNDS_PER_PATH + _BOUNDS_BESIDES))


def bounds(
    size: Size,
    *,
    seed: int,
    step: Step,
    source: NoiseSource | None = None,
    claims: tuple[float, ...] = CLAIMS,
) -> Iterator[Bound]:
    """Run all audits that bound epsilon; each bound comes as soon as it is there.

    Args:
        size: how much is run.
        seed: of canaries, coins and shops.
        step: told what is being run.
        source: of the noise; the operating system's when None, as in a real store.
        claims: epsilons claimed, each for a programme calibrated to it.
    """
    noise = source or SecureNoise()
    alpha = alpha_of_one(claims)
    for claimed in (*claims, math.inf):
        bench = _Level(size=size, seed=seed, noise=noise, alpha=alpha, claimed=claimed, step=step)
        for path in _paths(size.stores):
            yield from bench.canaries(path)
        for path in _paths(_SMALL_STORES):
            yield from bench.worst_case(path)
        yield from bench.baskets(OnceInSum())
        yield from bench.customer(OnceInSum())
        for situation in SITUATIONS:
            yield from bench.situation(situation)


def _paths(stores: int) -> tuple[Path, ...]:
    return (
        EveryStore(),
        OnceInSum(),
        SharedNoise(name="secure sum, shares of noise", add=SecureSums(stores).add),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """All audits at one claim; an infinite claim is a programme whose noise is off."""

    size: Size
    seed: int
    noise: NoiseSource
    alpha: float
    claimed: float
    step: Step

    def canaries(self, path: Path) -> list[Bound]:
        """Gaussian canaries and one-run audits: three conclusions from one run."""
        canaries = DirectionCanaries(self.size.canaries, directions=random_directions(self.seed))
        started = time.monotonic()
        run = self._run(path, canaries, rare=0)
        matched, joint = matched_scores(run), joint_scores(run)
        apart = separation(matched[run.included], matched[~run.included], alpha=self.alpha)
        seconds = time.monotonic() - started
        first = self._bound(
            "Gaussian canaries, fit",
            path,
            estimate=epsilon_of(apart.estimate, delta=DELTA),
            bound=epsilon_of(apart.low, delta=DELTA),
            canaries=canaries.count,
            seconds=seconds,
        )
        return [first, *self._one_run(run, joint, "random directions", seconds)]

    def baskets(self, path: Path) -> list[Bound]:
        """One-run audit of canaries with purchases."""
        canaries = BasketCanaries(self.size.baskets)
        started = time.monotonic()
        run = self._run(path, canaries, rare=canaries.count)
        scores = joint_scores(run)
        return self._one_run(run, scores, "rare baskets", time.monotonic() - started)

    def worst_case(self, path: Path) -> list[Bound]:
        """Likelihood-ratio inference on customers who add all that clipping allows."""
        self.step(f"likelihood ratio, worst-case customers, {path.name}, epsilon {self.claimed:g}")
        started = time.monotonic()
        ratios = worst_case_ratios(
            self._plan(SMALL_SCHEMA, dict(SMALL_PARAMS)),
            self._small_shops(),
            targets=_TARGETS,
            path=path,
            runs=self.size.runs,
            seed=self.seed,
            source=self.noise,
        )
        return self._ratio_bounds(path, ratios, "worst-case customer", _TARGETS, time.monotonic() - started)

    def customer(self, path: Path) -> list[Bound]:
        """Likelihood-ratio inference on an ordinary customer; it tells of that customer only."""
        self.step(f"likelihood ratio, ordinary customer, {path.name}, epsilon {self.claimed:g}")
        started = time.monotonic()
        ratios = customer_ratios(
            self._plan(SMALL_SCHEMA, dict(SMALL_PARAMS)),
            self._small_shops(),
            path=path,
            runs=self.size.customer_runs,
            seed=self.seed,
            source=self.noise,
        )
        return self._ratio_bounds(path, ratios, "ordinary customer", 1, time.monotonic() - started)

    def situation(self, situation: Situation) -> list[Bound]:
        """Likelihood-ratio inference in another situation, through the secure sum."""
        self.step(f"likelihood ratio, {situation.name}, epsilon {self.claimed:g}")
        started = time.monotonic()
        plan = situation.plan(self.claimed if math.isfinite(self.claimed) else CLAIMS[-1], delta=DELTA)
        promised = situation.promised(plan, delta=DELTA) if math.isfinite(self.claimed) else math.inf
        path = SharedNoise(name="secure sum, shares of noise", add=SecureSums(situation.stores).add)
        runs = self.size.customer_runs if situation.is_ordinary else self.size.runs
        ratios = ratios_in(
            situation,
            plan if math.isfinite(self.claimed) else with_noise_share(plan, 0.0),
            path=path,
            runs=runs * situation.runs_factor,
            seed=self.seed,
            source=self.noise,
        )
        seconds = time.monotonic() - started
        if situation.is_gaussian:
            found = self._ratio_bounds(path, ratios, situation.name, situation.targets, seconds)
        else:
            found = self._counted_bounds(path, ratios, situation, plan, seconds)
        return [replace(each, promised=promised, note=self._beside(situation, each)) for each in found]

    def _beside(self, situation: Situation, found: Bound) -> str:
        """Say of a person in several shops what the claim for a customer of one shop would have missed."""
        if situation.shops_each == 1 or math.isinf(self.claimed):
            return found.note
        words = "above" if found.bound > self.claimed else "not above"
        return f"{words} the {self.claimed:g} of a customer of one shop; {found.note}"

    def _run(self, path: Path, canaries: Canaries, *, rare: int) -> Exposure:
        size = self.size
        self.step(f"{canaries.count} canaries, {path.name}, epsilon {self.claimed:g}")
        shops = made_up_shops(
            size.schema, stores=size.stores, customers=size.customers, seed=self.seed, rare=rare
        )
        included = np.random.default_rng([self.seed, 1]).random(canaries.count) < 0.5
        plan = self._plan(size.schema, size.params)
        return expose(plan, shops, canaries, included, path=path, source=self.noise)

    def _small_shops(self) -> tuple[ShopData, ...]:
        return made_up_shops(SMALL_SCHEMA, stores=_SMALL_STORES, customers=_SMALL_CUSTOMERS, seed=self.seed)

    def _plan(self, schema: FeatureSchema, params: dict[str, float]) -> ModelPlan:
        if math.isfinite(self.claimed):
            return claimed_plan(self.claimed, delta=DELTA, schema=schema, params=params)
        return with_noise_share(claimed_plan(CLAIMS[-1], delta=DELTA, schema=schema, params=params), 0.0)

    def _one_run(self, run: Exposure, scores: NDArray[np.float64], kind: str, seconds: float) -> list[Bound]:
        made = [max(1, round(part * run.canaries.count)) for part in _GUESSED]
        found = []
        for words, bound in (
            ("(epsilon, delta)", one_run.epsilon_bound),
            ("Gaussian trade-off", one_run.gaussian_epsilon_bound),
        ):

            def conclude(guesses: Guesses, alpha: float, bound: Callable[..., float] = bound) -> float:
                return bound(guesses, delta=DELTA, alpha=alpha)

            best, guesses = one_run.best_bound(
                scores, run.included, made=made, bound=conclude, alpha=self.alpha
            )
            perfect = max(
                conclude(Guesses(canaries=len(scores), made=count, correct=count), self.alpha / len(made))
                for count in made
            )
            found.append(
                self._bound(
                    f"one run, {kind}, {words}",
                    run.path,
                    bound=best,
                    ceiling=perfect,
                    canaries=len(scores),
                    seconds=seconds,
                    note=f"{guesses.correct} of {guesses.made} guesses right",
                )
            )
        return found

    def _ratio_bounds(
        self, path: Path, ratios: Ratios, who: str, targets: int, seconds: float
    ) -> list[Bound]:
        inside, outside = ratios.inside, ratios.outside
        apart = separation(inside, outside, alpha=self.alpha)
        middle = counted(inside, outside, threshold=0.0)
        sure = _sure_errors(ratios)
        rate = rate_at_low_false_positives(inside, outside, rate=0.01)
        note = (
            f"{len(inside)} trials in, {len(outside)} out; TPR {rate:.2f} at FPR 0.01; separation "
            f"{apart.estimate:.3g}, known {ratios.mu:.3g}"
        )
        fit = self._bound(
            f"likelihood ratio, {who}, fit",
            path,
            estimate=epsilon_of(apart.estimate, delta=DELTA),
            bound=epsilon_of(apart.low, delta=DELTA),
            canaries=targets,
            runs=ratios.runs,
            seconds=seconds,
            note=note,
        )
        found = [fit]
        for words, errors, bound in (
            ("Gaussian trade-off", middle, operating_points.gaussian_epsilon_bound),
            ("(epsilon, delta)", sure, operating_points.epsilon_bound),
        ):
            perfect = replace(errors, missed=0, alarms=0)
            counted_bound = replace(
                fit,
                audit=f"likelihood ratio, {who}, counted errors, {words}",
                estimate=None,
                bound=bound(errors, delta=DELTA, alpha=self.alpha),
                ceiling=bound(perfect, delta=DELTA, alpha=self.alpha),
            )
            found.append(counted_bound)
        return found

    def _counted_bounds(
        self, path: Path, ratios: Ratios, situation: Situation, plan: ModelPlan, seconds: float
    ) -> list[Bound]:
        """Conclude from counted errors alone, where scores are not normal."""
        middle = counted(ratios.inside, ratios.outside, threshold=0.0)
        releases = [phase_release(phase) for phase in plan.phases]

        def of_programme(found: Errors, *, delta: float, alpha: float) -> float:
            return operating_points.programme_epsilon_bound(found, releases, delta=delta, alpha=alpha)

        found = []
        for words, errors, bound in (
            ("trade-off of the programme", middle, of_programme),
            ("(epsilon, delta)", _sure_errors(ratios), operating_points.epsilon_bound),
        ):
            found.append(
                self._bound(
                    f"likelihood ratio, {situation.name}, counted errors, {words}",
                    path,
                    bound=bound(errors, delta=DELTA, alpha=self.alpha),
                    ceiling=bound(replace(errors, missed=0, alarms=0), delta=DELTA, alpha=self.alpha),
                    canaries=situation.targets,
                    runs=ratios.runs,
                    seconds=seconds,
                    note=(
                        f"missed {errors.missed} of {errors.inside}, "
                        f"false alarms {errors.alarms} of {errors.outside}"
                    ),
                )
            )
        return found

    def _bound(  # noqa: PLR0913  one argument per column of the table
        self,
        audit: str,
        path: Path,
        *,
        bound: float,
        canaries: int,
        seconds: float,
        estimate: float | None = None,
        ceiling: float | None = None,
        runs: int = 1,
        note: str = "",
    ) -> Bound:
        return Bound(
            audit=audit,
            path=path.name,
            claimed=self.claimed,
            noise=Noise.AS_CLAIMED if math.isfinite(self.claimed) else Noise.OFF,
            estimate=estimate,
            bound=bound,
            ceiling=ceiling,
            canaries=canaries,
            runs=runs,
            seconds=seconds,
            note=note,
        )


def _sure_errors(ratios: Ratios) -> Errors:
    """Count errors at a threshold that is chosen on one half of the trials and judged on the other."""
    inside, outside = ratios.inside, ratios.outside
    threshold = float(outside[: len(outside) // 2].max())
    return counted(inside[len(inside) // 2 :], outside[len(outside) // 2 :], threshold=threshold)
