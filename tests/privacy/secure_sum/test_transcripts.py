"""What the coordinator and c members see: the sum, and otherwise nothing that depends on the vectors.

The boxes for the others are left out of a view here: ciphertexts of fixed lengths under keys of the others.
"""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from highstreet.privacy.secure_sum.combination import combine
from highstreet.privacy.secure_sum.field import MODULUS, encode, lagrange_coefficients
from highstreet.privacy.secure_sum.shamir import complete_shares, open_shares
from highstreet.protos.secure_sum_pb2 import Contribution


def all_shares(secret, chosen, m, prime):
    chosen = [np.array([value], dtype=np.uint32) for value in chosen]
    computed = complete_shares(np.array([secret], dtype=np.uint32), chosen, shares=m, modulus=prime)
    return [int(share[0]) for share in (*chosen, *computed)]


def real_views(values, *, m, t, prime, corrupt, free=None):
    """Corrupt members' shares of each contributor, and all answers, over all choices of the honest."""
    seen = Counter()
    choices = itertools.product(range(prime), repeat=t - 1 if free is None else free)
    for chosen in itertools.product(list(choices), repeat=len(values)):
        shares = [all_shares(v, own, m, prime) for v, own in zip(values, chosen, strict=True)]
        held = tuple(one[x - 1] for one in shares for x in corrupt)
        answers = tuple(sum(one[x] for one in shares) % prime for x in range(m))
        seen[held, answers] += 1
    return seen


def simulated_views(total, *, contributors, m, t, prime, corrupt):
    """The same, made up from the sum and no vector: uniform shares, any fitting polynomial."""
    seen = Counter()
    others = [x for x in range(1, m + 1) if x not in corrupt][: t - 1 - len(corrupt)]
    points = [0, *corrupt, *others]
    for held in itertools.product(range(prime), repeat=contributors * len(corrupt)):
        known = [sum(held[k :: len(corrupt)]) % prime for k in range(len(corrupt))]
        for free in itertools.product(range(prime), repeat=len(others)):
            values = [np.array([value], dtype=np.uint32) for value in (total, *known, *free)]
            answers = tuple(
                int(combine(lagrange_coefficients(points, at=x, modulus=prime), values, modulus=prime)[0])
                for x in range(1, m + 1)
            )
            seen[held, answers] += 1
    return seen


def frequencies(views):
    total = sum(views.values())
    return {view: count / total for view, count in views.items()}


@pytest.mark.parametrize("corrupt", [(1,), (2,), (3,), (4,), (1, 2), (2, 4), (3, 4)])
def test_the_view_follows_from_the_sum_alone(corrupt):
    """Exact, over a field of five: real views are distributed as the simulator's, whatever gave the sum."""
    terms = {"m": 4, "t": 3, "prime": 5, "corrupt": corrupt}
    simulated = simulated_views(3, contributors=2, **terms)
    assert frequencies(real_views((1, 2), **terms)) == frequencies(simulated)
    assert frequencies(real_views((4, 4), **terms)) == frequencies(simulated)
    # The twins: another sum, or a sharing of too low a degree, would be seen.
    assert frequencies(real_views((1, 3), **terms)) != frequencies(simulated)
    assert frequencies(real_views((1, 2), free=1, **terms)) != frequencies(simulated)


def explained_otherwise(shares, values, others, corrupt, t):
    """The sharings under which other vectors of the same sum give the very same view.

    Each contributor's polynomial gets one added that is zero for the corrupt and takes its value to the
    other; the last one gets minus all those.
    """
    m = len(shares[0])
    points = [0, *corrupt, *[x for x in range(1, m + 1) if x not in corrupt][: t - 1 - len(corrupt)]]
    generator = np.random.default_rng(5)
    changed, total = [], np.zeros((m, values.shape[1]), dtype=np.int64)
    for k in range(len(shares)):
        difference = encode(others[k] - values[k])
        zeros = [np.zeros_like(difference) for _ in corrupt]
        free = [
            generator.integers(0, MODULUS, len(difference)).astype(np.uint32)
            for _ in points[1 + len(corrupt) :]
        ]
        added = np.array(
            [
                combine(lagrange_coefficients(points, at=x), [difference, *zeros, *free])
                for x in range(1, m + 1)
            ]
        ).astype(np.int64)
        added = -total % MODULUS if k == len(shares) - 1 else added
        total = (total + added) % MODULUS
        changed.append(((shares[k].astype(np.int64) + added) % MODULUS).astype(np.uint32))
    return changed


@pytest.mark.parametrize("corrupt", [(1,), (5,), (1, 2), (2, 5), (1, 4, 5)])
def test_any_other_vectors_of_the_same_sum_explain_a_real_round(corrupt):
    m, t, d = 5, 4, 30
    generator = np.random.default_rng(9)
    values = generator.integers(-1000, 1000, size=(4, d))
    moves = generator.integers(-1000, 1000, size=(4, d))
    others = values + moves - np.roll(moves, 1, axis=0)
    shares = []
    for value in values:
        chosen = [generator.integers(0, MODULUS, d).astype(np.uint32) for _ in range(t - 1)]
        shares.append(np.array([*chosen, *complete_shares(encode(value), chosen, shares=m)]))
    changed = explained_otherwise(shares, values, others, corrupt, t)
    for k in range(4):
        opened = open_shares(dict(enumerate(changed[k], start=1)), threshold=t)
        assert np.array_equal(opened.secret, encode(others[k]))
        assert opened.wrong == frozenset()
        for x in corrupt:
            assert np.array_equal(changed[k][x - 1], shares[k][x - 1])
    assert np.array_equal(answers(changed), answers(shares))
    # The twin: with another sum, the last contributor's new sharing is not one of its vector.
    others[3, 0] += 1
    wrong = explained_otherwise(shares, values, others, corrupt, t)
    opened = open_shares(dict(enumerate(wrong[3], start=1)), threshold=t)
    assert not np.array_equal(opened.secret, encode(others[3]))


def answers(shares):
    return sum(one.astype(np.int64) for one in shares) % MODULUS


def test_the_size_of_a_message_does_not_depend_on_the_vector(made_up_round):
    made_up = made_up_round(dimension=50)
    one = made_up.ids[0]
    shapes = set()
    for vector in (np.zeros(50, dtype=np.int64), np.full(50, -(10**9)), made_up.vector(one)):
        body = made_up.contribution(one, vector).body
        shapes.add((len(body), *(len(box) for box in Contribution.FromString(body).boxes)))
    assert len(shapes) == 1
