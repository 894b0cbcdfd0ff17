"""Re-ranked lists: what they promise, and that they leave alone what they need not touch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.models.calibration_of_lists import list_shares, miscalibration
from highstreet.models.exposure import exposure_shares, place_exposure
from highstreet.models.metrics import top_k
from highstreet.models.reranking import (
    InvalidRerankingError,
    Reranking,
    calibrated_lists,
    lists_with_share,
)

CATEGORIES = np.array([0, 0, 0, 1, 1, 2])
SCORES = np.array([[9.0, 8.0, 7.0, 6.0, 5.0, 4.0]])


def test_half_a_customers_taste_gets_half_of_the_list() -> None:
    wanted = np.array([[0.5, 0.5, 0.0]])
    assert calibrated_lists(SCORES, wanted, CATEGORIES, k=4, strength=0.0).tolist() == [[0, 1, 2, 3]]
    # By hand: first the best of a wanted category, then what is owed to the other.
    found = calibrated_lists(SCORES, wanted, CATEGORIES, k=4, strength=0.9)
    assert found.tolist()[0][:2] == [0, 3]
    assert set(found[0]) == {0, 1, 3, 4}


def test_a_share_of_the_exposure_goes_to_the_chosen() -> None:
    chosen = np.array([False, False, False, False, True, True])
    assert lists_with_share(SCORES, chosen, k=4, share=0.0).tolist() == [[0, 1, 2, 3]]
    # Exposure .39, .25, .20, .17: the first place owes .12 of .39, the second .19 of .25.
    assert lists_with_share(SCORES, chosen, k=4, share=0.3).tolist() == [[0, 4, 1, 2]]
    assert lists_with_share(SCORES, chosen, k=4, share=1.0).tolist() == [[4, 5, 0, 1]]


@given(st.integers(0, 2**31), st.integers(1, 10), st.floats(0.01, 1))
def test_the_share_is_reached_but_for_half_a_place_where_enough_are_chosen(
    seed: int, k: int, share: float
) -> None:
    generator = np.random.default_rng(seed)
    scores, chosen = generator.normal(size=(3, 60)), np.arange(60) % 2 == 0
    lists = lists_with_share(scores, chosen, k=k, share=share)
    held = exposure_shares(lists, np.where(chosen, 0, -1), number_of_classes=1)[:, 0]
    assert (held >= share - place_exposure(k)[0] / 2 - 1e-9).all()
    for row, items in enumerate(lists):
        assert len(set(items)) == k
        for of in (chosen, ~chosen):
            mine = scores[row, [item for item in items if of[item]]]
            assert (np.diff(mine) <= 0).all()  # the best of each kind, best first


@given(st.integers(0, 2**31), st.floats(0.3, 1.0))
def test_calibrated_lists_miss_no_more_than_the_plain_ones_do_on_average(seed: int, strength: float) -> None:
    generator = np.random.default_rng(seed)
    scores, categories = generator.normal(size=(6, 40)), np.arange(40) % 4
    wanted = generator.dirichlet(np.full(4, 0.5), size=6)
    lists = calibrated_lists(scores, wanted, categories, k=8, strength=strength)
    assert all(len(set(items)) == 8 for items in lists)

    def missed(of: np.ndarray) -> float:
        return float(miscalibration(wanted, list_shares(of, categories, n=4)).mean())

    assert missed(lists) <= missed(top_k(scores, 8)) + 0.02


def test_products_not_to_be_shown_come_last() -> None:
    masked = np.where(np.array([True, False, False, False, True, False]), -np.inf, SCORES)
    wanted = np.array([[1.0, 0.0, 0.0]])
    assert set(calibrated_lists(masked, wanted, CATEGORIES, k=4, strength=0.5)[0]) == {1, 2, 3, 5}
    chosen = np.array([True, False, False, False, True, False])
    assert lists_with_share(masked, chosen, k=4, share=0.5)[0].tolist() == [1, 2, 3, 5]
    assert len(set(calibrated_lists(masked, wanted, CATEGORIES, k=6, strength=0.5)[0])) == 6


def test_short_catalogues_and_nobody_and_products_without_category() -> None:
    assert lists_with_share(SCORES[:, :2], np.ones(2, bool), k=4, share=0.5).shape == (1, 2)
    assert lists_with_share(np.zeros((2, 0)), np.zeros(0, bool), k=4, share=0.5).shape == (2, 0)
    assert calibrated_lists(np.zeros((0, 6)), np.zeros((0, 3)), CATEGORIES, k=4, strength=0.5).shape == (0, 4)
    none = np.full(6, -1)
    assert calibrated_lists(SCORES, np.zeros((1, 0)), none, k=3, strength=0.5).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("part", [-0.1, 1.1, float("nan")])
def test_a_strength_or_share_beyond_0_to_1_is_refused(part: float) -> None:
    with pytest.raises(InvalidRerankingError):
        lists_with_share(SCORES, np.ones(6, bool), k=2, share=part)
    with pytest.raises(InvalidRerankingError):
        calibrated_lists(SCORES, np.ones((1, 3)) / 3, CATEGORIES, k=2, strength=part)


def test_a_shop_asks_for_one_re_ranking_at_a_time() -> None:
    assert not Reranking().is_on
    assert Reranking(calibration=0.5).is_on
    assert Reranking(small_suppliers=0.2).is_on
    for wrong in (
        {"calibration": 0.5, "small_suppliers": 0.2},
        {"calibration": 2.0},
        {"small_suppliers": -1.0},
    ):
        with pytest.raises(InvalidRerankingError):
            Reranking(**wrong)
