"""Intake of consent events that came with dates of their own: from files and signals, once each."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace

from highstreet.audit.consent import LAST_MOMENT, MAX_SOURCE_CHARACTERS, Act, ConsentEvent
from highstreet.audit.consent_states import CLOCK_TOLERANCE_MICROSECONDS
from highstreet.client.errors import AnswerRefusedError

__all__ = ["check_showable", "event_number", "fresh_events"]

_PLAIN_NOES = frozenset({Act.REFUSED, Act.WITHDRAWN})


def event_number() -> str:
    """Return what an event is called by, drawn at random."""
    return secrets.token_hex(16)


def check_showable(event: ConsentEvent) -> None:
    """Refuse an event that no receipt could show: it stays in the log, and no receipt could be made again.

    Raises:
        AnswerRefusedError: its source is empty or too long, or its end is beyond the year 9999.
    """
    if not (event.source.strip() and len(event.source) <= MAX_SOURCE_CHARACTERS):
        raise AnswerRefusedError(
            f"Where a customer said it takes 1 to {MAX_SOURCE_CHARACTERS} characters.",
            next_step="Name the place in a few words, such as: till.",
        )
    if event.valid_until is not None and not 0 <= event.valid_until <= LAST_MOMENT:
        raise AnswerRefusedError(
            "A yes cannot end after the year 9999.",
            next_step="Give fewer days, or none for a yes without an end.",
        )


def fresh_events(
    connection: sqlite3.Connection, events: Iterable[ConsentEvent], *, now: int
) -> Iterator[ConsentEvent]:
    """Yield what is not in the log yet, of events with dates of their own; each is added before the next.

    A no that comes while a yes of that customer is dated later than now (the clock was ahead then) gets at
    least its date. A yes from the future is not taken, nor one of so long ago that what was said then is
    forgotten (`ConsentDesk.forget_old`): a withdrawal may be among that.

    Args:
        connection: of the vault, in a transaction that holds the write lock.
        events: in the order to be added in.
        now: microseconds since 1970-01-01 UTC.
    """
    (forgotten,) = connection.execute("SELECT forgotten_before FROM consent_anchor").fetchone()
    for event in events:
        about = (event.customer, event.purpose.value)
        at = event.at
        is_forgotten = forgotten is not None and at < forgotten
        if event.act is Act.GIVEN and (is_forgotten or at > now + CLOCK_TOLERANCE_MICROSECONDS):
            continue
        if event.act.is_no or event.act.is_lapse:
            (ahead,) = connection.execute(
                'SELECT max("at") FROM consents WHERE customer = ? AND purpose = ? AND "at" > ?'
                " AND act = 'given'",
                (*about, now),
            ).fetchone()
            at = at if ahead is None else max(at, int(ahead))
        alike = connection.execute(
            'SELECT act, valid_until FROM consents WHERE customer = ? AND purpose = ? AND "at" = ?'
            " AND channel = ?",
            (*about, at, event.channel.value),
        )
        if not any(_is_said_by(Act(act), valid_until, event) for act, valid_until in alike):
            yield event if at == event.at else replace(event, at=at)


def _is_said_by(act: Act, valid_until: int | None, event: ConsentEvent) -> bool:
    """Whether an entry of the same moment says all that an event does.

    Files do not tell a first no from a later one. Of two yeses the one that ends first counts, so one that
    ends before what is known is news.
    """
    if event.act is Act.GIVEN:
        ends = event.valid_until
        return act is Act.GIVEN and (ends is None or (valid_until is not None and valid_until <= ends))
    return act is event.act or {act, event.act} <= _PLAIN_NOES
