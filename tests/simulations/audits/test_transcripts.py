import pytest
from scipy.stats import binom

from highstreet.privacy.noise import SeededNoise
from highstreet.simulations.audits.plans import SMALL_PARAMS, SMALL_SCHEMA, claimed_plan
from highstreet.simulations.audits.secure_sums import share_of_a_colluder
from highstreet.simulations.audits.transcripts import (
    attribute_attack,
    item_attack,
    noisy_integers,
    plain_integers,
)

PLAN = claimed_plan(1.0, delta=1e-5, schema=SMALL_SCHEMA, params=SMALL_PARAMS)


def items(transcript):
    return item_attack(PLAN, transcript, customers=4, rounds=60, seed=1, source=SeededNoise(2))


def attribute(transcript):
    return attribute_attack(PLAN, transcript, rounds=200, seed=1, source=SeededNoise(2))


def most_right(attack):
    """Most right guesses of an attacker at the limit, but for one seed in a million."""
    return int(binom.isf(1e-6, attack.guesses, attack.limit))


def test_plain_sums_give_every_item_away():
    found = items(plain_integers())
    assert found.right == found.guesses == 240


def test_plain_sums_give_the_attribute_away():
    found = attribute(plain_integers())
    assert found.accuracy > 0.95


@pytest.mark.parametrize("make", [noisy_integers, lambda: share_of_a_colluder(3)], ids=["noisy", "boxes"])
@pytest.mark.parametrize("attack", [items, attribute])
def test_what_is_sent_gives_hardly_anything_away(make, attack):
    found = attack(make())
    assert found.right <= most_right(found) < 0.75 * found.guesses  # from plain sums nearly all are right


def test_limit_grows_with_the_claim_and_is_chance_in_the_secure_sum():
    assert items(share_of_a_colluder(3)).limit == pytest.approx(0.1)
    assert 0.1 < items(noisy_integers()).limit < 0.2
    assert items(plain_integers()).limit == 1.0
