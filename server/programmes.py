"""Programmes as the coordinator's database knows them: asked for, running, finished or failed."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import date, timedelta

from highstreet.audit.charter import Charter
from highstreet.audit.errors import CharterError
from highstreet.audit.sums import refuse_impossible_sum
from highstreet.server.database import transaction
from highstreet.server.errors import ProgrammeRefusedError
from highstreet.server.matched_table import latest_table
from highstreet.server.participants import current_participants
from highstreet.server.period import Spent, refuse_overspending, spent_by

__all__ = [
    "Complaint",
    "Programme",
    "RoundSummary",
    "as_of_day",
    "complaints",
    "latest_of_kind",
    "latest_programme",
    "programme",
    "refuse_second",
    "request_programme",
    "round_summaries",
]

_EPOCH = date(1970, 1, 1)
_SECONDS_A_DAY = 86_400
#: Each but the first is due to somebody who joined, left or vouched while the budget was computed.
_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """One training of the shared model.

    Attributes:
        programme_id: 16 hex digits.
        number: 1, 2, 3, ...; trainings and matchings are numbered together.
        state: requested, running, finished or failed.
        failure: why it failed, for people; empty otherwise.
        requested_at, finished_at: unix seconds; None: not yet.
        as_of_day: its rounds use purchases before this public day, days since 1970-01-01.
        counts_from: id of the matching that its weights are taken from; None: they hang on no matching.
    """

    programme_id: str
    number: int
    state: str
    failure: str
    requested_at: int
    finished_at: int | None
    as_of_day: int
    counts_from: str | None = None

    @property
    def as_of(self) -> date:
        """The day before which purchases count."""
        return _EPOCH + timedelta(days=self.as_of_day)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in {"finished", "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSummary:
    """A round of a programme, open or closed; only what may be shown.

    Attributes:
        round: index of the phase.
        phase: its name.
        opened_at, closed_at: unix seconds; None: still open.
        contributors: number of stores in the sum; None: still open.
        answers: number of committee members whose answers opened or checked the sum; None: still open, or
            held before there was a secure sum.
        wrong: number of answers among them that contradict all others.
        is_checked: whether a single wrong answer would have been noticed.
    """

    round: int
    phase: str
    opened_at: int
    closed_at: int | None
    contributors: int | None
    answers: int | None
    wrong: int | None
    is_checked: bool | None

    @property
    def committee(self) -> str:
        """Say what the committee gave; empty while there is nothing to say."""
        if self.answers is None:
            return ""
        checked = "checked" if self.is_checked else "not checked"
        return f"{self.answers}, {checked}" + (f", {self.wrong} wrong" if self.wrong else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One contribution that members of a round's committee could not use.

    Attributes:
        phase: of the round.
        contributor: whose it was: name and member id.
        complainers: the names of those who could not use it, in order.
        left_out: whether the sum was opened without it, or could not be.
        at_fault: whether more complained than the charter's colluders, so that one of them spoke the truth.
    """

    phase: str
    contributor: str
    complainers: tuple[str, ...]
    left_out: bool
    at_fault: bool


