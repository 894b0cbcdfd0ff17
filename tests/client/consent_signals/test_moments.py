from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.client.consent_signals.moments import Span, read_span

_HOUR = 3_600_000_000


def micro(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T09:00:00Z",
        "2026-03-01T10:00:00+01:00",
        "2026-03-01 10:00:00 +0100",
        " 2026-03-01T09:00:00.000Z ",
        "2026-03-01 09:00:00 UTC",
        "2026-03-01T09:00Z",
    ],
)
def test_a_time_with_a_zone_is_one_instant(text: str) -> None:
    moment = micro("2026-03-01T09:00:00+00:00")
    assert read_span(text) == Span(moment, moment)


def test_a_time_without_a_zone_may_be_anywhere_on_earth() -> None:
    moment = micro("2026-03-01T09:00:00+00:00")
    assert read_span("2026-03-01 09:00:00") == Span(moment - 14 * _HOUR, moment + 12 * _HOUR)


def test_a_date_may_be_any_hour_of_its_day_anywhere_on_earth() -> None:
    day = micro("2026-03-01T00:00:00+00:00")
    assert read_span("2026-03-01") == Span(day - 14 * _HOUR, day + 36 * _HOUR)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "03/01/2026",
        "01.03.2026",
        "2026-13-01",
        "2026-02-30 10:00:00",
        "1979-12-31T23:59:59Z",
        "0001-01-01",
        "9999-12-31",
        "9999-12-31T23:59:59-12:00",
        "2026-03-01T25:00:00Z",
        "2026-03-01T10:00:00+9",
        "2026-W11",
        "1772355600",
        "２０２６-03-01",
        "2026-03-01" + " " * 60 + "x",
    ],
)
def test_whatever_else_is_no_moment(text: str) -> None:
    assert read_span(text) is None


@given(
    st.one_of(st.text(max_size=50), st.datetimes().map(str), st.datetimes(timezones=st.just(UTC)).map(str))
)
def test_whatever_comes_is_a_span_in_order_or_none(text: str) -> None:
    span = read_span(text)
    assert span is None or 0 <= span.earliest <= span.latest
