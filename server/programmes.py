"""Programmes as the coordinator's database knows them: asked for, running, finished or failed."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass

from highstreet.audit.charter import Charter
from highstreet.server.database import transaction
from highstreet.server.errors import ProgrammeRefusedError
from highstreet.server.membership import current_members

__all__ = [
    "Programme",
    "RoundSummary",
    "latest_programme",
    "programme",
    "request_programme",
    "round_summaries",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """One training of the shared model.

    Attributes:
        programme_id: 16 hex digits.
        number: 1, 2, 3, ...
        state: requested, running, finished or failed.
        failure: why it failed, for people; empty otherwise.
        requested_at, finished_at: unix seconds; None: not yet.
    """

    programme_id: str
    number: int
    state: str
    failure: str
    requested_at: int
    finished_at: int | None

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
    """

    round: int
    phase: str
    opened_at: int
    closed_at: int | None
    contributors: int | None


def request_programme(connection: sqlite3.Connection, charter: Charter, *, now: int) -> Programme:
    """Ask for a training; `highstreet coop run` takes it up.

    Raises:
        ProgrammeRefusedError: one is under way, or there are fewer members than the cohort floor.
    """
    floor = charter.rounds.cohort_floor
    with transaction(connection):
        active = connection.execute(
            "SELECT number, state FROM programmes WHERE state IN ('requested', 'running')"
        ).fetchone()
        if active:
            raise ProgrammeRefusedError(
                f"Programme {active['number']} is {active['state']} already.",
                next_step="Watch it with `highstreet coop train --wait`, or see `highstreet coop status`.",
            )
        members = len(current_members(connection))
        if members < floor:
            raise ProgrammeRefusedError(
                f"The charter wants at least {floor} stores in a round; the co-op has {members}.",
                next_step="Invite more with `highstreet coop invite NAME`.",
            )
        programme_id = secrets.token_hex(8)
        connection.execute(
            "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256)"
            " SELECT ?, coalesce(max(number), 0) + 1, ?, 'requested', ? FROM programmes",
            (programme_id, now, charter.sha256()),
        )
    found = programme(connection, programme_id)
    if found is None:
        raise ProgrammeRefusedError("The programme was not recorded.", next_step="Try again.")
    return found


def programme(connection: sqlite3.Connection, programme_id: str) -> Programme | None:
    """Return one programme, or None."""
    row = connection.execute("SELECT * FROM programmes WHERE programme_id = ?", (programme_id,)).fetchone()
    return _from_row(row)


def latest_programme(connection: sqlite3.Connection) -> Programme | None:
    """Return the programme asked for last, or None."""
    row = connection.execute("SELECT * FROM programmes ORDER BY number DESC LIMIT 1").fetchone()
    return _from_row(row)


def round_summaries(connection: sqlite3.Connection, programme_id: str) -> list[RoundSummary]:
    """Return a programme's rounds in order, the open one included."""
    rows = connection.execute(
        "SELECT round, phase, opened_at, closed_at, contributors FROM rounds WHERE programme_id = ?"
        " ORDER BY round",
        (programme_id,),
    )
    return [RoundSummary(**dict(row)) for row in rows]


def _from_row(row: sqlite3.Row | None) -> Programme | None:
    return None if row is None else Programme(**{name: row[name] for name in Programme.__dataclass_fields__})
