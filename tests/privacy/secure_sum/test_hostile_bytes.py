"""Altered messages: refused with a code, or without any effect; never another error, never another sum."""

from __future__ import annotations

import random

import numpy as np
import pytest

from highstreet.privacy.secure_sum import SumRefusedError, open_contribution
from tests.privacy.altered_bytes import altered, passing

CASES = 1500


@pytest.fixture
def announced(made_up_round):
    made_up = made_up_round(dimension=3)
    made = made_up.contributions()
    return made_up, made, made_up.agreed(made)


def test_altered_contributions_are_refused_or_the_same(announced):
    made_up, made, _ = announced
    one, generator = made_up.ids[0], random.Random(1)  # noqa: S311 - reproducible cases
    whole = open_contribution(made[one].body, made_up.context)

    def case():
        opened = open_contribution(altered(generator, made[one].body), made_up.context)
        assert (opened.header, opened.boxes) == (whole.header, whole.boxes)

    assert passing([case] * CASES, refused_by=SumRefusedError) < CASES / 10


def test_altered_sum_requests_are_refused_or_the_same(announced):
    made_up, made, opening = announced
    one, generator = made_up.seats[0], random.Random(2)  # noqa: S311 - reproducible cases
    seat, keys, request = made_up.seat(one, made), made_up.keys[one], opening.sum_request(one)
    whole = seat.prepare(request, keys).release(lambda announced: None)

    def case():
        prepared = seat.prepare(altered(generator, request), keys)
        assert prepared.release(lambda announced: None) == whole

    assert passing([case] * CASES, refused_by=SumRefusedError) < CASES / 10


def test_altered_agreement_requests_are_refused_or_the_same(announced):
    made_up, made, opening = announced
    one, generator = made_up.seats[0], random.Random(4)  # noqa: S311 - reproducible cases
    seat, keys, request = made_up.seat(one, made), made_up.keys[one], opening.agreement_request(one)
    whole = seat.agree(request, keys).release(lambda announced: None)

    def case():
        prepared = seat.agree(altered(generator, request), keys)
        assert prepared.release(lambda announced: None) == whole

    assert passing([case] * CASES, refused_by=SumRefusedError) < CASES / 10


def test_altered_agreements_count_for_nobody_else(announced):
    """What passes is the member's own, spelled otherwise: it counts once, and the members answer with it."""
    made_up, made, agreed = announced
    opening, generator = made_up.announced(made), random.Random(5)  # noqa: S311 - reproducible cases
    one, *others = made_up.seats
    agreement = made_up.agreement(one, opening, made)

    def case():
        given = opening.add_agreement(altered(generator, agreement))
        assert (given.member_id, given.refusal) == (one, None)

    assert passing([case] * CASES, refused_by=SumRefusedError) < CASES / 10
    assert opening.missing_agreements >= made_up.committee.threshold - 1
    for other in others:
        opening.add_agreement(made_up.agreement(other, agreed, made))
    made_up.answer(one, opening, made)


def test_altered_answers_never_change_the_sum(announced):
    made_up, made, opening = announced
    generator = random.Random(3)  # noqa: S311 - reproducible cases
    answers = [made_up.answer(one, opening, made) for one in made_up.seats]

    def case():
        opening.add_answer(altered(generator, generator.choice(answers)))

    assert passing([case] * CASES, refused_by=SumRefusedError) < CASES / 10
    for answer in answers:
        opening.add_answer(answer)
    opened = opening.open()
    assert np.array_equal(opened.values, sum(made_up.vector(one) for one in made_up.ids))
    assert opened.wrong == ()
