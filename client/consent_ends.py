"""Ends of consents that nobody says: a yes ran out, all are asked again, an answer is too old to keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from highstreet.audit.consent import (
    EVERYBODY,
    Act,
    Channel,
    ConsentEvent,
    ConsentState,
    Method,
    Purpose,
)
from highstreet.audit.consent_states import ConsentStates, ConsentTime
from highstreet.client.consent_intake import event_number

__all__ = ["end_for_everybody", "ran_out", "who_is_old"]


def ran_out(states: ConsentStates, moment: ConsentTime) -> Iterator[ConsentEvent]:
    """Yield the event of each yes that ran out by the clock and of which the log does not say so yet."""
    for purpose in Purpose:
        for customer in states.customers(purpose):
            for channel, at in states.unwritten_ends(customer, purpose, moment):
                yield ConsentEvent(
                    event_id=event_number(),
                    customer=customer,
                    purpose=purpose,
                    channel=channel,
                    act=Act.EXPIRED,
                    at=at,
                    method=Method.RULE,
                    source="ran out",
                )


def end_for_everybody(purpose: Purpose, *, at: int, source: str) -> ConsentEvent:
    """Return the event that ends everybody's yes to a purpose."""
    return ConsentEvent(
        event_id=event_number(),
        customer=EVERYBODY,
        purpose=purpose,
        channel=Channel.EVERYWHERE,
        act=Act.RECONSENT_NEEDED,
        at=at,
        method=Method.RULE,
        source=source,
    )


def who_is_old(
    states: ConsentStates, customers: Iterable[int], oldest: int, moment: ConsentTime
) -> list[int]:
    """Return who of them said nothing since that moment, and no yes or objection of whom counts."""
    return [customer for customer in customers if _is_old(states, customer, oldest, moment)]


def _is_old(states: ConsentStates, customer: int, oldest: int, moment: ConsentTime) -> bool:
    said = [states.latest(customer, purpose) for purpose in Purpose]
    return all(each is None or each < oldest for each in said) and not any(
        states.state(customer, purpose, channel, moment) in {ConsentState.GRANTED, ConsentState.OBJECTED}
        for purpose in Purpose
        for channel in Channel
    )
