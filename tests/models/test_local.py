from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from highstreet.models.errors import InvalidPersonalModelError
from highstreet.models.features import FEATURES
from highstreet.models.history import Timeline
from highstreet.models.local import fit_alone, fit_local
from highstreet.models.personal import PersonalModel, Trial
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import apply_sum, customer_rows, initial_state
from highstreet.models.serving import MINIMUM_PEOPLE, ReasonCode, Recommender, recommend
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData
from highstreet.models.shop_view import SHOP_FEATURES
from highstreet.models.state import SharedState


@pytest.fixture(scope="module")
def release(small_plan, shop_maker) -> SharedState:
    """What statistics phases over two shops release, noise free; ranker weights stay the initial ones."""
    shops = [shop_maker(seed=seed) for seed in (11, 12)]
    state = initial_state(small_plan)
    for phase in small_plan.phases[:3]:
        total = sum(
            chunk.sum(axis=0) for shop in shops for chunk in customer_rows(small_plan, phase, state, shop)
        )
        state = apply_sum(small_plan, phase, state, np.asarray(total), stores=2, noise_stddev=0.0)
    return state


@pytest.fixture(scope="module")
def model(small_plan, release, shop) -> PersonalModel:
    return fit_local(small_plan, release, shop, generator=np.random.default_rng(1))


def rebuilt(shop: ShopData, **changes: object) -> ShopData:
    parts = {
        "catalogue": shop.catalogue,
        "purchases": shop.purchases,
        "customer_ids": shop.customer_ids,
        "as_of": shop.as_of,
    }
    return ShopData(**{**parts, **changes})


def test_a_personal_model_survives_its_bytes(model, shop):
    again = PersonalModel.from_bytes(model.to_bytes())
    rows = np.arange(5)
    # Equal up to float32 rounding: sums over arrays laid out differently in memory add up in another order.
    expected = Recommender(model, shop).scores(rows)
    np.testing.assert_allclose(Recommender(again, shop).scores(rows), expected, atol=1e-5)
    assert again.to_bytes() == model.to_bytes()


def test_damaged_bytes_are_refused(model):
    data = model.to_bytes()
    for bad in (b"", data[:50], data[:-9], b"\x02" + data[1:], data.replace(b"personal-3", b"personal-9")):
        with pytest.raises(InvalidPersonalModelError):
            PersonalModel.from_bytes(bad)


def test_fitting_is_the_same_for_the_same_generator(small_plan, release, shop, model):
    again = fit_local(small_plan, release, shop, generator=np.random.default_rng(1))
    assert again.to_bytes() == model.to_bytes()


def test_without_a_release_the_shop_stands_alone(small_plan, shop):
    alone = fit_alone(small_plan, shop, generator=np.random.default_rng(1))
    assert (alone.coop.is_served, alone.alone.order_share) == (False, 1.0)


def test_a_release_of_noise_loses_its_say(small_plan, release, shop_maker):
    noise = np.random.default_rng(2)
    wrong = release.updated({"ranker/weights": noise.normal(size=len(release["ranker/weights"])) * 20})
    big = shop_maker(customers=60, seed=21)
    served = fit_local(small_plan, wrong, big, generator=np.random.default_rng(1))
    good = fit_local(small_plan, release, big, generator=np.random.default_rng(1))
    assert not served.coop.is_served
    assert good.coop.order_share > 0.0
    for bad, fine in ((served.trial_all, good.trial_all), (served.trial_novel, good.trial_novel)):
        assert bad is not None
        assert fine is not None
        assert bad.customers == fine.customers >= 20
        assert bad.is_worse
        assert not fine.is_worse
        assert fine.gain > bad.gain
    assert PersonalModel.from_bytes(served.to_bytes()).trial_novel == served.trial_novel
    assert fit_alone(small_plan, big, generator=np.random.default_rng(1)).trial_all is None


def test_experts_are_tried_customer_by_customer_and_few_say_nothing():
    own, coop = np.array([1.0, 2.0, 4.0, 5.0]), np.array([2.0, 2.0, 5.0, 7.0])
    trial = Trial.of(own, coop)
    # Differences -1, 0, -1, -2: mean -1, variance 2/3, error sqrt(2/3) / 2.
    assert (trial.customers, trial.gain) == (4, -1.0)
    assert trial.standard_error == pytest.approx(np.sqrt(2 / 3) / 2)
    assert not trial.can_say
    assert not trial.is_worse
    many = Trial.of(np.tile(own, 5), np.tile(coop, 5))
    assert many.is_worse
    assert not many.is_better
    other_way = Trial.of(np.tile(coop, 5), np.tile(own, 5))
    assert other_way.is_better
    assert not other_way.is_worse
    alike = Trial.of(np.tile([0.0, 1.0], 10), np.tile([1.0, 0.0], 10))
    assert (alike.is_better, alike.is_worse, alike.can_say) == (False, False, True)
    assert Trial.of(np.zeros(0), np.zeros(0)) == Trial(customers=0, gain=0.0, standard_error=0.0)
    assert Trial.of(np.ones(1), np.zeros(1)) == Trial(customers=1, gain=1.0, standard_error=0.0)


