"""A store's life as a state machine: what people do, what the owner does, crashes, the line, and rounds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from highstreet.audit.consent import Act, Channel, Method
from highstreet.audit.requests import open_reply
from highstreet.client import consent_log, erasure, store_log
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.consent import How
from highstreet.client.erasure import erase_customers
from highstreet.client.errors import ClockSetBackError, CoopUnreachableError
from highstreet.client.log_exchange import LogExchange
from highstreet.client.membership import member_caller
from highstreet.client.release_watch import ask_for_release
from highstreet.client.rights_desk import make_record, object_to, set_restriction
from highstreet.protos.rounds_pb2 import REFUSAL_BUDGET, REFUSAL_DEADLINE, REFUSAL_RELEASE
from tests.client.made_up_coop import KEYS, ME, contribute_message, round_request
from tests.client.store_life import CHARTER, COOP, SAID, SECONDS, START, Flight, StoreLife, killed_at
from tests.client.store_line import KilledError

__all__ = ["StoreMachine"]

HOURS = 3600 * SECONDS
MOST_PEOPLE = 4
PEOPLE = st.integers(0, MOST_PEOPLE - 1)
CHANNELS = st.sampled_from([Channel.EVERYWHERE, Channel.EVERYWHERE, Channel.WEB])
NOES = st.sampled_from([Act.WITHDRAWN, Act.REFUSED, Act.OBJECTED, Act.EXPIRED])
#: Where a process can be killed: in the middle of an erasure, and of a round.
ERASING = ("remove_folders", "erase_rows", "forget_model", "search_folder", "_certify", "finish_erasure")
ROUNDS = {
    "keep": AttestationBook,
    "settle": store_log.StoreLog,
    "_note_consent": store_log.StoreLog,
    "_note_answer": store_log.StoreLog,
}
_DAY_SECONDS = 86_400
_PUBLIC_KEY = KEYS[ME].signing.public_key().public_bytes_raw()


@dataclass(frozen=True)
class _Step:
    """What can happen: when, how often beside others, and what is drawn for it."""

    name: str
    when: Callable[[Any], bool]
    often: int
    drawn: dict[str, Any]


_STEPS: list[_Step] = []


def _always(_: Any) -> bool:
    return True


def step(
    *, when: Callable[[Any], bool] = _always, often: int = 1, **drawn: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Something that can happen to the store."""

    def known(act: Callable[..., None]) -> Callable[..., None]:
        _STEPS.append(_Step(act.__name__, when, often, drawn))
        return act

    return known


