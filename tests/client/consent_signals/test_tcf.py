from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iab_tcf import decode_v2

from highstreet.audit.consent import Act, Channel, Purpose
from highstreet.audit.consent_signals import GRANTABLE
from highstreet.client.consent_signals import tcf
from highstreet.client.consent_signals.reading import Reading, Remark
from tests.client.consent_signals.tc_strings import ALL, core_bits, publisher_bits, segment, tc_string

NOW = round(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
DAY = datetime(2026, 10, 1, tzinfo=UTC)


def read(text: str, *, now: int = NOW) -> Reading:
    return tcf.read_tc_string(text, customer_id="c-1", now=now)


def said(reading: Reading) -> dict[Purpose, Act]:
    assert {signal.channel for signal in reading.signals} <= {Channel.WEB}
    return {signal.purpose: signal.act for signal in reading.signals}


def test_a_string_from_the_specification_is_decoded() -> None:
    # The example of IAB's "Consent string and vendor list formats v2", whose fields are printed there.
    found = tcf.understand_tc_string(
        "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA.IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3ZAYzUw"
    )
    assert found is not None
    assert (found.vendor_purposes, found.own_purposes) == (frozenset({1, 2, 3}), None)
    assert found.updated.date().isoformat() == "2020-02-20"


def test_a_yes_to_the_shop_itself_grants_suggestions_and_its_own_model_on_the_web() -> None:
    reading = read(tc_string(own=ALL))
    assert said(reading) == {Purpose.SUGGESTIONS_HERE: Act.GIVEN, Purpose.SHOP_MODEL: Act.GIVEN}
    assert {signal.at for signal in reading.signals} == {round(DAY.timestamp()) * 1_000_000}


def test_a_yes_to_other_companies_only_grants_nothing() -> None:
    reading = read(tc_string(own=None))
    assert reading.signals == ()
    assert set(reading.remarks) == {Remark.OTHERS_ONLY}


@pytest.mark.parametrize("missing", [5, 6])
@pytest.mark.parametrize("where", ["vendors", "own"])
def test_a_no_stands_wherever_it_is_said(missing: int, where: str) -> None:
    fewer = [purpose for purpose in ALL if purpose != missing]
    reading = read(tc_string(vendors=fewer, own=ALL) if where == "vendors" else tc_string(own=fewer))
    assert said(reading)[Purpose.SUGGESTIONS_HERE] is Act.REFUSED
    assert said(reading).get(Purpose.SHOP_MODEL) is (Act.REFUSED if missing == 5 else Act.GIVEN)


def test_a_no_is_dated_at_the_end_of_its_day_and_a_yes_at_its_start() -> None:
    (refused, *_) = read(tc_string(vendors=())).signals
    assert refused.at == round((DAY + timedelta(days=1)).timestamp()) * 1_000_000


@pytest.mark.parametrize(("missing", "left"), [(1, set()), (10, {Purpose.SUGGESTIONS_HERE})])
def test_every_purpose_that_is_needed_must_be_there(missing: int, left: set[Purpose]) -> None:
    assert set(said(read(tc_string(own=[p for p in ALL if p != missing])))) == left


def test_two_segments_of_the_publisher_grant_only_what_both_say() -> None:
    text = f"{tc_string(own=ALL)}.{segment(publisher_bits((1, 5, 6)))}"
    assert said(read(text)) == {Purpose.SUGGESTIONS_HERE: Act.GIVEN}


@pytest.mark.parametrize("custom", [0, 1, 16, 63])
def test_a_publishers_own_purposes_are_passed_over_and_must_all_be_there(custom: int) -> None:
    whole = publisher_bits(ALL, custom=custom)
    assert said(read(f"{tc_string()}.{segment(whole)}"))
    cut = segment(whole[: (len(whole) - 1) // 8 * 8])
    assert read(f"{tc_string()}.{cut}") == Reading(remarks=(Remark.UNREADABLE,))


def test_just_what_is_needed_is_enough() -> None:
    just = read(tc_string(vendors=(5, 6), own=(1, 5, 6, 10)))
    assert said(just) == {Purpose.SUGGESTIONS_HERE: Act.GIVEN, Purpose.SHOP_MODEL: Act.GIVEN}
    assert said(read(tc_string(vendors=(5, 6), own=(5, 6)))) == {}


def test_a_yes_older_than_thirteen_months_grants_nothing_and_a_no_never_grows_old() -> None:
    old = DAY - timedelta(days=400)
    assert set(read(tc_string(own=ALL, day=old)).remarks) == {Remark.OLD_YES}
    assert set(said(read(tc_string(vendors=(), day=old))).values()) == {Act.REFUSED}


def test_a_yes_from_the_future_grants_nothing_and_a_no_counts_from_now() -> None:
    ahead = DAY + timedelta(days=90)
    assert set(read(tc_string(own=ALL, day=ahead)).remarks) == {Remark.FUTURE_YES}
    assert {signal.at for signal in read(tc_string(vendors=(), day=ahead)).signals} == {NOW}


def test_a_string_cut_anywhere_is_refused_or_says_no_more_than_the_whole() -> None:
    whole = tc_string(vendors=ALL, own=(1, 5))
    for end in range(len(whole)):
        for signal in read(whole[:end]).signals:
            assert signal.act is not Act.GIVEN, end


def test_the_library_alone_reads_bits_that_are_missing_as_yes() -> None:
    # The twin of the test above: what is checked here first is not checked there.
    short = segment(core_bits(vendors=())[:140])
    assert decode_v2(short).is_purpose_allowed(20)
    assert tcf.understand_tc_string(short) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "C",
        "not a string",
        tc_string(version=1),
        tc_string(version=3),
        tc_string(own=ALL) + "=",
        tc_string(own=ALL).replace("A", "+", 1),
        tc_string(own=ALL) + "\u0661",
        tc_string(own=ALL) + ".",
        ".".join([tc_string()] * 5),
        tc_string() + "A" * 5_000,
        "1YNN",
    ],
)
def test_what_is_no_string_of_version_two_is_unreadable(text: str) -> None:
    assert read(text) == Reading(remarks=(Remark.UNREADABLE,))


def test_a_string_made_to_work_for_long_is_refused_at_once() -> None:
    header = core_bits()[:213]
    restrictions = header + "0" * 17 * 2 + format(4095, "012b") + "0" * 8 + format(4095, "012b")
    vendors = "001" + format(65535, "016b") + "1" + format(700, "012b")
    vendors += ("1" + format(1, "016b") + format(65535, "016b")) * 700
    for text in (segment(restrictions), f"{tc_string()}.{segment(vendors)}"[: tcf.MAX_CHARACTERS]):
        started = time.perf_counter()
        read(text)
        assert time.perf_counter() - started < 2.0


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(st.characters(exclude_categories=()), max_size=300),
        st.binary(max_size=300).map(lambda b: base64.urlsafe_b64encode(b).decode()),
    )
)
def test_whatever_comes_is_read_without_an_error(text: str) -> None:
    reading = read(text)
    assert all((s.purpose, s.channel) in GRANTABLE for s in reading.signals if s.act is Act.GIVEN)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_bits_turned_in_a_good_string_never_raise(data: st.DataObject) -> None:
    bits = list(core_bits())
    for place in data.draw(st.lists(st.integers(6, len(bits) - 1), max_size=8)):
        bits[place] = "1" if bits[place] == "0" else "0"
    cut = data.draw(st.integers(0, len(bits)))
    read(segment("".join(bits[:cut])) + "." + segment(publisher_bits(ALL)))


@settings(max_examples=200, deadline=None)
@given(
    st.sets(st.integers(1, 24)),
    st.one_of(st.none(), st.sets(st.integers(1, 24))),
)
def test_purposes_are_those_that_were_written(vendors: set[int], own: set[int] | None) -> None:
    found = tcf.understand_tc_string(tc_string(vendors=vendors, own=own))
    assert found is not None
    assert (found.vendor_purposes, found.own_purposes) == (vendors, own)
