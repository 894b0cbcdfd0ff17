"""What a coordinator and c members can work out when different members are asked about different sets.

With agreements, an honest member answers for a set that t members agreed to, and for no other than it agreed
to itself; without, for the one it is told of.

The view is linear in the contributors' polynomials, so what it determines can be computed exactly: the
weights w for which the sum of w_j v_j follows from it. The field and the positions are the real ones.
"""

from __future__ import annotations

import itertools
import random

import pytest

from highstreet.privacy.secure_sum import CommitteeTerms
from highstreet.privacy.secure_sum.field import MODULUS


def threshold(m, c):
    return CommitteeTerms(committee_size=9, colluders=c, floor=9).threshold(m)


def majority(m, c):
    return m // 2 + 1


SIZES = [(m, c) for m in range(3, 10) for c in range(m)]


def some_split_opens_two_sets(m, c, t):
    """Every honest member answers one of two sets or none; the colluders answer both."""
    splits = ((first, second) for first in range(m - c + 1) for second in range(m - c - first + 1))
    return any(first + c >= t and second + c >= t for first, second in splits)


def test_no_split_of_the_honest_members_opens_two_sets():
    assert not any(some_split_opens_two_sets(m, c, threshold(m, c)) for m, c in SIZES)


def test_the_split_test_sees_a_plain_majority_fail():
    failing = {(m, c) for m, c in SIZES if some_split_opens_two_sets(m, c, majority(m, c))}
    # One colluder is enough when m is odd, two always.
    assert failing == {(m, c) for m, c in SIZES if c >= 2 or (c == 1 and m % 2 == 1)}


def null_space(rows, width):
    """A basis of the vectors that every row is orthogonal to, over the field."""
    rows, pivots = [row[:] for row in rows], []
    for column in range(width):
        done = len(pivots)
        pivot = next((k for k in range(done, len(rows)) if rows[k][column]), None)
        if pivot is None:
            continue
        rows[done], rows[pivot] = rows[pivot], rows[done]
        inverse = pow(rows[done][column], -1, MODULUS)
        rows[done] = [value * inverse % MODULUS for value in rows[done]]
        for k, row in enumerate(rows):
            if k != done and row[column]:
                rows[k] = [(x - row[column] * y) % MODULUS for x, y in zip(row, rows[done], strict=True)]
        pivots.append(column)
    basis = []
    for free in set(range(width)) - set(pivots):
        vector = [0] * width
        vector[free] = 1
        for k, column in enumerate(pivots):
            vector[column] = -rows[k][free] % MODULUS
        basis.append(vector)
    return basis


def learnable_weights(t, colluders, answered, contributors):
    """The weights w, as a spanning list, for which the view gives the sum of w_j v_j.

    Args:
        colluders: positions whose shares are known one by one.
        answered: honest position -> the set of contributors it added up.
    """
    honest = sorted(answered)
    width = len(honest) + len(contributors) * (len(colluders) + 1)
    rows = []
    for j, contributor in enumerate(contributors):
        own = len(honest) + j * (len(colluders) + 1)
        for power in range(t):
            row = [0] * width
            for k, x in enumerate(honest):
                row[k] = pow(x, power, MODULUS) if contributor in answered[x] else 0
            for k, x in enumerate(colluders):
                row[own + k] = pow(x, power, MODULUS)
            row[own + len(colluders)] = -1 if power == 0 else 0
            rows.append([value % MODULUS for value in row])
    at = [len(honest) + (j + 1) * (len(colluders) + 1) - 1 for j in range(len(contributors))]
    weights = [tuple(vector[k] for k in at) for vector in null_space(rows, width)]
    return [weight for weight in weights if any(weight)]


def multiple(one, other):
    return all(
        (a * d - b * c) % MODULUS == 0
        for (a, c), (b, d) in itertools.combinations(zip(one, other, strict=True), 2)
    )


def learns_more_than_one_announced_sum(t, colluders, answered, contributors):
    learnt = learnable_weights(t, colluders, answered, contributors)
    if not learnt:
        return False
    sums = {tuple(int(one in announced) for one in contributors) for announced in answered.values()}
    return not any(
        all(multiple(weight, announced) for weight in learnt) for announced in sums if any(announced)
    )


def tellings(honest):
    """Without agreements: each honest member is told of i alone, of j alone, of both, or of nothing."""
    sets = [frozenset("i"), frozenset("j"), frozenset("ij"), None]
    for told in itertools.product(sets, repeat=len(honest)):
        answered = {x: announced for x, announced in zip(honest, told, strict=True) if announced}
        if answered:
            yield answered


def agreed_answers(honest, c, q):
    """With agreements of q members: every way in which the honest may answer for the same sets.

    Each agrees to one set or none; the colluders agree to all. A set that q members agreed to is answered by
    any who agreed to it or to nothing.
    """
    sets = [frozenset("i"), frozenset("j"), frozenset("ij")]
    ways = set()
    for told in itertools.product([*sets, None], repeat=len(honest)):
        agreed = [one for one in sets if told.count(one) + c >= q]
        may = [[None, *(one for one in agreed if own in (None, one))] for own in told]
        ways.update(itertools.product(*may))
    for way in ways:
        answered = {x: announced for x, announced in zip(honest, way, strict=True) if announced}
        if answered:
            yield answered


