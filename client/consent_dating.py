"""Dating: when something that a customer says at this moment is said, by a clock that may be wrong."""

from __future__ import annotations

from highstreet.audit.consent import Act, Purpose
from highstreet.audit.consent_states import CLOCK_TOLERANCE_MICROSECONDS, ConsentStates
from highstreet.client.errors import ClockSetBackError

__all__ = ["date_answer"]


def date_answer(states: ConsentStates, customer: int, purpose: Purpose, act: Act, *, now: int) -> int:
    """Return when something said just now was said.

    A no is dated no earlier than any answer it could end. A yes comes after each, so that it counts, and is
    dated no later than the clock's tolerance.

    Args:
        states: of the whole log.
        customer: row key.
        purpose: what it is about.
        act: what was said.
        now: microseconds since 1970-01-01 UTC.

    Raises:
        ClockSetBackError: a yes while the clock is before an answer this customer gave earlier.
    """
    if act is Act.ASKED:
        return now
    said = [moment for moment in (states.latest(customer, purpose),) if moment is not None]
    if act is not Act.GIVEN:
        return max([now, *said])
    ended = states.latest_end(purpose)
    earlier = max(said if ended is None else [*said, ended], default=None)
    if earlier is None:
        return now
    if now < earlier - CLOCK_TOLERANCE_MICROSECONDS:
        raise ClockSetBackError(
            "This computer's clock is earlier than this customer's last answer; a yes cannot be dated.",
            next_step="Set the clock right, then run the command again.",
        )
    return max(now, earlier + 1)
