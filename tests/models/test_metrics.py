import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from highstreet.models.metrics import InvalidRankingError, ndcg_at_k, recall_at_k, top_k


def loop_ndcg(scores, relevant, k, masked):
    """The same by hand, one customer and one product at a time."""
    order = sorted((i for i in range(len(scores)) if not masked[i]), key=lambda i: (-scores[i], i))[:k]
    count = sum(r and not m for r, m in zip(relevant, masked, strict=True))
    if count == 0:
        return math.nan, math.nan
    gain = sum(1 / math.log2(rank + 2) for rank, i in enumerate(order) if relevant[i])
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(count, k)))
    return gain / ideal, sum(relevant[i] for i in order) / min(count, k)


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    customers=st.integers(1, 4),
    products=st.integers(1, 12),
    k=st.integers(1, 15),
)
def test_metrics_agree_with_a_loop_over_customers_and_products(data, customers, products, k):
    shape = (customers, products)
    scores = data.draw(hnp.arrays(np.float64, shape, elements=st.integers(0, 4).map(float)))
    relevant = data.draw(hnp.arrays(np.bool_, shape))
    masked = data.draw(hnp.arrays(np.bool_, shape))
    ndcg = ndcg_at_k(scores, relevant, k=k, masked=masked)
    recall = recall_at_k(scores, relevant, k=k, masked=masked)
    for row in range(customers):
        expected = loop_ndcg(scores[row], relevant[row], k, masked[row])
        np.testing.assert_allclose((ndcg[row], recall[row]), expected, rtol=1e-12)


def test_worked_example_of_the_docstring():
    scores, relevant = np.array([[9.0, 8.0, 7.0, 6.0]]), np.array([[True, False, True, False]])
    assert ndcg_at_k(scores, relevant, k=3)[0] == pytest.approx(1.5 / (1 + 1 / math.log2(3)))


def test_perfect_ranking_scores_one_even_with_more_to_find_than_places():
    scores = np.arange(30, dtype=np.float64)[None]
    relevant = np.ones((1, 30), dtype=bool)
    assert ndcg_at_k(scores, relevant, k=10)[0] == pytest.approx(1.0)
    assert recall_at_k(scores, relevant, k=20)[0] == 1.0


def test_recall_divides_by_the_smaller_of_what_is_to_find_and_k():
    relevant = np.array([[True, False, True, True]])
    assert recall_at_k(np.array([[9.0, 8.0, 7.0, 6.0]]), relevant, k=2)[0] == 0.5


def test_masked_products_neither_take_a_place_nor_count():
    scores = np.array([[9.0, 8.0, 7.0]])
    relevant = np.array([[True, False, True]])
    masked = np.array([[True, False, False]])
    assert ndcg_at_k(scores, relevant, k=2, masked=masked)[0] == pytest.approx(1 / math.log2(3))
    assert ndcg_at_k(scores, relevant, k=2)[0] != pytest.approx(1 / math.log2(3))


def test_customer_with_nothing_to_find_is_not_a_number():
    scores, nothing = np.ones((1, 3)), np.zeros((1, 3), dtype=bool)
    assert np.isnan(ndcg_at_k(scores, nothing, k=2)[0])
    assert np.isnan(recall_at_k(scores, nothing, k=2)[0])


def test_ties_are_ordered_by_catalogue_row():
    assert top_k(np.zeros((2, 6)), 3).tolist() == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_numbers_are_refused(bad):
    with pytest.raises(InvalidRankingError):
        ndcg_at_k(np.array([[1.0, bad]]), np.ones((1, 2), dtype=bool), k=1)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InvalidRankingError):
        recall_at_k(np.ones((1, 3)), np.ones((1, 2), dtype=bool), k=1)
    with pytest.raises(InvalidRankingError):
        top_k(np.ones((1, 3)), 1, masked=np.ones((2, 3), dtype=bool))
    with pytest.raises(InvalidRankingError):
        top_k(np.ones((1, 3)), 0)
