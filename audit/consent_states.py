"""Consent states: where everybody stands, folded from the consent log one event after the other.

The rules, for a purpose on a channel:

- An event on `everywhere` and one on the channel itself cover it. Of those the latest `at` counts, whatever
  the order in the log (an old file may be imported late); at one instant any no beats any yes, and the yes
  that ends first beats the others.
- To be asked changes nothing for who has answered.
- A yes dated later than the clock is not relied on until the clock is there. A no always is, and so is a
  lapse.
- A yes ends at its `valid_until`, or earlier where the shop's own longest validity says so: by the clock,
  whether or not an `expired` event was ever written.
- An event about everybody ends every yes dated no later than it, and every yes that stands before it in the
  log whatever its date: that one may have been said under a clock that was ahead.
- `everywhere` itself is granted only where no channel says otherwise: the strictest of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from highstreet.audit.consent import EVERYBODY, Act, Channel, ConsentEvent, ConsentState, Purpose

__all__ = ["CLOCK_TOLERANCE_MICROSECONDS", "ConsentStates", "ConsentTime"]

#: By how much a yes may be dated after a shop's clock: clocks that are corrected step back by less.
CLOCK_TOLERANCE_MICROSECONDS = 10_000_000

_NEVER = -(2**63)
_FOREVER = 2**63
_OF_ACTS = {
    Act.REFUSED: ConsentState.REFUSED,
    Act.WITHDRAWN: ConsentState.WITHDRAWN,
    Act.OBJECTED: ConsentState.OBJECTED,
    Act.EXPIRED: ConsentState.EXPIRED,
    Act.RECONSENT_NEEDED: ConsentState.RECONSENT_NEEDED,
}
#: From the strictest down: what `everywhere` is when channels differ.
_STRICTNESS = (
    ConsentState.OBJECTED,
    ConsentState.WITHDRAWN,
    ConsentState.REFUSED,
    ConsentState.EXPIRED,
    ConsentState.RECONSENT_NEEDED,
    ConsentState.ASKED,
    ConsentState.NOT_ASKED,
    ConsentState.GRANTED,
)
_RANK = {state: -place for place, state in enumerate(_STRICTNESS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentTime:
    """The moment that states are derived for.

    Attributes:
        now: microseconds since 1970-01-01 UTC.
        tolerance: by how much a yes may be dated after that: clocks that are corrected step back so far.
        longest_validity: how long any yes lasts at most; None for as long as it says itself.
    """

    now: int
    tolerance: int = 0
    longest_validity: int | None = None


class _Answer(NamedTuple):
    """What the entries say of a channel, when that ends by the clock, and when it was said."""

    state: ConsentState
    ends: int = _FOREVER
    at: int = _NEVER


@dataclass(slots=True)
class _Track:
    """What one customer said about one purpose on one channel; `grants` are (at, position, valid_until)."""

    is_asked: bool = False
    no: tuple[int, int] = (_NEVER, 0)
    no_state: ConsentState = ConsentState.NOT_ASKED
    lapse: tuple[int, int] = (_NEVER, 0)
    lapse_state: ConsentState = ConsentState.NOT_ASKED
    grants: list[tuple[int, int, int]] = field(default_factory=list)


class ConsentStates:
    """The fold of a log up to some entry. Adding an entry costs the same however long the log is.

    Nothing here is a record of its own: it is thrown away with the process and folded again from the log.
    """

    def __init__(self) -> None:
        self._tracks: dict[Purpose, dict[int, dict[Channel, _Track]]] = {purpose: {} for purpose in Purpose}
        self._ends: dict[Purpose, tuple[int, int]] = {}

    def take(self, position: int, event: ConsentEvent) -> None:
        """Fold in one entry of the log."""
        if event.customer == EVERYBODY:
            at, place = self._ends.get(event.purpose, (_NEVER, 0))
            self._ends[event.purpose] = (max(at, event.at), max(place, position))
            return
        channels = self._tracks[event.purpose].setdefault(event.customer, {})
        track = channels.get(event.channel)
        if track is None:
            track = channels[event.channel] = _Track()
        if event.act is Act.ASKED:
            track.is_asked = True
        elif event.act is Act.GIVEN:
            if event.at > track.no[0]:
                track.grants.append((event.at, position, _ends_at(event)))
        elif event.act.is_no:
            said = (event.at, _RANK[_OF_ACTS[event.act]])
            if said > track.no:
                track.no, track.no_state = said, _OF_ACTS[event.act]
                track.grants = [grant for grant in track.grants if grant[0] > event.at]
        else:
            said = (event.at, _RANK[_OF_ACTS[event.act]])
            if said > track.lapse:
                track.lapse, track.lapse_state = said, _OF_ACTS[event.act]

    def customers(self, purpose: Purpose) -> Iterator[int]:
        """Yield everybody of whom the log says anything about a purpose."""
        return iter(self._tracks[purpose])

    def everybody(self) -> frozenset[int]:
        """Return everybody of whom the log says anything."""
        return frozenset().union(*self._tracks.values())

    def latest(self, customer: int, purpose: Purpose) -> int | None:
        """Return the latest moment of a yes, a no or a lapse of one customer, on whatever channel."""
        moments = [
            moment
            for track in self._tracks[purpose].get(customer, {}).values()
            for moment in (track.no[0], track.lapse[0], *(grant[0] for grant in track.grants))
            if moment != _NEVER
        ]
        return max(moments, default=None)

    def latest_end(self, purpose: Purpose) -> int | None:
        """Return when everybody's yes to a purpose was last ended; None when it never was."""
        return self._ends[purpose][0] if purpose in self._ends else None

    def state(self, customer: int, purpose: Purpose, channel: Channel, time: ConsentTime) -> ConsentState:
        """Return where a customer stands on a purpose on a channel at a moment."""
        channels = self._tracks[purpose].get(customer)
        if channels is None:
            return ConsentState.NOT_ASKED
        if channel is not Channel.EVERYWHERE:
            return self._covered(channels, purpose, channel, time)
        return max(
            (self._covered(channels, purpose, each, time) for each in (Channel.EVERYWHERE, *channels)),
            key=_RANK.__getitem__,
        )

    def granted(self, purpose: Purpose, channel: Channel, time: ConsentTime) -> frozenset[int]:
        """Return who agrees to a purpose on a channel at a moment."""
        granted = ConsentState.GRANTED
        return frozenset(
            customer
            for customer in self._tracks[purpose]
            if self.state(customer, purpose, channel, time) is granted
        )

    def unwritten_ends(
        self, customer: int, purpose: Purpose, time: ConsentTime
    ) -> tuple[tuple[Channel, int], ...]:
        """Return the channels on which a yes ran out by the clock, and no entry of the log says so yet.

        Each with the moment to date that entry by: now; but where it would cover a channel on which a later
        yes still stands, the moment of the yes that ran out, so that it ends that one alone.
        """
        channels = self._tracks[purpose].get(customer, {})
        due = []
        for channel in channels:
            answer = self._answer(channels, purpose, channel, time)
            covers = channels if channel is Channel.EVERYWHERE else (channel,)
            stands = any(
                self._covered(channels, purpose, each, time) is ConsentState.GRANTED for each in covers
            )
            if answer.ends <= time.now:
                due.append((channel, answer.at if stands else max(time.now, answer.at)))
        return tuple(due)

    def _covered(
        self, channels: dict[Channel, _Track], purpose: Purpose, channel: Channel, time: ConsentTime
    ) -> ConsentState:
        answer = self._answer(channels, purpose, channel, time)
        return ConsentState.EXPIRED if answer.ends <= time.now else answer.state

    def _answer(
        self, channels: dict[Channel, _Track], purpose: Purpose, channel: Channel, time: ConsentTime
    ) -> _Answer:
        tracks = [channels[each] for each in dict.fromkeys((Channel.EVERYWHERE, channel)) if each in channels]
        if not tracks:
            return _Answer(ConsentState.NOT_ASKED)
        no = max(tracks, key=lambda track: track.no)
        lapse = max(tracks, key=lambda track: track.lapse)
        latest = time.now + time.tolerance
        said = [grant for track in tracks for grant in track.grants if no.no[0] < grant[0] <= latest]
        if not said:
            if no.no_state is not ConsentState.NOT_ASKED:
                return _Answer(no.no_state)
            is_asked = any(track.is_asked for track in tracks)
            return _Answer(ConsentState.ASKED if is_asked else lapse.lapse_state)
        ended_at, ended_before = self._ends.get(purpose, (_NEVER, 0))
        standing = [grant for grant in said if grant[0] > ended_at and grant[1] > ended_before]
        if not standing:
            return _Answer(ConsentState.RECONSENT_NEEDED)
        at = max(grant[0] for grant in standing)
        ends = min(grant[2] for grant in standing if grant[0] == at)
        if at <= lapse.lapse[0]:
            return _Answer(lapse.lapse_state)
        if time.longest_validity is not None:
            ends = min(ends, at + time.longest_validity)
        return _Answer(ConsentState.GRANTED, ends, at)


def _ends_at(event: ConsentEvent) -> int:
    return _FOREVER if event.valid_until is None else event.valid_until
