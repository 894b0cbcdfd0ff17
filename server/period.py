"""The charter's period as the coordinator's book knows it: from which day enough shops can afford a training.

Every shop holds the charter's epsilon against its own ledger and refuses what goes beyond. Here the same sum
is made from the contributions that came in, so that nobody waits for refusals that are certain.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import date, timedelta

from highstreet.audit.charter import Charter
from highstreet.audit.claims import releases_of
from highstreet.privacy.accountant import PldAccountant
from highstreet.privacy.budget import Budget, fit, window_start
from highstreet.server.errors import ProgrammeRefusedError
from highstreet.server.rounds import required_stores

__all__ = ["refuse_overspending"]

_EPOCH = date(1970, 1, 1)
_SECONDS_A_DAY = 86_400

#: Of one shop: the day by which each round was paid for, and its number in the plan; ascending.
_History = tuple[tuple[int, int], ...]


def refuse_overspending(
    connection: sqlite3.Connection, charter: Charter, participants: Collection[str], *, today: int
) -> None:
    """Return only when enough of the participants can afford a whole training within the charter's epsilon.

    A round counts for a shop from the day its contribution came in, which is no earlier than the day it was
    paid for. What a shop paid for without getting through, under a former id or to another co-op is not known
    here, nor its own limit: it may refuse all the same.

    Args:
        connection: to coop.db.
        charter: the agreement in force.
        participants: member ids of who would be asked.
        today: days since 1970-01-01.

    Raises:
        ProgrammeRefusedError: too few can, with the first day from which enough could.
    """
    histories = _histories(connection, charter, participants)
    budget = Budget(
        epsilon=charter.privacy.epsilon, delta=charter.privacy.delta, period_days=charter.privacy.period_days
    )
    required = required_stores(charter.rounds, members=len(participants))
    able = _able(charter, budget, histories, day=today)
    if able >= required:
        return
    freed = sorted({paid + budget.period_days for history in histories for paid, _ in history})
    later = (day for day in freed if day > today)
    first = next(day for day in later if _able(charter, budget, histories, day=day) >= required)
    raise ProgrammeRefusedError(
        f"Another training would bring customers over the charter's epsilon of {budget.epsilon:g} for any "
        f"{budget.period_days} days: {able} of the {len(participants)} shops that would be asked can take "
        f"part, {required} are required.",
        next_step=f"Ask for it on {_EPOCH + timedelta(days=first)} or later; until then shops refuse.",
    )


def _able(charter: Charter, budget: Budget, histories: Counter[_History], *, day: int) -> int:
    """Return how many shops can afford a whole training on a day; one training fits every charter signed."""
    releases, start = list(releases_of(charter.plan)), window_start(day, budget.period_days)
    past_of: Counter[tuple[int, ...]] = Counter()
    for history, shops in histories.items():
        past_of[tuple(sorted(phase for paid, phase in history if paid >= start))] += shops
    return sum(
        shops
        for past, shops in past_of.items()
        if not past or fit([releases[phase] for phase in past], releases, budget, PldAccountant()).is_within
    )


def _histories(
    connection: sqlite3.Connection, charter: Charter, participants: Collection[str]
) -> Counter[_History]:
    """Return how many participants have each history of contributions under this charter."""
    rows = connection.execute(
        "SELECT member_id, received_at, round FROM replies JOIN programmes USING (programme_id)"
        " WHERE kind = 'training' AND refusal = '' AND charter_sha256 = ? ORDER BY received_at, round",
        (charter.sha256(),),
    )
    of_member: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in rows:
        of_member[row["member_id"]].append((row["received_at"] // _SECONDS_A_DAY, row["round"]))
    return Counter(tuple(of_member[member_id]) for member_id in participants)