def as_of_day(text: str) -> int:
    """Read a day written YYYY-MM-DD as days since 1970-01-01.

    Raises:
        ProgrammeRefusedError: it is no such day.

    >>> as_of_day("2017-11-19")
    17489
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day < _EPOCH or day.isoformat() != text:
        raise ProgrammeRefusedError(
            f"{text!r} is not a day.", next_step="Write it as YEAR-MONTH-DAY, such as 2026-03-31."
        )
    return (day - _EPOCH).days


def request_programme(
    connection: sqlite3.Connection, charter: Charter, *, now: int, before_day: int | None = None
) -> Programme:
    """Ask for a training; `highstreet coop run` takes it up.

    Args:
        connection: to coop.db.
        charter: the agreement in force.
        now: unix seconds.
        before_day: purchases before this day count, days since 1970-01-01; today when None. Every store is
            told, so it must not depend on anybody's data that is not public.

    Raises:
        ProgrammeRefusedError: one is under way, fewer members than the cohort floor count for each other,
            their sums cannot be taken, the charter's epsilon for its period is used up, the day has not
            come yet, or the charter takes counts and there is no matching to take them from.
    """
    today = now // _SECONDS_A_DAY
    day = today if before_day is None else before_day
    if day > today:
        raise ProgrammeRefusedError(
            f"{_EPOCH + timedelta(days=day)} has not come yet: a training uses purchases that were made.",
            next_step=f"Choose {_EPOCH + timedelta(days=today)} (today by UTC) or an earlier day.",
        )
    programme_id = _insert(connection, charter, now=now, day=day, today=today)
    found = programme(connection, programme_id)
    if found is None:
        raise ProgrammeRefusedError("The programme was not recorded.", next_step="Try again.")
    return found


def _insert(connection: sqlite3.Connection, charter: Charter, *, now: int, day: int, today: int) -> str:
    """Put a training on record once the budget is known to allow it; nobody waits while that is computed."""
    affordable: Spent | None = None
    for _ in range(_TRIES):
        with transaction(connection):
            spent, counts_from = _terms(connection, charter)
            if spent == affordable:
                programme_id = secrets.token_hex(8)
                connection.execute(
                    "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256,"
                    " as_of_day, counts_from) SELECT ?, coalesce(max(number), 0) + 1, ?, 'requested', ?, ?, ?"
                    " FROM programmes",
                    (programme_id, now, charter.sha256(), day, counts_from),
                )
                return programme_id
        refuse_overspending(charter, spent, today=today)
        affordable = spent
    raise ProgrammeRefusedError(
        "Members came, went or vouched all the time that the budget was computed.",
        next_step="Try again in a minute.",
    )


def _terms(connection: sqlite3.Connection, charter: Charter) -> tuple[Spent, str | None]:
    """Return what those who would be asked have spent, and the matching; call it within a transaction."""
    refuse_second(connection)
    chosen = current_participants(connection, charter)
    if not chosen.are_enough:
        raise ProgrammeRefusedError(chosen.shortage, next_step=chosen.next_step)
    try:
        for phase in charter.plan.phases:
            refuse_impossible_sum(phase, charter, participants=len(chosen.member_ids))
    except CharterError as error:
        raise ProgrammeRefusedError(error.what, next_step=error.next_step) from error
    table = latest_table(connection, charter)
    return spent_by(connection, charter, chosen.member_ids), None if table is None else table.matching_id


def refuse_second(connection: sqlite3.Connection) -> None:
    """Return only when nothing is asked for or running; call it within a transaction.

    Raises:
        ProgrammeRefusedError: something is.
    """
    active = connection.execute(
        "SELECT number, state, kind FROM programmes WHERE state IN ('requested', 'running')"
    ).fetchone()
    if active:
        what, command = ("Matching", "match") if active["kind"] == "matching" else ("Programme", "train")
        raise ProgrammeRefusedError(
            f"{what} {active['number']} is {active['state']} already.",
            next_step=f"Watch it with `highstreet coop {command} --wait`, or see `highstreet coop status`.",
        )


def programme(connection: sqlite3.Connection, programme_id: str) -> Programme | None:
    """Return one programme, or None."""
    row = connection.execute("SELECT * FROM programmes WHERE programme_id = ?", (programme_id,)).fetchone()
    return _from_row(row)


def latest_programme(connection: sqlite3.Connection) -> Programme | None:
    """Return the training asked for last, or None."""
    return latest_of_kind(connection, "training")


def latest_of_kind(connection: sqlite3.Connection, kind: str) -> Programme | None:
    """Return the training or the matching asked for last, or None."""
    row = connection.execute(
        "SELECT * FROM programmes WHERE kind = ? ORDER BY number DESC LIMIT 1", (kind,)
    ).fetchone()
    return _from_row(row)


def round_summaries(connection: sqlite3.Connection, programme_id: str) -> list[RoundSummary]:
    """Return a programme's rounds in order, the open one included."""
    rows = connection.execute(
        "SELECT round, phase, opened_at, closed_at, contributors, answers, wrong, is_checked FROM rounds"
        " WHERE programme_id = ? ORDER BY round",
        (programme_id,),
    )
    return [RoundSummary(**dict(row)) for row in rows]


def complaints(connection: sqlite3.Connection, programme_id: str) -> list[Complaint]:
    """Return whose contributions could not be used in a programme's rounds, and who said so."""
    rows = connection.execute(
        "SELECT phase, one.name || ' (' || contributor || ')' AS contributor, other.name AS complainer,"
        " left_out, at_fault FROM complaints JOIN rounds USING (programme_id, round)"
        " JOIN members AS one ON one.member_id = contributor"
        " JOIN members AS other ON other.member_id = complainer"
        " WHERE programme_id = ? ORDER BY round, contributor, complainer",
        (programme_id,),
    )
    found: dict[tuple[str, str, bool, bool], list[str]] = {}
    for row in rows:
        key = (row["phase"], row["contributor"], bool(row["left_out"]), bool(row["at_fault"]))
        found.setdefault(key, []).append(row["complainer"])
    return [
        Complaint(
            phase=phase,
            contributor=contributor,
            complainers=tuple(names),
            left_out=left_out,
            at_fault=at_fault,
        )
        for (phase, contributor, left_out, at_fault), names in found.items()
    ]


def _from_row(row: sqlite3.Row | None) -> Programme | None:
    return None if row is None else Programme(**{name: row[name] for name in Programme.__dataclass_fields__})