def leaking(m, c, t, q=None):
    """Answers that give away more than one announced sum of two groups i and j, or None.

    Every choice of colluders and everything they may ask; without agreements when q is None.
    """
    for colluders in itertools.combinations(range(1, m + 1), c):
        honest = [x for x in range(1, m + 1) if x not in colluders]
        for answered in tellings(honest) if q is None else agreed_answers(honest, c, q):
            if learns_more_than_one_announced_sum(t, colluders, answered, "ij"):
                return colluders, answered
    return None


@pytest.mark.parametrize(("m", "c"), [(m, c) for m, c in SIZES if m <= 6])
def test_with_agreements_one_announced_sum_is_learnt_at_most(m, c):
    """Exhaustive: every choice of colluders, every set proposed to every honest member, at both stages."""
    assert leaking(m, c, threshold(m, c), q=threshold(m, c)) is None


def three_sets_leak(m, c):
    return 3 * threshold(m, c) <= 2 * m + c


@pytest.mark.parametrize(("m", "c"), [(m, c) for m, c in SIZES if m <= 7 and three_sets_leak(m, c)])
def test_without_agreements_sets_that_nobody_can_open_give_away_a_mixture(m, c):
    """The twins: members that skip the agreements, and members content with one honest agreement."""
    assert leaking(m, c, threshold(m, c)) is not None
    assert leaking(m, c, threshold(m, c), q=c + 1) is not None


@pytest.mark.parametrize(("m", "c"), [(m, c) for m, c in SIZES if m <= 5 and not three_sets_leak(m, c)])
def test_without_agreements_three_t_over_two_m_plus_c_would_be_needed(m, c):
    assert leaking(m, c, threshold(m, c)) is None


def test_the_leak_of_three_sets_by_hand():
    """m = 4, c = 1, t = 3: members 2, 3, 4 told of i, of j, of both: two answers each of the three needed.

    With the colluder at 1, every parabola has 3 f(0) = 8 f(1) - 6 f(2) + f(4) and f(0) = 2 f(1) - 2 f(3) +
    f(4), so 3 F_i(0) + F_j(0) = 8 F_i(1) + 2 F_j(1) - 6 F_i(2) - 2 F_j(3) + (F_i + F_j)(4): all known.
    """
    answered = {2: frozenset("i"), 3: frozenset("j"), 4: frozenset("ij")}
    learnt = learnable_weights(3, (1,), answered, "ij")
    assert len(learnt) == 1
    assert multiple(learnt[0], (3, 1))


def campaign(generator):
    """Sets of four contributors proposed to the honest members of any committee, who answer what they may.

    Returns:
        t, the colluders, what the honest answer with agreements, and what they were told.
    """
    m = generator.randint(3, 9)
    c = generator.randint(0, m - 1)
    t = threshold(m, c)
    positions = generator.sample(range(1, m + 1), m)
    one, other = (frozenset(generator.sample("hijk", generator.randint(1, 3))) for _ in range(2))
    sets = [one, other, one | other, frozenset(generator.sample("hijk", generator.randint(1, 4)))]
    weights = generator.choice([(1, 1, 1, 1, 1), (8, 1, 1, 1, 4)])
    told = {x: generator.choices([*sets, None], weights)[0] for x in positions[c:]}
    agreed = [one for one in sets if sum(own == one for own in told.values()) + c >= t]
    answered = {}
    for x, own in told.items():
        choices = [one for one in agreed if own in (None, one)]
        if choices and generator.random() < 0.9:
            answered[x] = generator.choice(choices)
    return t, sorted(positions[:c]), answered, {x: own for x, own in told.items() if own}


def test_whatever_is_proposed_to_whom_one_announced_sum_is_learnt_at_most():
    generator = random.Random(11)  # noqa: S311 - reproducible cases
    campaigns = [campaign(generator) for _ in range(2000)]
    learnt = 0
    for t, colluders, answered, _ in campaigns:
        if answered:
            assert not learns_more_than_one_announced_sum(t, colluders, answered, "hijk")
            learnt += bool(learnable_weights(t, colluders, answered, "hijk"))
    assert learnt > 200  # sums are opened, the test is not one of silence
    # The twin: told the same, members that skip the agreements give away more.
    assert any(
        learns_more_than_one_announced_sum(t, colluders, told, "hijk") for t, colluders, _, told in campaigns
    )


def test_one_set_told_to_all_gives_its_sum_and_only_that():
    for m, c in SIZES:
        colluders = range(1, c + 1)
        answered = {x: frozenset("ij") for x in range(c + 1, m + 1)}
        learnt = learnable_weights(threshold(m, c), colluders, answered, "ijk")
        assert len(learnt) == 1
        assert multiple(learnt[0], (1, 1, 0))
