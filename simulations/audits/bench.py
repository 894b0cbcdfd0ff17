"""The audit bench: runs every audit at every claimed epsilon and on every path, and once without noise."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.plan import ModelPlan
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData
from highstreet.privacy.noise import NoiseSource, SecureNoise
from highstreet.simulations.audits import one_run, operating_points
from highstreet.simulations.audits.canaries import BasketCanaries, Canaries, DirectionCanaries
from highstreet.simulations.audits.exposure import Exposure, expose, joint_scores, matched_scores
from highstreet.simulations.audits.findings import Bound, Noise, Reading
from highstreet.simulations.audits.gaussian_bounds import epsilon_of, separation
from highstreet.simulations.audits.made_up import made_up_shops
from highstreet.simulations.audits.membership import Ratios, Target, likelihood_ratios
from highstreet.simulations.audits.one_run import Guesses
from highstreet.simulations.audits.paths import EveryStore, OnceInSum, Path, SharedNoise
from highstreet.simulations.audits.plans import SMALL_PARAMS, SMALL_SCHEMA, claimed_plan, with_noise_share
from highstreet.simulations.audits.secure_sums import SecureSums, share_of_a_colluder
from highstreet.simulations.audits.transcripts import (
    GROUP,
    Attack,
    Transcript,
    attribute_attack,
    item_attack,
    noisy_integers,
    plain_integers,
)
from highstreet.simulations.conditions import DELTA

__all__ = ["CLAIMS", "CONFIDENCE", "FULL", "SHORT", "Size", "alpha_of_one", "bounds", "readings"]

CLAIMS = (1.0, 3.0, 8.0)
#: Of all bounds of the table together.
CONFIDENCE = 0.95
#: Parts of the canaries that are guessed, the surest first.
_GUESSED = (0.05, 0.15, 0.3, 0.6, 1.0)
_BOUNDS_PER_PATH = 6
_BOUNDS_BESIDES = 5
_PATHS = 3
#: Of the audits that run the programme many times.
_SMALL_STORES, _SMALL_CUSTOMERS = 3, 4

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is run.

    Attributes:
        stores, customers: shops, and customers of each besides canaries.
        canaries: with directions of their own; baskets: with purchases.
        trials: runs of a likelihood-ratio audit.
        item_rounds, attribute_rounds: transcripts read.
        schema, params: of the runs with many canaries; audits of many runs always use the small ones.
    """

    stores: int
    customers: int
    canaries: int
    baskets: int
    trials: int
    item_rounds: int
    attribute_rounds: int
    schema: FeatureSchema
    params: dict[str, float]


FULL = Size(
    stores=5,
    customers=20,
    canaries=2000,
    baskets=1000,
    trials=400,
    item_rounds=150,
    attribute_rounds=2000,
    schema=FeatureSchema(),
    params={},
)
#: A few minutes; for trying things. Its bounds are valid, but weak.
SHORT = Size(
    stores=4,
    customers=6,
    canaries=200,
    baskets=60,
    trials=40,
    item_rounds=40,
    attribute_rounds=200,
    schema=SMALL_SCHEMA,
    params=dict(SMALL_PARAMS),
)


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
            yield from bench.membership(path)
        yield from bench.baskets(OnceInSum())
        yield from bench.customer(OnceInSum())


