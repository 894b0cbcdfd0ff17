"""Altered messages: refused with a code, or without any effect; never another error, never another tag."""

from __future__ import annotations

import random

import pytest

from highstreet.privacy.matching import HolderKeys, MatchingRefusedError
from tests.privacy.altered_bytes import altered, passing

CASES = 600


@pytest.fixture
def running(made_up_matching):
    made_up = made_up_matching(identifiers=3)
    store = made_up.store(made_up.ids[-1], ["ann", "bob"])
    body = made_up.list_of(store)
    return made_up, store, body, made_up.answers(body)


def test_altered_keys_are_refused_or_the_same(running):
    made_up, *_ = running
    generator, offers = random.Random(1), made_up.offers()  # noqa: S311 - reproducible cases
    whole = made_up.holder_keys().sha256()

    def case():
        assert (
            HolderKeys.collect(made_up.context, [altered(generator, offers[0]), offers[1]]).sha256() == whole
        )

    assert passing([case] * CASES, refused_by=MatchingRefusedError) < CASES / 10


def test_altered_lists_are_refused_or_the_same(running):
    made_up, store, body, _ = running
    generator, keys = random.Random(2), made_up.holder_keys()  # noqa: S311 - reproducible cases
    holder = next(iter(made_up.holders.values()))
    signing_key = made_up.keys[holder.member_id].signing

    def case():
        prepared = holder.evaluate(altered(generator, body), keys, signing_key)
        assert prepared.holder.answered == holder.answered

    assert holder.answered.keys() == {store.member_id}
    assert passing([case] * CASES, refused_by=MatchingRefusedError) < CASES / 10


def test_altered_answers_are_refused_or_the_same(running):
    made_up, store, _, answers = running
    generator, keys = random.Random(3), made_up.holder_keys()  # noqa: S311 - reproducible cases
    whole = store.match(keys, answers)

    def case():
        assert store.match(keys, [altered(generator, answers[0]), answers[1]]) == whole

    assert passing([case] * CASES, refused_by=MatchingRefusedError) < CASES / 10