def test_a_noisier_release_is_held_less_tightly(small_plan, release, shop):
    def distance(variance: float) -> float:
        known = release.updated({"ranker/variance": np.array([variance])})
        fitted = fit_local(small_plan, known, shop, generator=np.random.default_rng(1))
        return float(np.linalg.norm(fitted.coop.weights[:26] - release["ranker/weights"]))

    assert distance(1e-9) < distance(1.0)


def test_a_shop_without_customers_serves_the_release(small_plan, release, shop):
    empty = shop.select(np.array([], dtype=np.int64))
    fitted = fit_local(small_plan, release, empty, generator=np.random.default_rng(1))
    np.testing.assert_allclose(fitted.coop.weights[:26], release["ranker/weights"])
    assert Recommender(fitted, empty).scores(np.array([], dtype=np.int64)).shape == (0, len(shop.catalogue))


@pytest.mark.parametrize("products", [1, 2])
def test_tiny_shops_can_be_fitted_and_served(small_plan, small_schema, release, products):
    stock = Catalogue.build(small_schema, [Product(product_id=str(i)) for i in range(products)])
    tiny = ShopData(
        catalogue=stock,
        purchases=Purchases.of([0, 0], [0, 0], [17_400, 17_490], [1.0, 1.0]),
        customer_ids=("a", "b"),
        as_of=17_500,
    )
    fitted = fit_local(small_plan, release, tiny, generator=np.random.default_rng(1))
    assert recommend(fitted, tiny, 0, 1)[0].item == 0
    assert len(recommend(fitted, tiny, 1, 5)) == products
    assert len(recommend(fitted, tiny, 0, 5, novel_only=True)) == products - 1


def test_a_model_for_another_catalogue_is_refused(model, shop_maker):
    with pytest.raises(InvalidPersonalModelError):
        Recommender(model, shop_maker(products=7))


def test_suggestions_are_ordered_distinct_and_new_when_asked(model, shop):
    recommender = Recommender(model, shop)
    for row in range(len(shop.customer_ids)):
        bought = set(shop.purchases.item[shop.purchases.customer == row].tolist())
        usual, new = recommender.recommend(row, 8), recommender.recommend(row, 8, novel_only=True)
        for found in (usual, new):
            assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
            assert len({s.item for s in found}) == len(found) == 8
        assert not bought & {s.item for s in new}
        assert bought & {s.item for s in usual}


def test_reasons_are_true(model, shop):
    recommender = Recommender(model, shop)
    seen: set[ReasonCode] = set()
    for row in range(len(shop.customer_ids)):
        mine = shop.purchases.customer == row
        bought = set(shop.purchases.item[mine].tolist())
        for suggestion in [*recommender.recommend(row, 8), *recommender.recommend(row, 8, novel_only=True)]:
            seen.add(suggestion.reason_code)
            evidence = suggestion.evidence
            assert (suggestion.reason_code is ReasonCode.BOUGHT_BEFORE) == (suggestion.item in bought)
            if suggestion.reason_code is ReasonCode.BOUGHT_BEFORE:
                days = shop.purchases.day[mine & (shop.purchases.item == suggestion.item)]
                assert evidence["times"] == len(np.unique(days))
                assert evidence["days_since"] == shop.as_of - days.max()
            if "because_of" in evidence:
                assert evidence["because_of"] in bought
            if suggestion.reason_code is ReasonCode.POPULAR_HERE:
                assert evidence["people"] >= MINIMUM_PEOPLE
    assert ReasonCode.BOUGHT_BEFORE in seen
    assert len(seen) > 1


def test_the_order_of_order_lines_means_nothing(small_plan, release, shop, model):
    order = np.random.default_rng(0).permutation(len(shop.purchases))
    bought = shop.purchases
    shuffled = rebuilt(
        shop,
        purchases=Purchases.of(
            bought.customer[order], bought.item[order], bought.day[order], bought.quantity[order]
        ),
    )
    assert (
        fit_local(small_plan, release, shuffled, generator=np.random.default_rng(1)).to_bytes()
        == model.to_bytes()
    )


