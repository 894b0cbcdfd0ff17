import numpy as np
import pytest
from journeys import made_up_federation

from highstreet.audit.claims import releases_of
from highstreet.models.programme import default_plan
from highstreet.models.schema import FeatureSchema
from highstreet.privacy.accountant import epsilon as epsilon_of
from highstreet.privacy.releases import Weighting
from highstreet.simulations import training
from highstreet.simulations.conditions import DELTA, Placement
from highstreet.simulations.errors import TooFewStoresError
from highstreet.simulations.person_weights import weighted_shops
from highstreet.simulations.secure_sums import round_terms
from highstreet.simulations.training import plan_for, train

STORES = 3


def silent(_words, _done, _total):
    return None


RUN = {"placement": Placement.ONCE_IN_SUM, "seed": 1, "first_sums": {}, "step": silent}


@pytest.fixture(scope="module")
def shops():
    return [store.shop for store in made_up_federation(stores=STORES, households=5).stores]


@pytest.fixture(scope="module")
def released(shops):
    """The release of each placement, seed 1."""
    plans = {Placement.NOBODY: plan_for(FeatureSchema(), None)}
    plans[Placement.ONCE_IN_SUM] = plans[Placement.EVERY_STORE] = plan_for(FeatureSchema(), 3.0)
    return {
        placement: train(plan, shops, placement=placement, seed=1, first_sums={}, step=silent)
        for placement, plan in plans.items()
    }


def test_programme_at_an_epsilon_costs_that_epsilon():
    spent = epsilon_of(releases_of(plan_for(FeatureSchema(), 3.0)), delta=DELTA)
    assert 2.98 < spent <= 3.0


@pytest.mark.parametrize("weighting", Weighting)
def test_a_programme_costs_its_epsilon_with_any_weights(weighting):
    plan = plan_for(FeatureSchema(), 3.0, weighting)
    assert 2.98 < epsilon_of(releases_of(plan), delta=DELTA) <= 3.0
    usual = default_plan(FeatureSchema(), noise_multiplier=0.0)
    is_default = (plan.clients_per_store, plan.params) == (usual.clients_per_store, usual.params)
    assert is_default == (weighting is Weighting.WHOLE)


def test_weights_have_first_sums_and_a_mechanism_of_their_own(monkeypatch):
    stores = made_up_federation(stores=4, households=9).stores
    plan, first_sums, paid_for = plan_for(FeatureSchema(), 3.0), {}, []
    original = training.mechanism_under

    def watched(*args, **named):
        built = original(*args, **named)
        paid_for.append(built.shops_per_person)
        return built

    monkeypatch.setattr(training, "mechanism_under", watched)
    for weighting in (Weighting.WHOLE, Weighting.ONE_OVER_SHOPS):
        shops = weighted_shops(stores, weighting)
        train(plan, shops, **{**RUN, "first_sums": first_sums, "weighting": weighting})
    # One shop's rounding, and that of all four.
    assert paid_for == [1] * len(plan.phases) + [4] * len(plan.phases)
    whole, weighted = (
        [first_sums[key] for key in first_sums if key[0].endswith(f" {weighting}")]
        for weighting in (Weighting.WHOLE, Weighting.ONE_OVER_SHOPS)
    )
    assert len(whole) == len(weighted) == 4
    for less, more in zip(weighted, whole, strict=True):
        assert np.linalg.norm(less) < np.linalg.norm(more)


def test_noise_in_every_store_is_more_noise_than_once_in_the_sum(released):
    stated = {placement: float(state["popularity/key_stddev"][0]) for placement, state in released.items()}
    assert stated[Placement.NOBODY] == 0
    ratio = stated[Placement.EVERY_STORE] / stated[Placement.ONCE_IN_SUM]
    rounds = round_terms(STORES)
    # Three whole noises, against three shares of which two make a whole one. Grids differ by 0.4 % at most.
    assert ratio == pytest.approx(np.sqrt(rounds.cohort_floor - rounds.colluders), rel=4e-3)


def test_noise_stated_in_the_release_is_the_noise_in_the_sum(shops):
    plan = plan_for(FeatureSchema(), 3.0)
    stated = [
        float(train(plan, shops, **RUN, rounds=round_terms(STORES, colluders=c))["popularity/key_stddev"][0])
        for c in (0, 1, 2)
    ]
    # All three contribute; the fewer are honest at the floor, the larger is each one's share.
    assert stated[1] / stated[0] == pytest.approx(np.sqrt(3 / 2), rel=4e-3)
    assert stated[2] / stated[0] == pytest.approx(np.sqrt(3), rel=4e-3)


def test_two_shops_cannot_add_the_noise_in_the_sum(shops):
    with pytest.raises(TooFewStoresError, match="2 shops"):
        train(plan_for(FeatureSchema(), 3.0), shops[:2], **RUN)


def test_same_seed_gives_the_same_release_and_another_seed_another(shops, released):
    plan = plan_for(FeatureSchema(), 3.0)
    again = train(plan, shops, placement=Placement.ONCE_IN_SUM, seed=1, first_sums={}, step=silent)
    other = train(plan, shops, placement=Placement.ONCE_IN_SUM, seed=2, first_sums={}, step=silent)
    assert again.sha256() == released[Placement.ONCE_IN_SUM].sha256()
    assert other.sha256() != again.sha256()


def test_first_sums_are_computed_once_and_change_nothing(shops, released, monkeypatch):
    plan = plan_for(FeatureSchema(), 3.0)
    counted = []
    original = training.clipped_sum

    def counting(plan, phase, *rest, **named):
        counted.append(phase.index)
        return original(plan, phase, *rest, **named)

    monkeypatch.setattr(training, "clipped_sum", counting)
    first_sums = {}
    for seed in (2, 1):
        last = train(
            plan, shops, placement=Placement.ONCE_IN_SUM, seed=seed, first_sums=first_sums, step=silent
        )
    assert counted.count(0) == len(shops)
    assert counted.count(1) == 2 * len(shops)
    assert last.sha256() == released[Placement.ONCE_IN_SUM].sha256()
