import pytest

from highstreet.simulations.conditions import OPPONENTS, Kind, choose, conditions_for
from highstreet.simulations.errors import UnknownConditionError


def test_every_epsilon_is_run_with_noise_in_the_sum_and_in_every_store():
    names = [condition.name for condition in conditions_for((1.0, 3.0))]
    assert {"epsilon-1-in-sum", "epsilon-1-per-store", "epsilon-3-in-sum", "epsilon-3-per-store"} <= set(
        names
    )
    assert len(names) == len(set(names))


def test_any_epsilon_can_be_asked_for():
    names = [condition.name for condition in conditions_for((1.0, 2.0, 3.0, 8.0))]
    assert names[-8::2] == ["epsilon-1-in-sum", "epsilon-2-in-sum", "epsilon-3-in-sum", "epsilon-8-in-sum"]


def test_only_what_is_trained_needs_seeds():
    for condition in conditions_for((1.0,)):
        # Whatever is trained draws at random.
        assert condition.is_random == (condition.kind is not Kind.OPPONENT)
        assert (condition.kind is Kind.OPPONENT) == (condition in OPPONENTS)


def test_unknown_condition_is_refused_with_the_known_ones():
    with pytest.raises(UnknownConditionError) as refusal:
        choose(conditions_for((1.0,)), ["popularity", "magic"])
    assert "magic" in refusal.value.what
    assert "alone" in refusal.value.next_step
