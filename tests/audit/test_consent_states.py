"""Consent states: off by default, apart, the latest that covers counts, a no beats a yes, a yes ends."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.consent import EVERYBODY, Act, Channel, ConsentEvent, ConsentState, Method, Purpose
from highstreet.audit.consent_states import ConsentStates, ConsentTime

COOP, HERE = Purpose.COOP_LEARNING, Purpose.SUGGESTIONS_HERE
ALL, WEB, TILL = Channel.EVERYWHERE, Channel.WEB, Channel.TILL
GIVEN, WITHDRAWN = Act.GIVEN, Act.WITHDRAWN
NOW = ConsentTime(now=1000)
STATES = ConsentState

Said = tuple[int, Act, int] | tuple[int, Act, int, Channel] | tuple[int, Act, int, Channel, int | None]


def _event(
    who: int, act: Act, at: int, channel: Channel = ALL, until: int | None = None, purpose: Purpose = COOP
) -> ConsentEvent:
    return ConsentEvent(
        event_id="0" * 32,
        customer=who,
        purpose=purpose,
        channel=channel,
        act=act,
        at=at,
        valid_until=until,
        method=Method.SPOKEN,
        source="test",
    )


def _fold(*events: ConsentEvent) -> ConsentStates:
    states = ConsentStates()
    for position, event in enumerate(events, start=1):
        states.take(position, event)
    return states


def _state(*said: Said, channel: Channel = ALL, time: ConsentTime = NOW) -> ConsentState:
    return _fold(*(_event(*each) for each in said)).state(1, COOP, channel, time)


def test_nobody_has_agreed_before_being_asked() -> None:
    assert _state() is STATES.NOT_ASKED
    assert _state((2, GIVEN, 5)) is STATES.NOT_ASKED


def test_a_yes_to_one_purpose_says_nothing_about_another() -> None:
    states = _fold(_event(1, GIVEN, 10))
    assert states.granted(COOP, ALL, NOW) == {1}
    assert states.state(1, HERE, ALL, NOW) is STATES.NOT_ASKED


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ([(1, Act.ASKED, 5)], STATES.ASKED),
        ([(1, Act.ASKED, 5), (1, GIVEN, 6)], STATES.GRANTED),
        ([(1, GIVEN, 6), (1, Act.ASKED, 7)], STATES.GRANTED),
        ([(1, Act.REFUSED, 6), (1, Act.ASKED, 7)], STATES.REFUSED),
        ([(1, GIVEN, 5), (1, Act.OBJECTED, 6)], STATES.OBJECTED),
        ([(1, GIVEN, 5), (1, Act.EXPIRED, 6)], STATES.EXPIRED),
        ([(1, GIVEN, 5), (1, Act.RECONSENT_NEEDED, 6)], STATES.RECONSENT_NEEDED),
        ([(1, GIVEN, 5), (1, Act.RECONSENT_NEEDED, 6), (1, GIVEN, 7)], STATES.GRANTED),
        ([(1, WITHDRAWN, 5), (1, Act.RECONSENT_NEEDED, 6)], STATES.WITHDRAWN),
        ([(1, Act.EXPIRED, 6)], STATES.EXPIRED),
        # An old file imported late, either way around.
        ([(1, WITHDRAWN, 20), (1, GIVEN, 10)], STATES.WITHDRAWN),
        ([(1, GIVEN, 21), (1, WITHDRAWN, 20)], STATES.GRANTED),
        # At one instant, in whatever order.
        ([(1, GIVEN, 20), (1, WITHDRAWN, 20)], STATES.WITHDRAWN),
        ([(1, WITHDRAWN, 20), (1, GIVEN, 20)], STATES.WITHDRAWN),
        ([(1, Act.EXPIRED, 20), (1, GIVEN, 20)], STATES.EXPIRED),
        ([(1, Act.REFUSED, 20), (1, Act.OBJECTED, 20), (1, WITHDRAWN, 20)], STATES.OBJECTED),
    ],
)
def test_what_was_said_last_counts_and_a_no_beats_a_yes(said: list[Said], state: ConsentState) -> None:
    assert _state(*said) is state


@pytest.mark.parametrize(
    ("said", "everywhere", "web", "till"),
    [
        ([(1, GIVEN, 5)], STATES.GRANTED, STATES.GRANTED, STATES.GRANTED),
        ([(1, GIVEN, 5, WEB)], STATES.NOT_ASKED, STATES.GRANTED, STATES.NOT_ASKED),
        ([(1, GIVEN, 5), (1, WITHDRAWN, 6, WEB)], STATES.WITHDRAWN, STATES.WITHDRAWN, STATES.GRANTED),
        ([(1, WITHDRAWN, 6, WEB), (1, GIVEN, 7)], STATES.GRANTED, STATES.GRANTED, STATES.GRANTED),
        (
            [(1, GIVEN, 5), (1, WITHDRAWN, 6, WEB), (1, GIVEN, 7, WEB)],
            STATES.GRANTED,
            STATES.GRANTED,
            STATES.GRANTED,
        ),
        ([(1, GIVEN, 5, WEB), (1, WITHDRAWN, 6)], STATES.WITHDRAWN, STATES.WITHDRAWN, STATES.WITHDRAWN),
        ([(1, WITHDRAWN, 6), (1, GIVEN, 7, WEB)], STATES.WITHDRAWN, STATES.GRANTED, STATES.WITHDRAWN),
        # At one instant.
        ([(1, WITHDRAWN, 6), (1, GIVEN, 6, WEB)], STATES.WITHDRAWN, STATES.WITHDRAWN, STATES.WITHDRAWN),
        ([(1, GIVEN, 6), (1, WITHDRAWN, 6, WEB)], STATES.WITHDRAWN, STATES.WITHDRAWN, STATES.GRANTED),
        # Asked everywhere, with the end on one channel of a yes that is in no entry.
        ([(1, Act.ASKED, 5), (1, Act.EXPIRED, 6, WEB)], STATES.ASKED, STATES.ASKED, STATES.ASKED),
    ],
)
def test_everywhere_covers_every_channel_and_is_as_strict_as_the_strictest(
    said: list[Said], everywhere: ConsentState, web: ConsentState, till: ConsentState
) -> None:
    found = [_state(*said, channel=channel) for channel in (ALL, WEB, TILL)]
    assert found == [everywhere, web, till]


def test_a_yes_from_the_future_is_not_relied_on_until_then_and_a_no_is_at_once() -> None:
    said: list[Said] = [(1, GIVEN, 5), (1, WITHDRAWN, 10), (1, GIVEN, 2000)]
    assert _state(*said) is STATES.WITHDRAWN
    assert _state(*said, time=ConsentTime(now=1999)) is STATES.WITHDRAWN
    assert _state(*said, time=ConsentTime(now=1990, tolerance=9)) is STATES.WITHDRAWN
    assert _state(*said, time=ConsentTime(now=1990, tolerance=10)) is STATES.GRANTED
    assert _state((1, GIVEN, 5), (1, WITHDRAWN, 5000)) is STATES.WITHDRAWN
    # An earlier yes stands meanwhile: the later one takes nothing away.
    assert _state((1, GIVEN, 5), (1, GIVEN, 2000)) is STATES.GRANTED


def test_a_yes_ends_by_the_clock_to_the_microsecond() -> None:
    said: list[Said] = [(1, GIVEN, 5, ALL, 1000)]
    assert _state(*said, time=ConsentTime(now=999)) is STATES.GRANTED
    assert _state(*said, time=ConsentTime(now=1000)) is STATES.EXPIRED
    # The tolerance is for dates of what was said, not for ends.
    assert _state(*said, time=ConsentTime(now=1000, tolerance=50)) is STATES.EXPIRED
    # The latest yes says until when.
    assert _state((1, GIVEN, 5), (1, GIVEN, 6, ALL, 900)) is STATES.EXPIRED
    assert _state((1, GIVEN, 6, ALL, 900), (1, GIVEN, 7)) is STATES.GRANTED
    for said in ([(1, GIVEN, 6, ALL, 900), (1, GIVEN, 6)], [(1, GIVEN, 6), (1, GIVEN, 6, ALL, 900)]):
        assert _state(*said) is STATES.EXPIRED


def test_the_shops_longest_validity_shortens_and_never_lengthens() -> None:
    limited = ConsentTime(now=1000, longest_validity=100)
    assert _state((1, GIVEN, 900), time=limited) is STATES.EXPIRED
    assert _state((1, GIVEN, 901), time=limited) is STATES.GRANTED
    assert _state((1, GIVEN, 950, ALL, 960), time=limited) is STATES.EXPIRED


def test_an_event_about_everybody_ends_every_yes_before_it_by_date_or_by_place() -> None:
    ends = _event(EVERYBODY, Act.RECONSENT_NEEDED, 100)
    states = _fold(
        _event(1, GIVEN, 50),
        _event(2, GIVEN, 500),  # said under a clock that was ahead
        _event(3, WITHDRAWN, 50),
        ends,
        _event(4, GIVEN, 90),  # an old file, imported afterwards
        _event(5, GIVEN, 101),
        _event(6, GIVEN, 100),
    )
    found = {who: states.state(who, COOP, ALL, NOW) for who in range(1, 7)}
    again = STATES.RECONSENT_NEEDED
    assert found == {1: again, 2: again, 3: STATES.WITHDRAWN, 4: again, 5: STATES.GRANTED, 6: again}
    assert states.latest_end(COOP) == 100
    assert states.latest_end(HERE) is None


def test_of_a_yes_that_was_ended_a_later_one_that_was_not_counts() -> None:
    ahead = [_event(1, GIVEN, 900), _event(EVERYBODY, Act.RECONSENT_NEEDED, 100), _event(1, GIVEN, 101)]
    assert _fold(*ahead).state(1, COOP, ALL, NOW) is STATES.GRANTED
    assert _fold(*ahead[:2]).state(1, COOP, ALL, NOW) is STATES.RECONSENT_NEEDED


def test_ends_that_no_entry_tells_of_are_found_and_dated_so_that_they_end_no_standing_yes() -> None:
    ended, forever = _event(1, GIVEN, 5, ALL, 900), _event(1, GIVEN, 7, WEB)
    assert _fold(ended).unwritten_ends(1, COOP, NOW) == ((ALL, NOW.now),)
    assert _fold(ended, _event(1, Act.EXPIRED, 901)).unwritten_ends(1, COOP, NOW) == ()
    assert _fold(ended, _event(1, WITHDRAWN, 6)).unwritten_ends(1, COOP, NOW) == ()
    beside = _fold(ended, forever)
    assert beside.unwritten_ends(1, COOP, NOW) == ((ALL, 5),)
    written = _fold(ended, forever, _event(1, Act.EXPIRED, 5))
    for states in (beside, written):
        assert states.state(1, COOP, WEB, NOW) is STATES.GRANTED
        assert states.state(1, COOP, TILL, NOW) is STATES.EXPIRED
    assert written.unwritten_ends(1, COOP, NOW) == ()
    assert _fold().unwritten_ends(1, COOP, NOW) == ()
    assert _fold(ended).unwritten_ends(1, COOP, ConsentTime(now=899)) == ()
    assert _fold(ended).unwritten_ends(1, COOP, ConsentTime(now=900)) == ((ALL, 900),)
    on_web, at_till = _event(1, GIVEN, 5, WEB, 900), _event(1, GIVEN, 5, TILL)
    assert _fold(on_web, at_till).unwritten_ends(1, COOP, NOW) == ((WEB, NOW.now),)


def test_the_latest_moment_is_over_all_channels_and_acts_but_being_asked() -> None:
    states = _fold(_event(1, GIVEN, 5), _event(1, Act.EXPIRED, 9, WEB), _event(1, Act.ASKED, 50))
    assert states.latest(1, COOP) == 9
    assert states.latest(1, HERE) is None
    assert states.latest(2, COOP) is None
    assert _fold(_event(1, GIVEN, 5), _event(1, WITHDRAWN, 7, TILL)).latest(1, COOP) == 7


events = st.lists(
    st.builds(
        _event,
        st.integers(0, 3),
        st.sampled_from(Act),
        st.integers(-5, 30),
        st.sampled_from([ALL, WEB, TILL]),
        st.none() | st.integers(0, 40),
    ).map(lambda e: e if e.customer else _event(EVERYBODY, Act.RECONSENT_NEEDED, e.at)),
    max_size=14,
)
moments = st.builds(
    ConsentTime,
    now=st.integers(0, 40),
    tolerance=st.integers(0, 3),
    longest_validity=st.none() | st.integers(1, 20),
)


def _by_hand(log: list[ConsentEvent], who: int, channel: Channel, time: ConsentTime) -> bool:
    """Whether a customer agrees, read from the rules of docs/consent.md without any folding."""
    if channel is ALL:
        used = {e.channel for e in log if e.customer == who} - {ALL}
        return _covered_by_hand(log, who, ALL, time) and all(
            _covered_by_hand(log, who, each, time) for each in used
        )
    return _covered_by_hand(log, who, channel, time)


def _covered_by_hand(log: list[ConsentEvent], who: int, channel: Channel, time: ConsentTime) -> bool:
    mine = [(n, e) for n, e in enumerate(log) if e.customer == who and e.channel in (ALL, channel)]
    everybody = [(n, e) for n, e in enumerate(log) if e.customer == EVERYBODY]
    ended_at = max((e.at for _, e in everybody), default=-(10**9))
    ended_before = max((n for n, _ in everybody), default=-1)
    yeses = [
        e
        for n, e in mine
        if e.act is GIVEN and e.at <= time.now + time.tolerance and e.at > ended_at and n > ended_before
    ]
    others = [e.at for _, e in mine if e.act not in (GIVEN, Act.ASKED)]
    if not yeses:
        return False
    latest = max(e.at for e in yeses)
    if latest <= max(others, default=-(10**9)):
        return False
    ends = [e.valid_until for e in yeses if e.at == latest and e.valid_until is not None]
    if time.longest_validity is not None:
        ends.append(latest + time.longest_validity)
    return all(time.now < end for end in ends)


@given(log=events, time=moments, channel=st.sampled_from([ALL, WEB, TILL]))
def test_granted_is_what_the_rules_say_read_one_by_one(
    log: list[ConsentEvent], time: ConsentTime, channel: Channel
) -> None:
    expected = {who for who in (1, 2, 3) if _by_hand(log, who, channel, time)}
    assert _fold(*log).granted(COOP, channel, time) == expected


@given(log=events, time=moments, who=st.integers(1, 3), act=st.sampled_from([a for a in Act if a.is_no]))
def test_a_no_at_the_latest_moment_always_wins(
    log: list[ConsentEvent], time: ConsentTime, who: int, act: Act
) -> None:
    latest = max((event.at for event in log), default=0)
    states = _fold(*log, _event(who, act, latest))
    assert not any(who in states.granted(COOP, channel, time) for channel in (ALL, WEB, TILL))


@given(log=events, time=moments, data=st.data())
def test_without_events_about_everybody_the_order_in_the_log_does_not_matter(
    log: list[ConsentEvent], time: ConsentTime, data: st.DataObject
) -> None:
    plain = [event for event in log if event.customer != EVERYBODY]
    shuffled = data.draw(st.permutations(plain))
    for channel in (ALL, WEB, TILL):
        for who in (1, 2, 3):
            one, other = (_fold(*each).state(who, COOP, channel, time) for each in (plain, shuffled))
            assert one is other


def test_a_million_events_of_one_person_fold_in_seconds_and_are_judged_in_one() -> None:
    states, count = ConsentStates(), 1_000_000
    given_at = [_event(1, GIVEN, at) for at in range(100)]
    began = time.process_time()
    for position in range(count):
        states.take(position + 1, given_at[position % 100])
    folded = time.process_time() - began
    began = time.process_time()
    assert states.state(1, COOP, ALL, NOW) is STATES.GRANTED
    assert folded < 30
    assert time.process_time() - began < 3


_FROM_THE_STRICTEST = (
    STATES.OBJECTED, STATES.WITHDRAWN, STATES.REFUSED, STATES.EXPIRED, STATES.RECONSENT_NEEDED,
    STATES.ASKED, STATES.NOT_ASKED, STATES.GRANTED,
)  # fmt: skip
_NOES = {GIVEN: None, Act.WITHDRAWN: 1, Act.OBJECTED: 0, Act.REFUSED: 2}
_ENDS = {Act.EXPIRED: 3, Act.RECONSENT_NEEDED: 4}


def _covering_state(
    log: list[ConsentEvent], who: int, channel: Channel, time: ConsentTime
) -> tuple[ConsentState, bool]:
    """The state of one channel read from the rules, and whether it is so by the clock alone."""
    mine = [(n, e) for n, e in enumerate(log) if e.customer == who and e.channel in (ALL, channel)]
    everybody = [(n, e) for n, e in enumerate(log) if e.customer == EVERYBODY]
    no = max(((e.at, -(_NOES[e.act] or 0)) for _, e in mine if e.act.is_no), default=None)
    lapse = max(((e.at, -_ENDS[e.act]) for _, e in mine if e.act in _ENDS), default=None)
    yeses = [
        (n, e)
        for n, e in mine
        if e.act is GIVEN and e.at <= time.now + time.tolerance and (no is None or e.at > no[0])
    ]
    if not yeses:
        if no is not None:
            return _FROM_THE_STRICTEST[-no[1]], False
        if any(e.act is Act.ASKED for _, e in mine):
            return STATES.ASKED, False
        return (STATES.NOT_ASKED if lapse is None else _FROM_THE_STRICTEST[-lapse[1]]), False
    left = [e for n, e in yeses if all(e.at > end.at and n > m for m, end in everybody)]
    if not left:
        return STATES.RECONSENT_NEEDED, False
    latest = max(e.at for e in left)
    if lapse is not None and latest <= lapse[0]:
        return _FROM_THE_STRICTEST[-lapse[1]], False
    ends = [e.valid_until for e in left if e.at == latest and e.valid_until is not None]
    if time.longest_validity is not None:
        ends.append(latest + time.longest_validity)
    has_ended = any(end <= time.now for end in ends)
    return (STATES.EXPIRED if has_ended else STATES.GRANTED), has_ended


@settings(max_examples=400)
@given(log=events, time=moments, who=st.integers(1, 3))
def test_every_state_is_what_the_rules_say_read_one_by_one(
    log: list[ConsentEvent], time: ConsentTime, who: int
) -> None:
    states = _fold(*log)
    used = {e.channel for e in log if e.customer == who}
    by_hand = {channel: _covering_state(log, who, channel, time) for channel in (ALL, WEB, TILL)}
    for channel in (WEB, TILL):
        expected = by_hand[channel][0] if used else STATES.NOT_ASKED
        assert states.state(who, COOP, channel, time) is expected
    strictest = min((by_hand[each][0] for each in {ALL, *used}), key=_FROM_THE_STRICTEST.index)
    assert states.state(who, COOP, ALL, time) is strictest
    due = states.unwritten_ends(who, COOP, time)
    assert {channel for channel, _ in due} == {channel for channel in used if by_hand[channel][1]}
    written = _fold(*log, *(_event(who, Act.EXPIRED, at, channel) for channel, at in due))
    assert written.unwritten_ends(who, COOP, time) == ()
    for channel in (ALL, WEB, TILL):
        stands = states.state(who, COOP, channel, time) is STATES.GRANTED
        assert (written.state(who, COOP, channel, time) is STATES.GRANTED) == stands
    for channel, _ in due:  # and no clock set back brings it back
        for now in range(0, time.now, max(time.now // 20, 1)):
            before = ConsentTime(now=now, tolerance=time.tolerance, longest_validity=time.longest_validity)
            assert written.state(who, COOP, channel, before) is not STATES.GRANTED
    said = [e.at for e in log if e.customer == who and e.act is not Act.ASKED]
    assert states.latest(who, COOP) == max(said, default=None)
    ends = [e.at for e in log if e.customer == EVERYBODY]
    assert states.latest_end(COOP) == max(ends, default=None)
    assert states.latest_end(HERE) is None
    people = {e.customer for e in log if e.customer != EVERYBODY}
    assert set(states.customers(COOP)) == states.everybody() == people
    assert set(states.customers(HERE)) == set()


def test_a_no_leaves_no_earlier_yes_to_look_through() -> None:
    """What a no ended is dropped: states are derived in the time that what is left takes."""
    said = [_event(1, GIVEN, moment) for moment in range(1000)]
    states = _fold(*said, _event(1, WITHDRAWN, 1000))
    states.take(1002, _event(1, GIVEN, 5))
    states.take(1003, _event(1, GIVEN, 1000))
    (track,) = states._tracks[COOP][1].values()
    assert track.grants == []
