"""The short form of the audits of a person in several shops, of samples and of the evaluation, with twins."""

import math
from dataclasses import replace

import numpy as np
import pytest

from highstreet.client import contribution
from highstreet.client.contribution import phase_release
from highstreet.privacy.noise import SeededNoise
from highstreet.privacy.releases import customer_release
from highstreet.simulations.audits import operating_points
from highstreet.simulations.audits.canaries import DirectionCanaries, orthogonal_directions
from highstreet.simulations.audits.exposure import expose, likelihood_scores
from highstreet.simulations.audits.gaussian_bounds import epsilon_of, mu_of, separation
from highstreet.simulations.audits.made_up import made_up_shops
from highstreet.simulations.audits.operating_points import Errors, counted
from highstreet.simulations.audits.paths import EveryStore, SharedNoise
from highstreet.simulations.audits.plans import SMALL_SCHEMA, claimed_epsilon, with_noise_share
from highstreet.simulations.audits.secure_sums import SecureSums
from highstreet.simulations.audits.situations import SITUATIONS, ratios_in
from highstreet.simulations.errors import InvalidAuditError

DELTA, ALPHA = 1e-5, 1e-6
PERSON, SAMPLED, EVALUATION, ORDINARY = SITUATIONS


def attacked(situation, plan, *, runs, path=None):
    path = path or SharedNoise(add=SecureSums(situation.stores).add)
    return ratios_in(situation, plan, path=path, runs=runs, seed=3, source=SeededNoise(4))


def fitted_bound(ratios):
    return epsilon_of(separation(ratios.inside, ratios.outside, alpha=ALPHA).low, delta=DELTA)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.name)
def test_programme_of_a_situation_costs_what_is_claimed_for_a_customer_of_one_shop(situation):
    plan = situation.plan(3.0, delta=DELTA)
    assert 2.997 < claimed_epsilon(plan, delta=DELTA) <= 3.0
    promised = situation.promised(plan, delta=DELTA)
    assert promised > 12 if situation is PERSON else promised <= 3.0


def test_a_person_in_four_shops_is_found_beyond_the_claim_for_a_customer_of_one_shop():
    """Why both claims are printed: the customer's does not hold for this person, and the person's does."""
    plan = PERSON.plan(3.0, delta=DELTA)
    ratios = attacked(PERSON, plan, runs=4)
    mu = mu_of(tuple(phase.noise_multiplier for phase in plan.phases))
    assert ratios.mu == pytest.approx(4 * mu, rel=5e-3)  # the sensitivity's allowance for rounding
    assert 3.0 < fitted_bound(ratios) <= PERSON.promised(plan, delta=DELTA)


def test_a_person_is_found_beyond_the_claim_for_a_person_when_noise_is_missing():
    plan = PERSON.plan(3.0, delta=DELTA)
    silent = attacked(PERSON, with_noise_share(plan, 0.3), runs=2)
    assert fitted_bound(silent) > PERSON.promised(plan, delta=DELTA)


def sampled_is_refuted():
    plan = SAMPLED.plan(1.0, delta=DELTA)
    ratios = attacked(SAMPLED, plan, runs=14, path=SharedNoise())  # shares of noise, added up plainly
    errors = counted(ratios.inside, ratios.outside, threshold=0.0)
    return operating_points.programme_is_refuted(
        errors, [phase_release(phase) for phase in plan.phases], alpha=ALPHA
    )


def test_a_store_that_samples_as_it_says_is_not_refuted():
    assert not sampled_is_refuted()


def test_a_store_that_takes_everybody_where_it_should_sample_is_refuted(monkeypatch):
    monkeypatch.setattr(
        contribution, "poisson_sample", lambda count, *, sampling_rate, source: np.arange(count)
    )
    assert sampled_is_refuted()


def test_the_likelihood_of_a_sampled_person_is_the_mixture_over_how_often_it_took_part():
    """The independent way: densities by hand for one phase, two shops and a rate of one half."""
    shops = made_up_shops(SMALL_SCHEMA, stores=3, customers=0, seed=1)
    canaries = DirectionCanaries(1, directions=orthogonal_directions(1, seed=5))
    plan = SAMPLED.plan(1.0, delta=DELTA)
    run = expose(
        plan,
        shops,
        canaries,
        np.array([True]),
        path=SharedNoise(),
        source=SeededNoise(6),
        shops_each=2,
    )
    seen = replace(run.phases[-1], phase=replace(run.phases[-1].phase, sampling_rate=0.5))
    along = float(canaries.directions(seen.phase, [0])[0] @ seen.residuals[0])

    def density(times):
        return math.exp(-((along - times) ** 2) / (2 * seen.noise_multiplier**2))

    expected = math.log((density(0) + 2 * density(1) + density(2)) / 4 / density(0))
    assert likelihood_scores(replace(run, phases=(seen,)))[0] == pytest.approx(expected, rel=1e-5)


def test_the_evaluation_keeps_its_claim():
    plan = EVALUATION.plan(1.0, delta=DELTA)
    assert plan.phases[-1].name == "evaluation"
    # Nine tenths of the budget: what is found here is found there.
    assert plan.phases[-1].noise_multiplier ** -2 == pytest.approx(
        0.9 * sum(phase.noise_multiplier**-2 for phase in plan.phases), rel=1e-6
    )
    assert fitted_bound(attacked(EVALUATION, plan, runs=8)) <= 1.0
    assert fitted_bound(attacked(ORDINARY, plan, runs=8)) <= 1.0


def test_noise_missing_from_the_evaluation_alone_is_found():
    plan = EVALUATION.plan(1.0, delta=DELTA)
    last = plan.phases[-1]
    silent = replace(
        plan,
        phases=(*plan.phases[:-1], replace(last, noise_multiplier=0.1 * last.noise_multiplier)),
    )
    assert fitted_bound(attacked(EVALUATION, silent, runs=8)) > 1.0
    assert fitted_bound(attacked(ORDINARY, with_noise_share(plan, 0.0), runs=8)) > 1.0


@pytest.mark.parametrize("missed", [0, 20])
def test_bound_by_the_programme_is_the_gaussian_one_where_nobody_is_sampled(missed):
    """Eight points of the privacy profile see most of what the whole curve does, and never more."""
    errors = Errors(inside=300, outside=300, missed=missed, alarms=missed)
    whole = operating_points.gaussian_epsilon_bound(errors, delta=DELTA, alpha=1e-3)
    eight = operating_points.programme_epsilon_bound(
        errors, [customer_release(noise_multiplier=1.0)], delta=DELTA, alpha=1e-3
    )
    assert 0.8 * whole < eight < 1.005 * whole


def test_an_attacker_who_would_know_too_little_is_refused():
    shops = made_up_shops(SMALL_SCHEMA, stores=3, customers=1, seed=1)
    canaries = DirectionCanaries(2, directions=orthogonal_directions(2, seed=5))
    both = np.array([True, False])

    def run(plan, path, k):
        expose(plan, shops, canaries, both, path=path, source=SeededNoise(1), shops_each=k)

    whole = PERSON.plan(1.0, delta=DELTA)
    for plan, path, k in (
        (whole, SharedNoise(), 4),
        (whole, SharedNoise(), 0),
        (whole, EveryStore(), 2),
        (SAMPLED.plan(1.0, delta=DELTA), SharedNoise(), 1),
    ):
        with pytest.raises(InvalidAuditError):
            run(plan, path, k)
