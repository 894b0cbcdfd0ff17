"""Whole rounds against plain sums."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.privacy.secure_sum.errors import MissingAgreementsError, MissingAnswersError
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
    t = context.committee.threshold
    opening, seats = made_up.announced(made), {one: made_up.seat(one, made) for one in made_up.seats}

    def reply(step, one, request):
        prepared = getattr(seats[one], step)(request, made_up.keys[one])
        seats[one] = prepared.seat
        return prepared.release(lambda announced: None)

    there, there_later = (random.sample(made_up.seats, random.randint(t, len(seats))) for _ in range(2))
    for one in there:
        with contextlib.suppress(MissingAgreementsError):  # those beyond t come after it is agreed
            opening.sum_request(one)
            assert opening.missing_agreements == 0
        opening.add_agreement(reply("agree", one, opening.agreement_request(one)))
    for one in there_later[:t]:
        with pytest.raises(MissingAnswersError):
            opening.open()
        opening.add_answer(reply("prepare", one, opening.sum_request(one)))
    opening.open()
    for one in there_later[t:]:
        opening.add_answer(reply("prepare", one, opening.sum_request(one)))
    opened = opening.open()
    assert np.array_equal(opened.values, sum(vectors.values()))
    assert opened.contributors == tuple(sorted(contributors))


def test_any_two_of_six_may_vanish_before_they_agree_and_any_two_before_they_answer(made_up_round):
    """m = 6, c = 1, t = 4: every choice of the two, at each stage apart."""
    made_up = made_up_round(n=6, m=6, dimension=1)
    made = made_up.contributions()
    total = sum(made_up.vector(one) for one in made_up.ids)
    announced = made_up.announced(made)
    agreements = {one: made_up.agreement(one, announced, made) for one in made_up.seats}
    for there in itertools.combinations(made_up.seats, 4):
        opening = made_up.announced(made)
        for one in there:
            opening.add_agreement(agreements[one])
        answers = {one: made_up.answer(one, opening, made) for one in made_up.seats}
        for there_later in itertools.combinations(made_up.seats, 4):
            opening = made_up.announced(made)
            for one in there:
                opening.add_agreement(agreements[one])
            for one in there_later:
                opening.add_answer(answers[one])
            assert np.array_equal(opening.open().values, total)
    # The twin: with three of them missing it does not go on.
    opening = made_up.announced(made)
    for one in made_up.seats[:3]:
        opening.add_agreement(agreements[one])
    with pytest.raises(MissingAgreementsError) as missing:
        opening.sum_request(made_up.seats[0])
    assert missing.value.missing == opening.missing_agreements == 1


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
    opening = made_up.agreed(made)
    for one in made_up.seats:
        opening.add_answer(made_up.answer(one, opening, made))
    assert opening.open().values.tolist() == [HALF, -HALF, -HALF, HALF]


def test_a_sharing_of_too_high_a_degree_is_noticed_by_a_surplus_answer(made_up_round, monkeypatch):
    """A malformed sharing is detected, not attributed, and only by answers beyond the threshold."""
    from highstreet.privacy.secure_sum import contribution
    from highstreet.privacy.secure_sum.errors import InconsistentAnswersError

    made_up = made_up_round()
    made = made_up.contributions(made_up.ids[1:])

    def malformed(integers, seeds, *, shares):
        computed = true_sharing(integers, seeds, shares=shares)
        return [computed[0], (computed[1] + np.uint32(1)) % np.uint32(2**31 - 1)]

    true_sharing = contribution.complete_seeded_shares
    monkeypatch.setattr(contribution, "complete_seeded_shares", malformed)
    made[made_up.ids[0]] = made_up.contribution(made_up.ids[0])
    opening = made_up.agreed(made)
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
    opening = made_up.agreed(made)
    for one in made_up.seats:
        opening.add_answer(made_up.answer(one, opening, made))
    assert np.array_equal(opening.open().values, sum(made_up.vector(one) for one in made_up.ids))
