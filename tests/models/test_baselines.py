import numpy as np
import pytest
from scipy.sparse import csr_array

from highstreet.models.baselines import (
    bought,
    category_affinity_scores,
    ease,
    ease_scores_dual,
    linear_autoencoder,
    own_recency_scores,
    popularity,
    shrunk_popularity,
)
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue, Product, Purchases, ShopData

AS_OF = 1000


def shop(lines, *, products=4, customers=2):
    """Lines are (customer, item, day)."""
    rows = [
        Product(product_id=str(i), category="bread" if i < products // 2 else "milk") for i in range(products)
    ]
    columns = np.array(lines, dtype=np.int64).reshape(-1, 3).T
    return ShopData(
        catalogue=Catalogue.build(FeatureSchema(), rows),
        purchases=Purchases.of(columns[0], columns[1], columns[2], np.ones(columns.shape[1])),
        customer_ids=tuple(f"c{i}" for i in range(customers)),
        as_of=AS_OF,
    )


def histories(customers=12, products=9, seed=2):
    return csr_array((np.random.default_rng(seed).random((customers, products)) < 0.4).astype(np.float64))


def test_a_product_bought_twice_counts_once_per_customer():
    history = bought(shop([(0, 1, 10), (0, 1, 20), (1, 1, 30), (1, 3, 30)]))
    assert popularity(history).tolist() == [0, 2, 0, 1]


def test_purchases_on_or_after_the_day_of_reckoning_do_not_count():
    later = shop([(0, 1, AS_OF), (0, 2, AS_OF - 1)])
    assert popularity(bought(later)).tolist() == [0, 0, 1, 0]
    assert own_recency_scores(later, np.zeros(4))[0].argmax() == 2


def test_small_shops_lean_on_the_coop_and_large_ones_on_themselves():
    coop = np.array([0.1, 0.9])
    small = shrunk_popularity(np.array([1.0, 0.0]), own_customers=1, coop_share=coop)
    large = shrunk_popularity(np.array([1000.0, 0.0]), own_customers=1000, coop_share=coop)
    assert small.argmax() == 1
    assert large.argmax() == 0


def test_recent_and_frequent_purchases_come_first_then_popular_ones():
    old, recent = AS_OF - 300, AS_OF - 7
    data = shop([(0, 0, old), (0, 1, recent), (0, 1, recent - 7)])
    scores = own_recency_scores(data, np.array([0.0, 0.0, 0.1, 0.2]))
    assert np.argsort(-scores[0]).tolist() == [1, 0, 3, 2]
    assert np.argsort(-scores[1]).tolist()[:2] == [3, 2]


def test_weight_of_a_purchase_halves_over_the_half_life():
    data = shop([(0, 0, AS_OF - 14), (1, 0, AS_OF - 28)])
    scores = np.expm1(own_recency_scores(data, np.zeros(4), half_life_weeks=2.0)[:, 0])
    assert scores.tolist() == pytest.approx([0.5, 0.25])


def test_affinity_lifts_the_category_a_customer_buys():
    data = shop([(0, 0, 10), (0, 1, 11), (1, 3, 12)])
    scores = category_affinity_scores(data, np.full(4, 0.5), smoothing=0.1)
    assert scores[0].tolist() == pytest.approx([0.55, 0.55, 0.05, 0.05])
    assert scores[1].tolist() == pytest.approx([0.05, 0.05, 0.55, 0.55])


def test_ease_is_the_ridge_regression_of_each_product_on_the_others():
    history, ridge = histories(), 3.0
    x = history.toarray()
    weights = ease(history, ridge=ridge).left
    for product in range(x.shape[1]):
        others = np.delete(np.arange(x.shape[1]), product)
        gram = x[:, others].T @ x[:, others] + ridge * np.eye(len(others))
        by_hand = np.linalg.solve(gram, x[:, others].T @ x[:, product])
        np.testing.assert_allclose(weights[others, product], by_hand, atol=1e-6)
        assert weights[product, product] == 0


def test_ease_by_customers_gives_the_same_scores_as_by_products():
    history = histories(customers=5, products=20)
    np.testing.assert_allclose(
        ease_scores_dual(history, ridge=2.0), ease(history, ridge=2.0).scores(history), atol=1e-5
    )


def test_linear_autoencoder_of_full_rank_is_the_ridge_projection():
    history, ridge = histories(), 2.0
    x = history.toarray()
    model = linear_autoencoder(history, rank=x.shape[1], ridge=ridge)
    expected = x @ np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ x)
    np.testing.assert_allclose(model.scores(history), expected, atol=1e-5)


def test_linear_autoencoder_without_ridge_is_the_best_approximation_of_its_rank():
    history = histories(customers=15, products=10)
    u, s, vt = np.linalg.svd(history.toarray(), full_matrices=False)
    model = linear_autoencoder(history, rank=3, ridge=0.0)
    np.testing.assert_allclose(model.scores(history), (u[:, :3] * s[:3]) @ vt[:3], atol=1e-5)
