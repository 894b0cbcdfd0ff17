"""A store's life as a state machine: what people do, what the owner does, crashes, the line, and rounds."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from highstreet.audit.consent import Act, Channel, Method
from highstreet.client import consent_log
from highstreet.client.consent import How
from highstreet.client.errors import ClockSetBackError
from highstreet.client.rights_desk import make_record, object_to, set_restriction
from highstreet.client.round_terms import AskedRound
from highstreet.models.programme import initial_state
from tests.client.made_up_coop import context_of, mechanism_for, round_request
from tests.client.store_life import (
    COOP,
    ERASING,
    HOURS,
    MOST_PEOPLE,
    PEOPLE,
    PLAN,
    PROGRAMME,
    ROUNDS,
    SAID,
    SECONDS,
    Flight,
    KilledError,
    StoreLife,
    killed_at,
)

__all__ = ["StoreMachine"]


class StoreMachine(StoreLife):
    """Every rule counts its steps."""

    # What people do, between rounds and in the middle of one.

    @rule(place=PEOPLE, web=st.booleans(), hours=st.sampled_from([None, None, 1, 30]))
    def agrees(self, place: int, web: bool, hours: int | None) -> None:
        StoreLife.steps += 1
        person = self._who(place)
        until = None if hours is None else self.now + hours * HOURS
        channel = Channel.WEB if web else Channel.EVERYWHERE
        how = How(method=Method.SPOKEN, source="machine", valid_until=until)
        with suppress(ClockSetBackError):
            self.desk.record(person.name, COOP, Act.GIVEN, how, channel=channel)
            # At most: for learning it counts only where no channel says otherwise.
            person.yes_until = max(person.yes_until or 0, 2**62 if until is None else until)

    @rule(
        place=PEOPLE,
        act=st.sampled_from([Act.WITHDRAWN, Act.REFUSED, Act.OBJECTED, Act.EXPIRED]),
        web=st.booleans(),
    )
    def ends(self, place: int, act: Act, web: bool) -> None:
        StoreLife.steps += 1
        person = self._who(place)
        channel = Channel.WEB if web else Channel.EVERYWHERE
        self.desk.record(person.name, COOP, act, SAID, channel=channel)
        self._says_no(person)

    @rule(place=PEOPLE)
    def objects(self, place: int) -> None:
        StoreLife.steps += 1
        person = self._who(place)
        object_to(self.home, person.name, (COOP,), source="machine", now=self._today())
        self._says_no(person)

    @rule(place=PEOPLE, is_restricted=st.booleans())
    def is_restricted(self, place: int, is_restricted: bool) -> None:
        StoreLife.steps += 1
        person = self._who(place)
        set_restriction(
            self.home, person.name, is_restricted=is_restricted, source="machine", now=self._today()
        )
        person.is_restricted = is_restricted

    @precondition(lambda self: len(self.people) > 1 and self.serial % 2 == 0)
    @rule(place=PEOPLE, killed=st.sampled_from([None, None, *ERASING]))
    def is_erased(self, place: int, killed: str | None) -> None:
        StoreLife.steps += 1
        self._erase(self._who(place), killed)
        self._come()

    @rule()
    def somebody_comes_and_somebody_is_given_a_copy(self) -> None:
        StoreLife.steps += 1
        if len(self.people) < MOST_PEOPLE:
            self._come()
        elif self.serial % 5 == 0:
            make_record(self.home, self.people[0].name, source="machine", now=self._today())

    @rule(hours=st.integers(-50, 50))
    def the_clock_jumps(self, hours: int) -> None:
        StoreLife.steps += 1
        self.now += hours * HOURS

    @rule()
    def time_passes(self) -> None:
        StoreLife.steps += 1
        self.now += SECONDS

    @rule()
    def is_started_again(self) -> None:
        StoreLife.steps += 1
        self._restart()

    @rule()
    def everybody_is_asked_again(self) -> None:
        StoreLife.steps += 1
        self.desk.ask_everybody_again(COOP, source="machine")
        for person in self.people:
            self._says_no(person)

    @rule(place=PEOPLE)
    def is_killed_before_the_head_is_kept(self, place: int) -> None:
        StoreLife.steps += 1
        person = self._who(place)
        with suppress(KilledError), killed_at(consent_log.ConsentLog, "settle"):
            self.desk.record(person.name, COOP, Act.WITHDRAWN, SAID)
        self._says_no(person)
        self._restart()

    @rule(is_offline=st.booleans())
    def the_line_goes_down_or_comes_back(self, is_offline: bool) -> None:
        StoreLife.steps += 1
        self.is_offline = is_offline

    # Rounds.

    @precondition(lambda self: not self.is_offline)
    @rule(
        meanwhile=st.lists(
            st.tuples(st.sampled_from(["ends", "objects", "restricted", "erased", "agrees", "jump"]), PEOPLE),
            max_size=3,
        ),
        killed=st.sampled_from([None, None, None, "approach", *ROUNDS]),
    )
    def a_round_starts_and_is_committed(self, meanwhile: list[tuple[str, int]], killed: str | None) -> None:
        StoreLife.steps += 2 + len(meanwhile)
        number = len(self.flights)
        request = round_request()
        request.programme_id, request.round = PROGRAMME, number
        request.as_of_day = (date(2026, 11, 22) - date(1970, 1, 1)).days
        asked = AskedRound(
            request=request,
            sha256=number.to_bytes(32, "big"),
            phase=PLAN.phases[0],
            state=initial_state(PLAN),
            mechanism=mechanism_for(PLAN, PLAN.phases[0]),
            context=context_of(round_request()),
        )
        self.flights.append(Flight(asked, number))
        self._ask(self.flights[-1], meanwhile, killed)

    @precondition(lambda self: not self.is_offline and self.flights)
    @rule(back=st.integers(0, 2))
    def the_coordinator_asks_again(self, back: int) -> None:
        StoreLife.steps += 1
        self._ask(self.flights[-1 - back % len(self.flights)], [], None)