class StoreMachine(StoreLife):
    """What can happen, in any order; between two steps of a round too."""

    @rule(data=st.data())
    def happens(self, data: st.DataObject) -> None:
        """One step. All that can happen is as likely in every life: no life is without rounds or erasures."""
        can = {each.name: each for each in _STEPS if each.when(self)}
        chosen = can[
            data.draw(st.sampled_from([each.name for each in can.values() for _ in range(each.often)]))
        ]
        StoreLife.steps[chosen.name] += 1
        named = {name: data.draw(strategy, label=name) for name, strategy in chosen.drawn.items()}
        getattr(self, chosen.name)(**named)

    def _who(self, place: int) -> Any:
        return self.people[place % len(self.people)]

    # What people do.

    @step(place=PEOPLE, channel=CHANNELS, hours=st.sampled_from([None, None, 1, 30]))
    def agrees(self, place: int, channel: Channel, hours: int | None) -> None:
        person = self._who(place)
        until = None if hours is None else self.now + hours * HOURS
        how = How(method=Method.SPOKEN, source="machine", valid_until=until)
        if self.account.says_yes(person.key, channel, now=self.now, until=until):
            self.desk.record(person.name, COOP, Act.GIVEN, how, channel=channel)
        else:
            with pytest.raises(ClockSetBackError):
                self.desk.record(person.name, COOP, Act.GIVEN, how, channel=channel)

    @step(place=PEOPLE, act=NOES, channel=CHANNELS)
    def says_no(self, place: int, act: Act, channel: Channel) -> None:
        person = self._who(place)
        self.desk.record(person.name, COOP, act, SAID, channel=channel)
        self._ended(person, act, channel)

    @step(place=PEOPLE)
    def objects(self, place: int) -> None:
        person = self._who(place)
        object_to(self.home, person.name, (COOP,), source="machine", now=self.today())
        self._ended(person, Act.OBJECTED)

    @step(place=PEOPLE)
    def withdraws_and_the_power_goes_before_the_head_is_kept(self, place: int) -> None:
        person = self._who(place)
        with suppress(KilledError), killed_at(consent_log.ConsentLog, "settle", KilledError):
            self.desk.record(person.name, COOP, Act.WITHDRAWN, SAID)
        self._ended(person, Act.WITHDRAWN)
        self.restart()

    @step(place=PEOPLE, is_restricted=st.booleans())
    def is_restricted_or_used_again(self, place: int, is_restricted: bool) -> None:
        person = self._who(place)
        set_restriction(
            self.home, person.name, is_restricted=is_restricted, source="machine", now=self.today()
        )
        person.is_restricted = is_restricted

    @step(place=PEOPLE)
    def is_given_a_copy(self, place: int) -> None:
        make_record(self.home, self._who(place).name, source="machine", now=self.today())

    @step(
        when=lambda self: len(self.people) > 1, place=PEOPLE, killed=st.sampled_from([None, None, *ERASING])
    )
    def is_erased(self, place: int, killed: str | None) -> None:
        person = self._who(place)
        try:
            with killed_at(erasure, killed, KilledError):
                erase_customers(self.home, [person.name], source="machine", now=self.today())
        except KilledError:
            self.go(person)
            self.restart()
        else:
            self.go(person)
        self.nothing_is_left_of_the_erased()
        self.come()

    @step(when=lambda self: len(self.people) < MOST_PEOPLE)
    def becomes_a_customer(self) -> None:
        self.come()

    def _ended(self, person: Any, act: Act, channel: Channel = Channel.EVERYWHERE) -> None:
        self.account.ends(person.key, channel, act, now=self.now)
        self.said_no.add(str(person.key))

    # What the owner does, and what nobody does.

    @step(when=lambda self: self.serial % 3 == 0)
    def everybody_is_asked_again(self) -> None:
        self.desk.ask_everybody_again(COOP, source="machine")
        self.account.everybody_is_asked_again(now=self.now)
        self.said_no |= {str(person.key) for person in self.people}

    @step(hours=st.integers(-50, 50))
    def the_clock_jumps(self, hours: int) -> None:
        self.now += hours * HOURS

    @step()
    def time_passes(self) -> None:
        self.now += SECONDS

    @step()
    def the_store_is_killed_and_started_again(self) -> None:
        """Where a round is under way: in the middle of it."""
        self.restart()

    # The line.

    @step(when=lambda self: not self.is_offline)
    def the_line_goes_down(self) -> None:
        """What a round under way makes is kept, and has nowhere to go."""
        self.is_offline = True
        if self.under_way is not None:
            self.line.hang_up()

    @step(when=lambda self: self.is_offline)
    def the_store_dials_in_vain(self) -> None:
        """Nobody listens: each call is refused by the computer itself, and nothing is changed by it."""
        before = self.log.book.head()
        with pytest.raises(CoopUnreachableError):
            ask_for_release(self.home, self.log)
        with member_caller(self.home) as caller, pytest.raises(CoopUnreachableError):
            LogExchange(self.home, self.log, caller).exchange()
        assert self.log.book.head() == before

    @step(when=lambda self: self.is_offline and self.under_way is None)
    def the_line_comes_back(self) -> None:
        """The coordinator asks again for what never came: it gets what was kept, bit for bit."""
        self.is_offline = False
        for flight in self.flights:
            if flight.kept is not None and not flight.is_received:
                self._ask(flight)
                self._goes_on(times=None)
                assert flight.is_received

    # Rounds. Between a start and the end of it, all of the above can happen.

    @step(
        when=lambda self: not self.is_offline and self.under_way is None,
        often=6,
        times=st.sampled_from([0, 0, 0, 1, 2, None]),
    )
    def a_round_starts(self, times: int | None) -> None:
        request = round_request(charter=CHARTER, opened=self.now // SECONDS)
        request.programme_id = f"{len(self.flights):016x}"
        request.as_of_day = START // SECONDS // _DAY_SECONDS - 1
        flight = Flight(request.programme_id, contribute_message(request))
        self.flights.append(flight)
        self._ask(flight)
        self._goes_on(times=times)

    @step(when=lambda self: self.under_way is not None, often=5, times=st.sampled_from([1, 1, 2, None]))
    def the_round_goes_on(self, times: int | None) -> None:
        """Computed, looked at, kept, sent: from where it stopped to the next of these, or to its end."""
        self._goes_on(times=times)

    @step(when=lambda self: self.under_way is not None, place=st.sampled_from(sorted(ROUNDS)))
    def the_store_is_killed_before(self, place: str) -> None:
        self._goes_on(times=None, killed=place)

    @step(
        when=lambda self: not self.is_offline and self.under_way is None and self.flights,
        back=st.integers(0, 2),
    )
    def the_coordinator_asks_again(self, back: int) -> None:
        self._ask(self.flights[-1 - back % len(self.flights)])

    def _ask(self, flight: Flight) -> None:
        self.said_no.clear()
        self.under_way = flight
        if not self.line.ask(flight.message):
            self._is_over(flight)

    def _goes_on(self, *, times: int | None, killed: str | None = None) -> None:
        """To the next stop, so many times; None: to the end."""
        is_paused = self.under_way is not None
        with killed_at(ROUNDS.get(killed or ""), killed, KilledError):
            while is_paused and times != 0:
                times = None if times is None else times - 1
                is_paused = self.line.go_on()
        if self.under_way is not None and not is_paused:
            self._is_over(self.under_way)

    def _is_over(self, flight: Flight) -> None:
        self.under_way, answer = None, self.line.answer()
        assert not self.wrong
        if self.line.is_killed:
            assert answer is None
            self.restart()
            return
        if answer is not None:
            refusal = open_reply(answer, member_public_key=_PUBLIC_KEY).refusal
            assert refusal in {0, REFUSAL_BUDGET, REFUSAL_RELEASE, REFUSAL_DEADLINE}
            assert (answer == flight.kept) if not refusal else (flight.kept is None)
            flight.is_received |= not refusal
        if flight.kept is not None:
            self.is_on_record(flight)
        self.accounts_never_go_back()
