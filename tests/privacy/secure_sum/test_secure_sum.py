"""Whole rounds against plain sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.privacy.secure_sum.errors import MissingAnswersError
from highstreet.privacy.secure_sum.field import HALF


@st.composite
def rounds(draw):
    m = draw(st.integers(3, 9))
    c = draw(st.integers(0, m - 1))
    floor = draw(st.integers(max(3, c + 1), 9))
    n = draw(st.integers(max(m, floor), 12))
    return {"n": n, "m": m, "c": c, "floor": floor, "dimension": draw(st.integers(1, 4))}


@settings(max_examples=60, deadline=None)
@given(rounds(), st.randoms(use_true_random=False))
def test_the_sum_is_exact_whoever_contributes_and_whoever_of_m_minus_t_vanishes(made_up_round, shape, random):
    made_up = made_up_round(**shape)
    context, d = made_up.context, shape["dimension"]
    contributors = random.sample(made_up.ids, random.randint(context.floor, shape["n"]))
    limit = HALF // len(contributors)
    vectors = {one: np.array([random.randint(-limit, limit) for _ in range(d)]) for one in contributors}
    made = {one: made_up.contribution(one, vector) for one, vector in vectors.items()}
    opening = made_up.announced(made)
    for one in random.sample(made_up.seats, context.committee.threshold):
        with pytest.raises(MissingAnswersError):
            opening.open()
        opening.add_answer(made_up.answer(one, opening, made))
    opened = opening.open()
    assert np.array_equal(opened.values, sum(vectors.values()))
    assert opened.contributors == tuple(sorted(contributors))


def test_the_ends_of_the_field_come_back_and_beyond_them_the_sum_wraps(made_up_round):
    """Room for the sum is the caller's: privacy/shared_noise.py bounds the chance of wrapping."""
    made_up = made_up_round(dimension=4)
    first, second, third, *_ = made_up.ids
    zeros = np.zeros(4, dtype=np.int64)
    ends = np.array([HALF, -HALF, HALF, -HALF])
    over = np.array([0, 0, 1, -1])
    made = {
        first: made_up.contribution(first, ends),
        second: made_up.contribution(second, over),
        third: made_up.contribution(third, zeros),
    }
    opening = made_up.announced(made)
    for one in made_up.seats:
        opening.add_answer(made_up.answer(one, opening, made))
    assert opening.open().values.tolist() == [HALF, -HALF, -HALF, HALF]


def test_a_sharing_of_too_high_a_degree_is_noticed_by_a_surplus_answer(made_up_round, monkeypatch):
    """A malformed sharing is detected, not attributed, and only by answers beyond the threshold."""
    from highstreet.privacy.secure_sum import contribution
    from highstreet.privacy.secure_sum.errors import InconsistentAnswersError

    made_up = made_up_round()
    made = made_up.contributions(made_up.ids[1:])

    def malformed(secret, chosen, *, shares):
        computed = true_sharing(secret, chosen, shares=shares)
        return [computed[0], (computed[1] + np.uint32(1)) % np.uint32(2**31 - 1)]

    true_sharing = contribution.complete_shares
    monkeypatch.setattr(contribution, "complete_shares", malformed)
    made[made_up.ids[0]] = made_up.contribution(made_up.ids[0])
    opening = made_up.announced(made)
    for one in made_up.seats[:4]:
        opening.add_answer(made_up.answer(one, opening, made))
    opening.open()
    opening.add_answer(made_up.answer(made_up.seats[4], opening, made))
    with pytest.raises(InconsistentAnswersError):
        opening.open()


def test_a_round_of_a_million_coordinates_goes_through_in_seconds(made_up_round):
    """The parts that work piece by piece meet at their seams: every coordinate is compared."""
    made_up = made_up_round(n=3, m=3, c=1, dimension=1_000_003)
    made = made_up.contributions()
    opening = made_up.announced(made)
    for one in made_up.seats:
        opening.add_answer(made_up.answer(one, opening, made))
    assert np.array_equal(opening.open().values, sum(made_up.vector(one) for one in made_up.ids))
