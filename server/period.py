"""The charter's period as the coordinator's book knows it: from which day enough shops can afford a training.

Every shop holds the charter's epsilon against its own ledger and refuses what goes beyond. Here the same sum
is made from the contributions that came in, so that nobody waits for refusals that are certain.
"""

from __future__ import annotations

import math
import sqlite3
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from highstreet.audit.charter import Charter
from highstreet.audit.claims import releases_of
from highstreet.privacy.accountant import PldAccountant
from highstreet.privacy.budget import Budget, fit, window_start
from highstreet.privacy.releases import GaussianRelease
from highstreet.server.errors import ProgrammeRefusedError
from highstreet.server.rounds import required_stores

__all__ = ["Spent", "refuse_overspending", "spent_by"]

_EPOCH = date(1970, 1, 1)
_SECONDS_A_DAY = 86_400

#: Of one shop: the day by which each round was paid for, and its number in the plan; ascending.
_History = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """All that an answer about a day hangs on; equal as long as nothing came in.

    Attributes:
        histories: how many participants have each history of contributions under the charter.
    """

    histories: Counter[_History]

    @property
    def shops(self) -> int:
        """How many participants there are."""
        return self.histories.total()


def spent_by(connection: sqlite3.Connection, charter: Charter, participants: Collection[str]) -> Spent:
    """Return what the participants contributed under this charter, as coop.db has it; quick to read."""
    rows = connection.execute(
        "SELECT member_id, received_at, round FROM replies JOIN programmes USING (programme_id)"
        " WHERE kind = 'training' AND refusal = '' AND charter_sha256 = ? ORDER BY received_at, round",
        (charter.sha256(),),
    )
    of_member: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in rows:
        of_member[row["member_id"]].append((row["received_at"] // _SECONDS_A_DAY, row["round"]))
    return Spent(histories=Counter(tuple(of_member[member_id]) for member_id in participants))


def refuse_overspending(charter: Charter, spent: Spent, *, today: int) -> None:
    """Return only when enough of the participants can afford a whole training within the charter's epsilon.

    A round counts for a shop from the day its contribution came in, which is no earlier than the day it was
    paid for. What a shop paid for without getting through, under a former id or to another co-op is not known
    here, nor its own limit: it may refuse all the same.

    Losses are computed for this, each of which takes a while: hold no lock. There are few of them: by halves,
    since who can afford a training with one past can with any that costs less, and whoever can on one day can
    on every later one.

    Args:
        charter: the agreement in force.
        spent: by who would be asked.
        today: days since 1970-01-01.

    Raises:
        ProgrammeRefusedError: too few can, with the first day from which enough could.
    """
    budget = Budget(
        epsilon=charter.privacy.epsilon, delta=charter.privacy.delta, period_days=charter.privacy.period_days
    )
    required = required_stores(charter.rounds, members=spent.shops)
    known = _Affordable(new=tuple(releases_of(charter.plan)), budget=budget)
    able = _able(known, spent, day=today)
    if able >= required:
        return
    freed = sorted({paid + budget.period_days for history in spent.histories for paid, _ in history})
    later = [day for day in freed if day > today]
    first = bisect_left(later, True, key=lambda day: _able(known, spent, day=day) >= required)
    raise ProgrammeRefusedError(
        f"Another training would bring customers over the charter's epsilon of {budget.epsilon:g} for any "
        f"{budget.period_days} days: {able} of the {spent.shops} shops that would be asked can take "
        f"part, {required} are required.",
        next_step=f"Ask for it on {_EPOCH + timedelta(days=later[first])} or later; until then shops refuse.",
    )


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a past costs, so far as it can be said which of two costs more without computing a loss.

    Attributes:
        mu_squared: of the releases that are not sampled: sums of a Gaussian compose to one, exactly, whose
            loss grows with the sum of 1 / noise multiplier^2 (Dong, Roth and Su, 2022, corollary 3.3).
        sampled: the others, which are compared one by one only.
    """

    mu_squared: float
    sampled: Counter[GaussianRelease] = field(default_factory=Counter)

    @classmethod
    def of(cls, past: Collection[GaussianRelease]) -> _Cost:
        whole = (each for each in past if each.sampling_rate == 1)
        terms = (
            math.inf if each.noise_multiplier == 0 else each.steps / each.noise_multiplier**2
            for each in whole
        )
        return cls(math.fsum(terms), Counter(each for each in past if each.sampling_rate < 1))

    def is_at_most(self, other: _Cost) -> bool:
        return self.mu_squared <= other.mu_squared and self.sampled <= other.sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class _Affordable:
    """Which pasts leave room for a whole training; a loss is computed where no known one tells."""

    new: tuple[GaussianRelease, ...]
    budget: Budget
    within: list[_Cost] = field(default_factory=list)
    over: list[_Cost] = field(default_factory=list)

    def after(self, past: Sequence[int]) -> bool:
        """Say it of a past, by the numbers of its phases; one training fits every charter signed."""
        if not past:
            return True
        releases = [self.new[phase] for phase in past]
        cost = _Cost.of(releases)
        if any(cost.is_at_most(known) for known in self.within):
            return True
        if any(known.is_at_most(cost) for known in self.over):
            return False
        is_within = fit(releases, self.new, self.budget, PldAccountant()).is_within
        (self.within if is_within else self.over).append(cost)
        return is_within

    def cost(self, past: Sequence[int]) -> tuple[int, float]:
        """Return what sorts pasts: none comes before one that costs less."""
        cost = _Cost.of([self.new[phase] for phase in past])
        return cost.sampled.total(), cost.mu_squared


def _able(known: _Affordable, spent: Spent, *, day: int) -> int:
    """Return how many shops can afford a whole training on a day."""
    start = window_start(day, known.budget.period_days)
    past_of: Counter[tuple[int, ...]] = Counter()
    for history, shops in spent.histories.items():
        past_of[tuple(sorted(phase for paid, phase in history if paid >= start))] += shops
    return sum(past_of[past] for past in _middle_first(sorted(past_of, key=known.cost)) if known.after(past))


def _middle_first(pasts: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Yield all, the middle one before each half: what is known of it tells of one of them."""
    if pasts:
        middle = len(pasts) // 2
        yield pasts[middle]
        yield from _middle_first(pasts[:middle])
        yield from _middle_first(pasts[middle + 1 :])