def readings(size: Size, *, seed: int, step: Step, source: NoiseSource | None = None) -> Iterator[Reading]:
    """Run the leak tests on transcripts: without noise, as sent today, and in the secure sum."""
    noise = source or SecureNoise()
    kinds = [(math.inf, plain_integers())]
    kinds += [(claimed, noisy_integers()) for claimed in CLAIMS]
    kinds += [(claimed, share_of_a_colluder(size.stores)) for claimed in CLAIMS]
    for claimed, transcript in kinds:
        level = claimed if math.isfinite(claimed) else CLAIMS[-1]
        step(f"leak tests: {transcript.name}, epsilon {claimed:g}")
        yield _items(size, level, claimed, transcript, seed=seed, source=noise)
        yield _attribute(size, level, claimed, transcript, seed=seed, source=noise)


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
        canaries = DirectionCanaries(self.size.canaries, seed=self.seed)
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

    def membership(self, path: Path) -> list[Bound]:
        """Likelihood-ratio inference on a worst-case customer."""
        canaries = DirectionCanaries(1, seed=self.seed)
        target = Target.canary(self._small_shops(), canaries)
        return self._likelihood(path, target, "worst-case customer")

    def customer(self, path: Path) -> list[Bound]:
        """Likelihood-ratio inference on an ordinary customer; one run tells of that customer only."""
        target = Target.customer(self._small_shops(), 0, BasketCanaries(0))
        return self._likelihood(path, target, "ordinary customer")

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

    def _likelihood(self, path: Path, target: Target, who: str) -> list[Bound]:
        self.step(f"likelihood ratio, {who}, {path.name}, epsilon {self.claimed:g}")
        started = time.monotonic()
        plan = self._plan(SMALL_SCHEMA, dict(SMALL_PARAMS))
        ratios = likelihood_ratios(
            plan,
            target,
            path=path,
            trials=self.size.trials,
            coins=np.random.default_rng([self.seed, 2]),
            source=self.noise,
        )
        return self._ratio_bounds(path, ratios, who, time.monotonic() - started)

    def _ratio_bounds(self, path: Path, ratios: Ratios, who: str, seconds: float) -> list[Bound]:
        apart = separation(ratios.inside, ratios.outside, alpha=self.alpha)
        half_in, half_out = len(ratios.inside) // 2, len(ratios.outside) // 2
        middle = operating_points.counted(ratios.inside, ratios.outside, threshold=0.0)
        # The threshold is chosen on one half of the runs and judged on the other.
        sure = operating_points.counted(
            ratios.inside[half_in:],
            ratios.outside[half_out:],
            threshold=float(ratios.outside[:half_out].max()),
        )
        rate = operating_points.rate_at_low_false_positives(ratios.inside, ratios.outside, rate=0.01)
        rows = (
            ("fit", epsilon_of(apart.estimate, delta=DELTA), epsilon_of(apart.low, delta=DELTA)),
            (
                "counted errors, Gaussian trade-off",
                None,
                operating_points.gaussian_epsilon_bound(middle, delta=DELTA, alpha=self.alpha),
            ),
            (
                "counted errors, (epsilon, delta)",
                None,
                operating_points.epsilon_bound(sure, delta=DELTA, alpha=self.alpha),
            ),
        )
        note = f"TPR {rate:.2f} at FPR 0.01; separation known {ratios.mu:.3g}"
        return [
            self._bound(
                f"likelihood ratio, {who}, {words}",
                path,
                estimate=estimate,
                bound=bound,
                canaries=1,
                runs=self.size.trials,
                seconds=seconds,
                note=note,
            )
            for words, estimate, bound in rows
        ]

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


def _items(
    size: Size, level: float, claimed: float, transcript: Transcript, *, seed: int, source: NoiseSource
) -> Reading:
    started = time.monotonic()
    plan = claimed_plan(level, delta=DELTA, schema=size.schema, params=size.params)
    customers = 20 if size.schema is not SMALL_SCHEMA else 4
    attack = item_attack(
        plan, transcript, customers=customers, rounds=size.item_rounds, seed=seed, source=source
    )
    what = f"which of {GROUP} rare products a customer bought"
    return _reading(what, transcript, claimed, attack, time.monotonic() - started)


def _attribute(
    size: Size, level: float, claimed: float, transcript: Transcript, *, seed: int, source: NoiseSource
) -> Reading:
    started = time.monotonic()
    plan = claimed_plan(level, delta=DELTA, schema=SMALL_SCHEMA, params=SMALL_PARAMS)
    attack = attribute_attack(plan, transcript, rounds=size.attribute_rounds, seed=seed, source=source)
    what = "a made-up attribute of a customer, all others known"
    return _reading(what, transcript, claimed, attack, time.monotonic() - started)


def _reading(what: str, transcript: Transcript, claimed: float, attack: Attack, seconds: float) -> Reading:
    low, high = attack.interval()
    return Reading(
        what=what,
        transcript=transcript.name,
        claimed=claimed,
        accuracy=attack.accuracy,
        low=low,
        high=high,
        chance=attack.chance,
        limit=attack.limit,
        guesses=attack.guesses,
        seconds=seconds,
    )
