"""Consent decisions: which customers agreed to which purpose, derived from an append-only log of answers.

Purposes are apart: a yes to one says nothing about another. Each is off until the customer said yes. The
latest answer counts, and at the same instant a withdrawal beats a grant. Whatever cannot be read is
refused, not skipped: a skipped entry could be a withdrawal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from highstreet.audit.errors import InconsistentConsentLogError, UnknownPurposeError

__all__ = ["Answer", "ConsentCount", "ConsentEvent", "ConsentState", "Purpose", "consent_states", "read_log"]


class Purpose(StrEnum):
    """What a customer can agree to, each for itself."""

    SUGGESTIONS_HERE = "suggestions_here"
    SHOP_MODEL = "shop_model"
    COOP_LEARNING = "coop_learning"
    EMAIL_MARKETING = "email_marketing"
    MATCHING = "matching"

    @classmethod
    def parse(cls, text: str) -> Purpose:
        """Return the purpose of that name.

        Raises:
            UnknownPurposeError: there is none of that name.
        """
        try:
            return cls(text.strip().casefold().replace("-", "_"))
        except ValueError as error:
            raise UnknownPurposeError(
                "There is no purpose of that name that a customer could agree to.",
                next_step=f"Purposes are: {', '.join(cls)}.",
            ) from error

    @property
    def plain_words(self) -> str:
        """The purpose as an owner would say it."""
        return _PLAIN_WORDS[self]


_PLAIN_WORDS = {
    Purpose.SUGGESTIONS_HERE: "personal suggestions in this shop",
    Purpose.SHOP_MODEL: "training this shop's own model",
    Purpose.COOP_LEARNING: "learning together with the co-op",
    Purpose.EMAIL_MARKETING: "offers by e-mail",
    Purpose.MATCHING: "counting at how many of our co-op's shops you shop",
}


class Answer(StrEnum):
    """One answer to one purpose. A first "no" is a withdrawal like any later one."""

    GRANT = "grant"
    WITHDRAWAL = "withdrawal"


class ConsentState(StrEnum):
    """What follows from a customer's answers to one purpose."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEvent:
    """One line of the consent log.

    Attributes:
        position: place in the log, 1, 2, 3 ... without gaps.
        customer: opaque row key of the customer.
        purpose: what was asked.
        answer: what was said.
        recorded_at: when, in microseconds since 1970-01-01 UTC.
    """

    position: int
    customer: int
    purpose: Purpose
    answer: Answer
    recorded_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentCount:
    """How many customers stand where, for one purpose."""

    granted: int
    withdrawn: int
    not_asked: int


def read_log(rows: Iterable[Sequence[object]]) -> tuple[ConsentEvent, ...]:
    """Turn raw log rows (position, customer, purpose, answer, recorded_at) into events, in order.

    Raises:
        InconsistentConsentLogError: a position is missing or repeated, or a value has no meaning here.
    """
    events = []
    for expected, row in enumerate(rows, start=1):
        try:
            position, customer, purpose, answer, recorded_at = row
            event = ConsentEvent(
                position=_whole(position),
                customer=_whole(customer),
                purpose=Purpose(str(purpose)),
                answer=Answer(str(answer)),
                recorded_at=_whole(recorded_at),
            )
        except ValueError as error:
            raise _inconsistent(f"entry {expected} cannot be read") from error
        if event.position != expected:
            raise _inconsistent(f"entry {expected} is missing")
        events.append(event)
    return tuple(events)


def consent_states(events: Iterable[ConsentEvent], *, purpose: Purpose) -> dict[int, ConsentState]:
    """Return where each customer who ever answered stands on one purpose; all others were not asked.

    The latest `recorded_at` counts, whatever the order in the log (an old file may be imported late); of
    several at that instant one withdrawal is enough.
    """
    latest: dict[int, tuple[int, bool]] = {}
    for event in events:
        if event.purpose is not purpose:
            continue
        withdrawn = event.answer is Answer.WITHDRAWAL
        said = (event.recorded_at, withdrawn)
        if said > latest.get(event.customer, (-(2**63), False)):
            latest[event.customer] = said
    return {
        customer: ConsentState.WITHDRAWN if withdrawn else ConsentState.GRANTED
        for customer, (_, withdrawn) in latest.items()
    }


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a whole number")
    return value


def _inconsistent(fact: str) -> InconsistentConsentLogError:
    return InconsistentConsentLogError(
        f"The consent log cannot be relied on: {fact}.",
        next_step="Nobody's data is used until the shop's data is put back from a good copy.",
    )
