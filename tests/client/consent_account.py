"""A second account of who may be used, by what was done and docs/consent.md alone; to the microsecond.

It shares no code with the desk, the log or the fold. Each entry is dated here by the rules for a clock that
may be wrong, and where somebody stands is looked for anew, entry by entry, each time it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from highstreet.audit.consent import Act, Channel

__all__ = ["ConsentAccount"]

_EVERYBODY = 0
_TOLERANCE = 10_000_000
_FOREVER = 2**62
_NOES = {Act.REFUSED, Act.WITHDRAWN, Act.OBJECTED}
_LAPSES = {Act.EXPIRED, Act.RECONSENT_NEEDED}


@dataclass(frozen=True)
class _Said:
    who: int
    channel: Channel
    act: Act
    at: int
    until: int = _FOREVER


@dataclass(frozen=True)
class _Yes:
    """The yes that counts on a channel."""

    at: int
    until: int


class ConsentAccount:
    """What was said about one purpose, in the order it was written down."""

    def __init__(self) -> None:
        self._said: list[_Said] = []

    def says_yes(self, who: int, channel: Channel, *, now: int, until: int | None) -> bool:
        """Write a yes down; False where the clock is too far back to date it, so that it must be refused."""
        ended = [each.at for each in self._said if each.who == _EVERYBODY]
        earlier = max([*self._moments(who), *ended], default=None)
        if earlier is not None and now < earlier - _TOLERANCE:
            return False
        at = now if earlier is None else max(now, earlier + 1)
        self._said.append(_Said(who, channel, Act.GIVEN, at, _FOREVER if until is None else until))
        return True

    def ends(self, who: int, channel: Channel, act: Act, *, now: int) -> None:
        """Write down a no, or the end of a yes; dated no earlier than what it ends."""
        self._said.append(_Said(who, channel, act, max([now, *self._moments(who)])))

    def everybody_is_asked_again(self, *, now: int) -> None:
        """End every yes that was said until now."""
        self._said.append(_Said(_EVERYBODY, Channel.EVERYWHERE, Act.RECONSENT_NEEDED, now))

    def forget(self, who: int) -> None:
        """Somebody is erased: nothing that they said is an entry any more."""
        self._said = [each for each in self._said if each.who != who]

    def note_what_ran_out(self, *, now: int) -> int:
        """Write down each yes that ran out by the clock and is not over by an entry; return how many."""
        due = []
        for who in {each.who for each in self._said if each.who != _EVERYBODY}:
            channels = self._channels(who)
            for channel in channels:
                yes = self._yes(who, channel, now)
                if yes is None or now < yes.until:
                    continue
                covered = channels if channel is Channel.EVERYWHERE else {channel}
                beside = any(self._stands(who, each, now) for each in covered)
                due.append(_Said(who, channel, Act.EXPIRED, yes.at if beside else max(now, yes.at)))
        self._said += due
        return len(due)

    def agrees(self, who: int, *, now: int) -> bool:
        """Whether somebody may be used for what has no channel: granted everywhere that anything was said."""
        channels = {Channel.EVERYWHERE, *self._channels(who)}
        return all(self._stands(who, channel, now) for channel in channels)

    def _stands(self, who: int, channel: Channel, now: int) -> bool:
        yes = self._yes(who, channel, now)
        return yes is not None and now < yes.until

    def _yes(self, who: int, channel: Channel, now: int) -> _Yes | None:
        """The latest yes that covers a channel and that no entry ends; it may have run out by the clock."""
        covering = [
            (place, each)
            for place, each in enumerate(self._said)
            if each.who == who and each.channel in {Channel.EVERYWHERE, channel}
        ]
        no = max((each.at for _, each in covering if each.act in _NOES), default=-1)
        lapse = max((each.at for _, each in covering if each.act in _LAPSES), default=-1)
        ends = [(place, each.at) for place, each in enumerate(self._said) if each.who == _EVERYBODY]
        standing = [
            each
            for place, each in covering
            if each.act is Act.GIVEN
            and no < each.at <= now + _TOLERANCE
            and all(at < each.at and end < place for end, at in ends)
        ]
        latest = max((each.at for each in standing), default=-1)
        if not standing or latest <= lapse:
            return None
        return _Yes(latest, min(each.until for each in standing if each.at == latest))

    def _channels(self, who: int) -> set[Channel]:
        return {each.channel for each in self._said if each.who == who}

    def _moments(self, who: int) -> list[int]:
        return [each.at for each in self._said if each.who == who]