def test_serving_does_not_import_torch():
    code = "import sys; import highstreet.models.serving; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def shop_that_lists(plan: ModelPlan, sold: ShopData, *, never_sold: int) -> ShopData:
    """The shop with every product first sold in an order of its own, and some listed but never sold."""
    bought = sold.purchases
    products = [
        Product(product_id=str(row), category="any") for row in range(len(sold.catalogue) + never_sold)
    ]
    waves = np.arange(len(sold.catalogue)) % 8
    late_enough = bought.day >= sold.as_of - 20 * (1 + waves[bought.item])
    return ShopData(
        catalogue=Catalogue.build(plan.schema, products),
        purchases=Purchases.of(
            bought.customer[late_enough],
            bought.item[late_enough],
            bought.day[late_enough],
            bought.quantity[late_enough],
        ),
        customer_ids=sold.customer_ids,
        as_of=sold.as_of,
    )


def unsold_weight(plan: ModelPlan, shop: ShopData) -> float:
    fitted = fit_alone(plan, shop, generator=np.random.default_rng(3))
    return float(fitted.alone.weights[len(FEATURES) + SHOP_FEATURES.index("novel/unsold")])


def test_a_product_list_made_from_sales_does_not_teach_that_the_unsold_sell_next(small_plan, shop_maker):
    sold = shop_maker(customers=40, products=60, seed=5)
    assert unsold_weight(small_plan, shop_that_lists(small_plan, sold, never_sold=3)) == 0.0
    # With a list that is not made from sales there is something to learn, and it is that they sell less.
    assert unsold_weight(small_plan, shop_that_lists(small_plan, sold, never_sold=200)) < 0.0


def test_the_repeat_rule_hands_out_the_same_places_anew(small_plan, shop):
    fitted = fit_alone(small_plan, shop, generator=np.random.default_rng(3))
    plain = replace(fitted, settings=replace(fitted.settings, repeat_weight=0.0, lately_weight=0.0))
    strong = replace(fitted, settings=replace(fitted.settings, repeat_weight=1000.0, lately_weight=0.0))
    rows = np.arange(len(shop.customer_ids))
    before, after = Recommender(plain, shop).scores(rows), Recommender(strong, shop).scores(rows)
    past = Timeline(shop).before(shop.as_of, rows, (fitted.settings.repeat_half_life_days,))
    rule = past.profile(fitted.settings.repeat_half_life_days)
    changed = 0
    for row in rows:
        own = past.bought[row]
        assert (before[row, ~own] == after[row, ~own]).all()
        assert (np.sort(before[row, own]) == np.sort(after[row, own])).all()
        by_rule = rule[row, own][np.argsort(-after[row, own], kind="stable")]
        assert (np.diff(by_rule) <= 1e-6).all()
        changed += int((before[row, own] != after[row, own]).any())
    assert changed


def test_what_was_bought_lately_comes_first_among_what_a_customer_bought(small_plan, shop):
    fitted = fit_alone(small_plan, shop, generator=np.random.default_rng(3))
    plain = replace(fitted, settings=replace(fitted.settings, lately_weight=0.0))
    strong = replace(fitted, settings=replace(fitted.settings, lately_weight=1e6))
    rows = np.arange(len(shop.customer_ids))
    before, after = Recommender(plain, shop).scores(rows), Recommender(strong, shop).scores(rows)
    past = Timeline(shop).before(shop.as_of, rows, (30.0,))
    changed = 0
    for row in rows:
        own = past.bought[row]
        assert (before[row, ~own] == after[row, ~own]).all()
        assert (np.sort(before[row, own]) == np.sort(after[row, own])).all()
        # Even at 80 days a day makes 1e6 * 2^(-80/14) * (2^(1/14) - 1) = 970; no score comes near.
        fresh = own & (past.gap[row] <= 80)
        ages = past.gap[row, fresh][np.argsort(-after[row, fresh], kind="stable")]
        assert (np.diff(ages) >= 0).all()
        changed += int((before[row, own] != after[row, own]).any())
    assert changed


def test_the_order_among_new_products_is_decided_apart_from_their_places(small_plan, release, shop):
    fitted = fit_local(small_plan, release, shop, generator=np.random.default_rng(3))
    rows = np.arange(len(shop.customer_ids))
    bought = Timeline(shop).before(shop.as_of, rows, (30.0,)).bought

    def scores(place: float, order: float):
        coop = replace(fitted.coop, place_share=place, order_share=order)
        alone = replace(fitted.alone, place_share=1 - place, order_share=1 - order)
        return Recommender(replace(fitted, coop=coop, alone=alone), shop).scores(rows)

    own, ours, both = scores(0.0, 0.0), scores(1.0, 1.0), scores(0.0, 1.0)
    changed = 0
    for row in rows:
        new = ~bought[row]
        # The shop's own model says which places new products get, the co-op which product gets which.
        assert (both[row, ~new] == own[row, ~new]).all()
        assert (np.sort(both[row, new]) == np.sort(own[row, new])).all()
        order = np.argsort(-ours[row, new], kind="stable")
        assert (np.diff(both[row, new][order]) <= 0).all()
        changed += int((both[row] != own[row]).any())
    assert changed
