import math

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom

from highstreet.simulations.audits.one_run import (
    Guesses,
    best_bound,
    epsilon_bound,
    gaussian_epsilon_bound,
    gaussian_is_rejected,
    guesses,
    p_value,
)
from highstreet.simulations.errors import InvalidAuditError


def found(correct, made, canaries=None):
    return Guesses(canaries=canaries or made, made=made, correct=correct)


def test_p_value_of_two_right_guesses_by_hand():
    # q = 3/4: P[B = 2] = 9/16; back 1: P[B = 1] / 1 = 6/16; back 2: P[B = 0 or 1] / 2 = 7/32, the smaller.
    assert p_value(found(2, 2), epsilon=math.log(3), delta=0.0) == pytest.approx(9 / 16)
    assert p_value(found(2, 2), epsilon=math.log(3), delta=0.01) == pytest.approx(
        9 / 16 + 2 * 2 * 0.01 * 6 / 16
    )


def test_abstaining_canaries_count_in_the_part_of_delta():
    alone, among_many = found(2, 2), found(2, 2, canaries=50)

    def extra(each):
        return p_value(each, epsilon=1.0, delta=1e-4) - p_value(each, epsilon=1.0, delta=0.0)

    assert p_value(among_many, epsilon=1.0, delta=0.0) == p_value(alone, epsilon=1.0, delta=0.0)
    assert extra(among_many) == pytest.approx(25 * extra(alone))


@pytest.mark.parametrize(("made", "correct"), [(5, 5), (9, 7), (12, 3), (12, 0)])
def test_p_value_matches_a_plain_sum(made, correct):
    q, delta, canaries = 1 / (1 + math.exp(-0.7)), 1e-3, 20
    chances = [math.comb(made, k) * q**k * (1 - q) ** (made - k) for k in range(made + 1)]
    between = [sum(chances[correct - back : correct]) / back for back in range(1, correct + 1)]
    expected = sum(chances[correct:]) + 2 * canaries * delta * max(between, default=0.0)
    got = p_value(found(correct, made, canaries), epsilon=0.7, delta=delta)
    assert got == pytest.approx(min(1.0, expected))


def test_perfect_guesses_prove_what_the_binomial_says():
    # All of r right refutes epsilon while q^r <= alpha: epsilon = log(q / (1 - q)) at q = alpha^(1/r).
    q = 0.05 ** (1 / 100)
    assert epsilon_bound(found(100, 100), delta=0.0, alpha=0.05) == pytest.approx(
        math.log(q / (1 - q)), rel=1e-9
    )
    assert epsilon_bound(found(50, 100), delta=0.0, alpha=0.05) == 0.0


def error_rate(bound, true_chance, *, truth, canaries=60):
    """Chance that a bound exceeds the truth, by enumeration, when each guess is right independently."""
    rights = np.arange(canaries + 1)
    wrong = [bound(found(int(right), canaries)) > truth * (1 + 1e-9) for right in rights]
    return float(binom.pmf(rights, canaries, true_chance)[wrong].sum())


def test_bound_errs_at_most_alpha_against_randomised_response():
    def rate(epsilon):
        chance = 1 / (1 + math.exp(-epsilon))  # randomised response is exactly epsilon-private
        return error_rate(
            lambda each: epsilon_bound(each, delta=0.0, alpha=0.05),
            true_chance=chance,
            truth=1.0,
            canaries=60,
        )

    assert 0.01 < rate(1.0) <= 0.05
    assert rate(2.0) > 0.5  # a mechanism that leaks more than claimed is found


def test_gaussian_bound_errs_at_most_alpha_against_a_gaussian_mechanism():
    rejects = [gaussian_is_rejected(found(right, 400), mu=1.0, alpha=0.05) for right in range(401)]

    def rate(mu):
        return float(binom.pmf(np.arange(401), 400, ndtr(mu / 2))[rejects].sum())

    assert rate(1.0) <= 0.05
    assert rate(4.0) > 0.5


@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0])
def test_one_guess_is_judged_by_the_best_test_there_is(mu):
    one = found(1, 1)
    least = float(ndtr(mu / 2))
    assert gaussian_is_rejected(one, mu=mu, alpha=least * 1.001)
    assert not gaussian_is_rejected(one, mu=mu, alpha=least * 0.999)


def test_gaussian_hypothesis_proves_more_than_a_single_pair():
    many = found(195, 200, canaries=1000)
    assert gaussian_epsilon_bound(many, delta=1e-5, alpha=0.05) > epsilon_bound(many, delta=1e-5, alpha=0.05)


def test_surest_canaries_are_guessed():
    scores = np.array([0.1, -4.0, 2.0, -0.2])
    included = np.array([False, False, True, True])
    assert guesses(scores, included, made=2) == Guesses(canaries=4, made=2, correct=2)
    assert guesses(scores, included, made=4) == Guesses(canaries=4, made=4, correct=2)


def test_best_of_several_is_paid_for():
    scores = np.linspace(1, 2, 40)
    included = np.ones(40, dtype=bool)

    def bound(each, alpha):
        return epsilon_bound(each, delta=0.0, alpha=alpha)

    best, chosen = best_bound(scores, included, made=[10, 40], bound=bound, alpha=0.05)
    assert chosen.made == 40
    assert best == pytest.approx(epsilon_bound(found(40, 40), delta=0.0, alpha=0.025))
    assert best < epsilon_bound(found(40, 40), delta=0.0, alpha=0.05)


def test_impossible_counts_are_refused():
    with pytest.raises(InvalidAuditError):
        found(3, 2)
