import numpy as np
from journeys import made_up_federation

from highstreet.models.metrics import ndcg_at_k
from highstreet.simulations.judging import METRICS, best_sellers, judge, units_of


def oracle(_index, store):
    return store.targets[store.judged].toarray().astype(float)


def column(values, name):
    return values[:, METRICS.index(name)]


def test_a_recommender_that_knows_the_future_is_perfect():
    values = judge(made_up_federation(), oracle)
    np.testing.assert_allclose(column(values, "all/ndcg10"), 1.0)
    assert np.nanmin(column(values, "novel/recall20")) == 1.0


def test_units_line_up_with_the_judged_rows():
    federation = made_up_federation()
    units, values = units_of(federation), judge(federation, oracle)
    assert len(units.store) == len(values) == federation.units
    first = federation.stores[0]
    assert units.person[: len(first.judged)].tolist() == first.persons[first.judged].tolist()
    assert (units.purchases > 0).all()


def test_novel_leaves_out_what_was_bought_before():
    federation = made_up_federation()

    def only_known(_index, store):
        rows = store.judged
        known = np.zeros((len(store.persons), len(federation.catalogue)))
        known[store.shop.purchases.customer, store.shop.purchases.item] = 1.0
        return known[rows]

    def nothing_known(_index, store):
        return np.zeros((len(store.judged), len(federation.catalogue)))

    known, nothing = judge(federation, only_known), judge(federation, nothing_known)
    np.testing.assert_array_equal(column(known, "novel/ndcg10"), column(nothing, "novel/ndcg10"))
    assert np.nanmean(column(known, "all/ndcg10")) > np.nanmean(column(nothing, "all/ndcg10")) + 0.1


def test_best_sellers_are_left_out_of_ranking_and_targets():
    federation = made_up_federation()
    top = best_sellers(federation)

    def best_sellers_first(_index, store):
        scores = np.zeros((len(store.judged), len(federation.catalogue)))
        scores[:, top] = 1.0
        return scores

    values = judge(federation, best_sellers_first)
    store = federation.stores[0]
    rows = store.judged
    wanted = store.targets[rows].toarray()
    masked = np.zeros_like(wanted)
    masked[:, top] = True
    expected = ndcg_at_k(np.zeros(wanted.shape), wanted, k=10, masked=masked)
    np.testing.assert_allclose(column(values, "all-without2/ndcg10")[: len(rows)], expected)
