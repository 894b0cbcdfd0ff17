"""The short form of the audits: an honest mechanism is not flagged, one with less noise than claimed is.

Every bound is drawn at ALPHA, so a sound mechanism is flagged with probability at most ALPHA per bound,
whatever the seed; the seeds are fixed besides.
"""

import math

import numpy as np
import pytest

from highstreet.client import contribution
from highstreet.privacy.noise import SeededNoise
from highstreet.simulations.audits import one_run, operating_points
from highstreet.simulations.audits.canaries import BasketCanaries, DirectionCanaries, random_directions
from highstreet.simulations.audits.exposure import expose, joint_scores, matched_scores
from highstreet.simulations.audits.gaussian_bounds import epsilon_of, mu_of, separation
from highstreet.simulations.audits.made_up import made_up_shops
from highstreet.simulations.audits.membership import customer_ratios, worst_case_ratios
from highstreet.simulations.audits.operating_points import counted
from highstreet.simulations.audits.paths import EveryStore, OnceInSum, SharedNoise
from highstreet.simulations.audits.plans import (
    SMALL_PARAMS,
    SMALL_SCHEMA,
    claimed_epsilon,
    claimed_plan,
    with_noise_share,
)
from highstreet.simulations.audits.secure_sums import SecureSums

DELTA, ALPHA, CLAIM = 1e-5, 1e-6, 1.0
PLAN = claimed_plan(CLAIM, delta=DELTA, schema=SMALL_SCHEMA, params=SMALL_PARAMS)
MU = mu_of(tuple(phase.noise_multiplier for phase in PLAN.phases))
PATHS = {
    "every store": EveryStore(),
    "once in the sum": OnceInSum(),
    "secure sum": SharedNoise(add=SecureSums(3).add),
}
paths = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
leaks = pytest.mark.parametrize(
    ("path", "share"),
    [
        (PATHS["every store"], 0.0),
        (PATHS["once in the sum"], 0.1),
        (PATHS["secure sum"], 0.1),
        (PATHS["secure sum"], 0.0),
    ],
    ids=["every-store-off", "once-in-sum-tenth", "secure-sum-tenth", "secure-sum-off"],
)


@pytest.fixture(scope="module")
def shops():
    return made_up_shops(SMALL_SCHEMA, stores=3, customers=3, seed=7, rare=100)


def run_with_canaries(shops, path, share, canaries, seed=1):
    included = np.random.default_rng(seed).random(canaries.count) < 0.5
    return expose(
        with_noise_share(PLAN, share), shops, canaries, included, path=path, source=SeededNoise(seed)
    )


def bounds_of_one_run(run, alpha=ALPHA):
    """Epsilon by Gaussian canaries, by one-run guesses, and by the latter for Gaussian mechanisms."""
    matched, joint = matched_scores(run), joint_scores(run)
    made = [max(1, round(part * run.canaries.count)) for part in (0.3, 1.0)]

    def best(bound):
        return one_run.best_bound(
            joint,
            run.included,
            made=made,
            bound=lambda found, part: bound(found, delta=DELTA, alpha=part),
            alpha=alpha,
        )[0]

    return (
        epsilon_of(separation(matched[run.included], matched[~run.included], alpha=alpha).low, delta=DELTA),
        best(one_run.epsilon_bound),
        best(one_run.gaussian_epsilon_bound),
    )


def test_programme_audited_costs_what_is_claimed():
    assert 0.999 * CLAIM < claimed_epsilon(PLAN, delta=DELTA) <= CLAIM
    assert epsilon_of(MU, delta=DELTA) == pytest.approx(CLAIM, rel=2e-3)


@paths
def test_canaries_do_not_flag_an_honest_mechanism(shops, path):
    run = run_with_canaries(shops, path, 1.0, DirectionCanaries(240, directions=random_directions(2)))
    assert max(bounds_of_one_run(run)) <= CLAIM


@leaks
def test_canaries_find_missing_noise(shops, path, share):
    run = run_with_canaries(shops, path, share, DirectionCanaries(240, directions=random_directions(2)))
    assert bounds_of_one_run(run)[0] > CLAIM
    # Guesses about so few canaries refute nothing at ALPHA, however right: the theorem's part of delta alone
    # is larger. A hundredth is enough to find what is missing.
    assert min(bounds_of_one_run(run, alpha=0.01)) > CLAIM


def test_canaries_find_a_missing_clip(shops, monkeypatch):
    def unclipped(chunks, *, dimension, clipping_norm):
        return np.sum([chunk.sum(axis=0) for chunk in chunks], axis=0)

    monkeypatch.setattr(contribution, "clipped_row_sum", unclipped)
    canaries = DirectionCanaries(240, directions=random_directions(2))
    assert bounds_of_one_run(run_with_canaries(shops, OnceInSum(), 1.0, canaries))[0] > CLAIM


def test_basket_canaries_find_the_noise_switched_off_and_nothing_else(shops):
    honest = run_with_canaries(shops, EveryStore(), 1.0, BasketCanaries(100))
    silent = run_with_canaries(shops, EveryStore(), 0.0, BasketCanaries(100))
    assert max(bounds_of_one_run(honest)) <= CLAIM
    assert bounds_of_one_run(silent)[0] > CLAIM


def membership_bounds(ratios):
    apart = separation(ratios.inside, ratios.outside, alpha=ALPHA)
    errors = counted(ratios.inside, ratios.outside, threshold=0.0)
    return (
        epsilon_of(apart.low, delta=DELTA),
        operating_points.gaussian_epsilon_bound(errors, delta=DELTA, alpha=ALPHA),
    )


def worst_case(shops, path, share, runs):
    plan = with_noise_share(PLAN, share)
    return worst_case_ratios(plan, shops, targets=24, path=path, runs=runs, seed=3, source=SeededNoise(4))


@paths
def test_likelihood_ratio_does_not_flag_an_honest_mechanism(shops, path):
    ratios = worst_case(shops, path, 1.0, runs=4)
    assert max(membership_bounds(ratios)) <= CLAIM
    assert ratios.mu == pytest.approx(MU, rel=5e-3)  # the sensitivity's allowance for rounding
    # Trials are independent: the estimate lies within five standard errors of the truth.
    trials = min(len(ratios.inside), len(ratios.outside))
    found = separation(ratios.inside, ratios.outside, alpha=ALPHA).estimate
    assert abs(found - MU) < 5 * math.sqrt(2 / trials + MU**2 / (4 * trials))


@leaks
def test_likelihood_ratio_finds_missing_noise(shops, path, share):
    assert min(membership_bounds(worst_case(shops, path, share, runs=4))) > CLAIM


def test_ordinary_customer_is_found_without_noise_only(shops):
    def bound(share):
        ratios = customer_ratios(
            with_noise_share(PLAN, share), shops, path=EveryStore(), runs=16, seed=5, source=SeededNoise(6)
        )
        return membership_bounds(ratios)[0], ratios.mu

    honest, mu = bound(1.0)
    assert honest <= CLAIM
    assert 0 < mu < MU  # an ordinary customer adds less than clipping allows
    assert bound(0.0)[0] > CLAIM


def test_secure_sum_opens_what_the_stores_put_in():
    rng = np.random.default_rng(8)
    addends = [rng.integers(-(10**6), 10**6, size=40) for _ in range(3)]
    sums = SecureSums(3)
    assert np.array_equal(sums.add(addends), np.sum(addends, axis=0))
    assert np.array_equal(sums.add(addends[::-1]), np.sum(addends, axis=0))
