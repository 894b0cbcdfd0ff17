"""One conformance suite over every accountant, and their agreement where two of them apply."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import binom, norm

from highstreet.privacy import accountant as accountant_module
from highstreet.privacy.accountant import PldAccountant, accountable, epsilon
from highstreet.privacy.discreteness import EPSILON_EXTRA_LIMIT
from highstreet.privacy.errors import InvalidReleaseError, UnsupportedReleaseError
from highstreet.privacy.gaussian import ClosedFormAccountant, gaussian_delta
from highstreet.privacy.opacus_accountants import OpacusPrvAccountant, OpacusRdpAccountant
from highstreet.privacy.releases import (
    Neighbouring,
    NoisePlacement,
    PrivacyUnit,
    customer_release,
    release_for_person,
)

DELTA = 1e-5
ALL = [PldAccountant(), ClosedFormAccountant(), OpacusPrvAccountant(), OpacusRdpAccountant()]
SAMPLING = [PldAccountant(), OpacusPrvAccountant(), OpacusRdpAccountant()]


def named(accountant):
    return type(accountant).__name__


conformance = pytest.mark.parametrize("accountant", ALL, ids=named)
sampling = pytest.mark.parametrize("accountant", SAMPLING, ids=named)


@conformance
def test_nothing_released_costs_nothing(accountant):
    assert accountant.epsilon([], delta=DELTA) == 0


@conformance
def test_no_noise_costs_infinity_also_among_others(accountant):
    silent = customer_release(noise_multiplier=0.0)
    assert accountant.epsilon([silent], delta=DELTA) == math.inf
    assert accountant.epsilon([silent, customer_release(noise_multiplier=5.0)], delta=DELTA) == math.inf


@conformance
@pytest.mark.parametrize("noise", [5e-324, 1e-300, 1e-160])
def test_noise_too_small_for_arithmetic_costs_infinity(accountant, noise):
    tiny = customer_release(noise_multiplier=noise)
    assert accountant.epsilon([tiny], delta=DELTA) == math.inf
    assert accountant.epsilon([tiny, customer_release(noise_multiplier=5.0)], delta=DELTA) == math.inf


@conformance
def test_more_rounds_never_cost_less(accountant):
    one = customer_release(noise_multiplier=8.0)
    losses = [accountant.epsilon([replace(one, steps=steps)], delta=DELTA) for steps in (1, 2, 5, 12)]
    assert losses == sorted(losses)
    assert losses[0] < losses[-1]


@conformance
def test_more_noise_never_costs_more(accountant):
    losses = [
        accountant.epsilon([customer_release(noise_multiplier=noise)], delta=DELTA) for noise in (1, 2, 4, 8)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]


@conformance
def test_a_larger_delta_never_costs_more(accountant):
    one = [customer_release(noise_multiplier=3.0)]
    assert accountant.epsilon(one, delta=1e-8) > accountant.epsilon(one, delta=1e-4)


@conformance
def test_the_order_of_releases_and_their_grouping_make_no_difference(accountant):
    a, b = customer_release(noise_multiplier=4.0), customer_release(noise_multiplier=7.0)
    together = accountant.epsilon([a, b, b], delta=DELTA)
    assert accountant.epsilon([b, a, b], delta=DELTA) == pytest.approx(together, rel=1e-9)
    assert accountant.epsilon([replace(b, steps=2), a], delta=DELTA) == pytest.approx(together, rel=1e-9)


@sampling
def test_sampling_fewer_never_costs_more(accountant):
    losses = [
        accountant.epsilon([customer_release(noise_multiplier=2.0, sampling_rate=rate, steps=8)], delta=DELTA)
        for rate in (0.01, 0.1, 0.5, 1.0)
    ]
    assert losses == sorted(losses)
    assert losses[0] < losses[-1]


@conformance
def test_an_unknown_release_is_refused(accountant):
    with pytest.raises(UnsupportedReleaseError):
        accountant.epsilon([{"noise_multiplier": 5.0}], delta=DELTA)


@conformance
def test_replacing_a_customer_is_refused(accountant):
    replaced = replace(customer_release(noise_multiplier=5.0), neighbouring=Neighbouring.REPLACE)
    with pytest.raises(UnsupportedReleaseError):
        accountant.epsilon([replaced], delta=DELTA)


@conformance
def test_releases_about_different_units_do_not_add_up(accountant):
    one = customer_release(noise_multiplier=5.0)
    with pytest.raises(UnsupportedReleaseError):
        accountant.epsilon([one, replace(one, privacy_unit=PrivacyUnit.PERSON)], delta=DELTA)


@conformance
@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-5, float("nan")])
def test_delta_out_of_range_is_refused(accountant, delta):
    with pytest.raises(InvalidReleaseError):
        accountant.epsilon([customer_release(noise_multiplier=5.0)], delta=delta)


def test_the_closed_form_refuses_sampled_releases():
    with pytest.raises(UnsupportedReleaseError):
        ClosedFormAccountant().epsilon(
            [customer_release(noise_multiplier=5.0, sampling_rate=0.5)], delta=DELTA
        )


def test_opacus_refuses_several_contributions_to_one_sampled_sum():
    one = customer_release(noise_multiplier=5.0, sampling_rate=0.5)
    person = release_for_person(one, stores=3, placement=NoisePlacement.ONCE_IN_SUM)
    with pytest.raises(UnsupportedReleaseError):
        OpacusPrvAccountant().epsilon([person], delta=DELTA)


@pytest.mark.parametrize("noise", [0.5, 1.0, 5.0, 30.0])
@pytest.mark.parametrize("delta", [1e-3, 1e-5, 1e-9])
def test_pld_agrees_with_the_closed_form_within_a_tenth_of_a_percent_and_never_below(noise, delta):
    releases = [customer_release(noise_multiplier=noise), customer_release(noise_multiplier=2 * noise)]
    exact = ClosedFormAccountant().epsilon(releases, delta=delta)
    claimed = PldAccountant().epsilon(releases, delta=delta)
    assert exact * (1 - 1e-9) <= claimed <= exact * 1.001
    # The twin: with one release forgotten the figure would be seen to be wrong.
    forgotten = PldAccountant().epsilon(releases[:1], delta=delta)
    assert forgotten < exact * 0.999


def test_the_closed_form_is_the_area_between_two_normals():
    # delta(epsilon) is the integral of (p - e^epsilon q)+ for p, q normals one sensitivity apart.
    z, eps = 1.3, 0.8
    area, _ = quad(
        lambda x: max(0.0, norm.pdf(x, 1, z) - math.exp(eps) * norm.pdf(x, 0, z)), -12, 14, limit=400
    )
    assert gaussian_delta(epsilon=eps, noise_multiplier=z) == pytest.approx(area, rel=1e-6)


HETEROGENEOUS = [
    [customer_release(noise_multiplier=5.0, sampling_rate=0.25, steps=60)],
    [customer_release(noise_multiplier=1.0, sampling_rate=0.01, steps=500)],
    [
        customer_release(noise_multiplier=4.0),
        customer_release(noise_multiplier=6.0),
        customer_release(noise_multiplier=3.0, sampling_rate=0.2, steps=10),
    ],
]


@pytest.mark.parametrize("releases", HETEROGENEOUS)
def test_pld_agrees_with_opacus_prv_within_one_percent(releases):
    claimed = PldAccountant().epsilon(releases, delta=DELTA)
    theirs = OpacusPrvAccountant().epsilon(releases, delta=DELTA)
    assert claimed == pytest.approx(theirs, rel=0.01)
    one_more = [*releases, releases[-1]]
    assert PldAccountant().epsilon(one_more, delta=DELTA) != pytest.approx(theirs, rel=0.01)


@pytest.mark.parametrize("releases", HETEROGENEOUS)
def test_pld_agrees_with_plain_dp_accounting_and_is_below_rdp(releases):
    import dp_accounting
    from dp_accounting.pld import PLDAccountant

    theirs = PLDAccountant(value_discretization_interval=1e-4)
    for release in releases:
        event = dp_accounting.GaussianDpEvent(release.noise_multiplier)
        if release.sampling_rate < 1:
            event = dp_accounting.PoissonSampledDpEvent(release.sampling_rate, event)
        theirs.compose(event, release.steps)
    claimed = PldAccountant().epsilon(releases, delta=DELTA)
    assert claimed == pytest.approx(theirs.get_epsilon(DELTA), rel=0.001)
    assert claimed < OpacusRdpAccountant().epsilon(releases, delta=DELTA)


@pytest.mark.parametrize(("stores", "published"), [(1, 1.6), (2, 3.4), (4, 7.7), (8, 18.0), (20, 66.0)])
def test_a_person_in_k_shops_costs_what_was_published_when_the_noise_is_once_in_the_sum(stores, published):
    """PRIVACY.md, reading 5: noise multiplier 5, sampling rate 1/4, 60 steps, delta 1e-5."""
    one = customer_release(noise_multiplier=5.0, sampling_rate=0.25, steps=60)
    person = release_for_person(one, stores=stores, placement=NoisePlacement.ONCE_IN_SUM)
    assert epsilon([person], delta=DELTA) == pytest.approx(published, rel=0.03)
    # Ignoring the other shops would be off by far more than that.
    assert stores == 1 or epsilon([one], delta=DELTA) < published / 2


def test_k_unsampled_contributions_are_one_of_k_times_the_norm():
    one = customer_release(noise_multiplier=12.0)
    person = release_for_person(one, stores=4, placement=NoisePlacement.ONCE_IN_SUM)
    assert epsilon([person], delta=DELTA) == epsilon([customer_release(noise_multiplier=3.0)], delta=DELTA)


def test_k_stores_with_noise_of_their_own_compose():
    one = customer_release(noise_multiplier=12.0)
    person = release_for_person(one, stores=4, placement=NoisePlacement.EVERY_STORE)
    alone = epsilon([customer_release(noise_multiplier=6.0)], delta=DELTA)
    # Four releases are charged for the discreteness of four.
    assert epsilon([person], delta=DELTA) == pytest.approx(alone + 3 * EPSILON_EXTRA_LIMIT, rel=1e-12)


def test_sampled_contributions_to_one_sum_match_direct_integration():
    """One step with k = 3, q = 1/2: both directions of the hockey-stick divergence, by quadrature."""
    k, q, z = 3, 0.5, 2.0
    weights = binom.pmf(np.arange(k + 1), k, q)

    def mixture(x):
        return float(weights @ norm.pdf(x, np.arange(k + 1), z))

    def delta_at(eps):
        remove = quad(lambda x: max(0.0, mixture(x) - math.exp(eps) * norm.pdf(x, 0, z)), -25, 30, limit=500)
        add = quad(lambda x: max(0.0, norm.pdf(x, 0, z) - math.exp(eps) * mixture(x)), -25, 30, limit=500)
        return max(remove[0], add[0])

    exact = brentq(lambda eps: delta_at(eps) - 1e-3, 0.1, 6)
    one = customer_release(noise_multiplier=z, sampling_rate=q)
    person = release_for_person(one, stores=k, placement=NoisePlacement.ONCE_IN_SUM)
    assert exact * 0.9999 <= epsilon([person], delta=1e-3) <= exact * 1.005


def test_next_to_no_noise_costs_infinity_instead_of_the_memory():
    tiny = customer_release(noise_multiplier=1e-6, sampling_rate=0.001)
    assert epsilon([tiny], delta=DELTA) == math.inf
    hidden = customer_release(noise_multiplier=0.1, sampling_rate=0.001)
    crowd = release_for_person(hidden, stores=20, placement=NoisePlacement.ONCE_IN_SUM)
    assert epsilon([crowd], delta=DELTA) == math.inf


@pytest.mark.parametrize("contributions", [1, 4])
def test_the_smallest_sampling_rate_there_is_is_charged_for(contributions):
    seldom = customer_release(noise_multiplier=2.0, sampling_rate=5e-324)
    person = release_for_person(seldom, stores=contributions, placement=NoisePlacement.ONCE_IN_SUM)
    always = customer_release(noise_multiplier=5.0)
    assert 0 <= epsilon([person], delta=DELTA) < 1e-4
    assert epsilon([person, replace(always, privacy_unit=person.privacy_unit)], delta=DELTA) >= 0.7255


def test_a_programme_of_twelve_different_sampled_phases_takes_less_than_two_seconds():
    accountant_module._epsilon_of.cache_clear()
    accountant_module._loss_distribution.cache_clear()
    epsilon([customer_release(noise_multiplier=3.3, sampling_rate=0.3)], delta=DELTA)  # imports dp-accounting
    phases = [customer_release(noise_multiplier=4 + 0.1 * i, sampling_rate=0.25) for i in range(12)]
    started = time.process_time()
    epsilon(phases, delta=DELTA)
    assert time.process_time() - started < 2


def test_equal_releases_are_merged():
    programme = accountable(
        [
            customer_release(noise_multiplier=2.0, sampling_rate=0.5),
            customer_release(noise_multiplier=2.0, sampling_rate=0.5, steps=3),
            customer_release(noise_multiplier=3.0),
            customer_release(noise_multiplier=4.0),
        ],
        delta=DELTA,
    )
    assert programme == (((2.0, 0.5, 1), 4), ((pytest.approx(2.4), 1.0, 1), 1))
