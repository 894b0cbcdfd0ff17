import pytest

from highstreet.privacy.releases import Weighting
from highstreet.simulations.conditions import OPPONENTS, Kind, choose, conditions_for
from highstreet.simulations.errors import InvalidEpsilonError, UnknownConditionError

WAYS = ("in-sum", "person-in-sum", "worst-case-in-sum", "per-store")


def test_every_epsilon_is_run_for_customers_and_persons_in_the_sum_and_in_every_store():
    names = [condition.name for condition in conditions_for((1.0, 2.0, 3.0, 8.0))]
    assert names[-16:] == [f"epsilon-{epsilon}-{way}" for epsilon in (1, 2, 3, 8) for way in WAYS]
    assert len(names) == len(set(names))


def test_titles_tell_conditions_apart_and_name_the_unit():
    conditions = conditions_for((1.0, 3.0))
    assert len({condition.title for condition in conditions}) == len(conditions)
    for condition in conditions:
        if condition.epsilon is not None:
            is_weighted = condition.weighting is not Weighting.WHOLE
            assert ("per person" if is_weighted else "per customer") in condition.title


def test_the_worst_case_is_run_only_when_named():
    everything = conditions_for((3.0,))
    assert "epsilon-3-worst-case-in-sum" not in [each.name for each in choose(everything, [])]
    assert "epsilon-3-person-in-sum" in [each.name for each in choose(everything, [])]
    (named,) = choose(everything, ["epsilon-3-worst-case-in-sum"])
    assert named.weighting is Weighting.ONE_OVER_MOST


@pytest.mark.parametrize(
    "epsilons", [(0.0,), (-1.0,), (float("nan"),), (1.0, float("inf")), (3.0, 3.0), (3.0, 1.0, 3.0000001)]
)
def test_no_epsilon_at_all_or_one_given_twice_is_refused(epsilons):
    with pytest.raises(InvalidEpsilonError) as refusal:
        conditions_for(epsilons)
    assert refusal.value.next_step


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
