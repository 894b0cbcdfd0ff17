"""What the signals of a shop's own page mean here: rows of docs/consent-signals.md, one by one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from highstreet.audit.consent import Act, Channel, Purpose
from highstreet.client.consent_signals import columns, consent_mode
from highstreet.client.consent_signals.gpc import read_gpc
from highstreet.client.consent_signals.json_text import Repeated
from highstreet.client.consent_signals.reading import Reading, Remark
from tests.client.consent_signals.readings import AT, AT_MICRO, LATER, MODEL, NOW, SUGGEST, Said, only, said
from tests.client.consent_signals.tc_strings import ALL, tc_string

# Google Consent Mode v2


def consent_mode_says(states: Mapping[str, object], *, command: str = "update", at: str = AT) -> Reading:
    return consent_mode.read_consent_mode(command, states, customer_id="c-1", at=at, now=NOW)


@pytest.mark.parametrize(
    ("states", "meaning"),
    [
        ({}, {}),
        ({"personalization_storage": "granted"}, {SUGGEST: Act.GIVEN}),
        ({"analytics_storage": "granted"}, {}),
        (
            {"personalization_storage": "granted", "analytics_storage": "granted"},
            {SUGGEST: Act.GIVEN, MODEL: Act.GIVEN},
        ),
        (
            {"personalization_storage": "granted", "analytics_storage": "denied"},
            {SUGGEST: Act.GIVEN, MODEL: Act.REFUSED},
        ),
        ({"personalization_storage": "denied"}, {SUGGEST: Act.REFUSED, MODEL: Act.REFUSED}),
        ({"ad_storage": "granted", "ad_user_data": "granted", "ad_personalization": "granted"}, {}),
        ({"functionality_storage": "granted", "security_storage": "granted"}, {}),
        ({"personalization_storage": "Granted"}, {}),
        ({"personalization_storage": "DENIED"}, {SUGGEST: Act.REFUSED, MODEL: Act.REFUSED}),
        (
            {"personalization_storage": "granted", "analytics_storage": "Denied"},
            {SUGGEST: Act.GIVEN, MODEL: Act.REFUSED},
        ),
        ({"personalization_storage": True}, {}),
        ({"personalization_storage": "yes"}, {}),
        ({"made_up": "granted"}, {}),
        (
            {"personalization_storage": Repeated(("granted", "denied"))},
            {SUGGEST: Act.REFUSED, MODEL: Act.REFUSED},
        ),
        ({"personalization_storage": Repeated(("granted", "?"))}, {}),
    ],
)
def test_consent_mode(states: dict[str, object], meaning: Said) -> None:
    assert said(consent_mode_says(states)) == meaning


def test_a_preset_of_consent_mode_is_nobodys_answer() -> None:
    everything = dict.fromkeys(consent_mode.STATES, "granted")
    assert consent_mode_says(everything, command="default") == only(Remark.PRESET)
    assert consent_mode_says(everything, command="set") == only(Remark.UNKNOWN_VALUE)
    assert said(consent_mode_says(everything))  # the twin: as an update it is one


@pytest.mark.parametrize(
    ("at", "remark"), [("", Remark.UNDATED_YES), ("soon", Remark.UNDATED_YES), (LATER, Remark.FUTURE_YES)]
)
def test_a_yes_in_consent_mode_needs_a_date_and_a_no_counts_from_now_without(at: str, remark: Remark) -> None:
    assert consent_mode_says({"personalization_storage": "granted"}, at=at) == only(remark)
    assert {s.at for s in consent_mode_says({"personalization_storage": "denied"}, at=at).signals} == {NOW}


def test_states_of_consent_mode_given_twice_are_both_kept() -> None:
    text = '{"personalization_storage": "granted", "personalization_storage": "denied"}'
    states = consent_mode.read_consent_mode_states(text)
    assert states is not None
    assert said(consent_mode_says(states))[SUGGEST] is Act.REFUSED
    assert consent_mode.read_consent_mode_states("[]") is None
    assert consent_mode.read_consent_mode_states('{"a": ' + '"x"' * 2_000 + "}") is None


# Global Privacy Control


@pytest.mark.parametrize("value", ["1", " 1 ", "1.0", "true", "True"])
def test_global_privacy_control_objects_to_all_that_goes_beyond_this_shop(value: str) -> None:
    reading = read_gpc(value, customer_id="c-1", at=AT, now=NOW)
    assert said(reading) == {
        (Purpose.COOP_LEARNING, Channel.EVERYWHERE): Act.OBJECTED,
        (Purpose.MATCHING, Channel.EVERYWHERE): Act.OBJECTED,
    }
    assert {signal.at for signal in reading.signals} == {AT_MICRO}


@pytest.mark.parametrize("value", ["", "0", "0.0", "false"])
def test_no_global_privacy_control_says_nothing(value: str) -> None:
    assert read_gpc(value, customer_id="c-1", at=AT, now=NOW) == Reading()


def test_another_value_of_global_privacy_control_is_told_and_says_nothing() -> None:
    assert read_gpc("2", customer_id="c-1", at=AT, now=NOW) == only(Remark.UNKNOWN_VALUE)


# A table that the shop's own page wrote


def row_says(**cells: str) -> Reading:
    return columns.read_row({"customer_id": "c-1", "recorded_at": AT, **cells}, now=NOW)


def test_a_table_of_signals_reads_every_column() -> None:
    reading = row_says(
        consent_mode_command="update",
        personalization_storage="granted",
        analytics_storage="granted",
        tc_string=tc_string(vendors=()),
        sec_gpc="1",
    )
    acts = sorted((s.source, s.purpose.value, s.act.value) for s in reading.signals)
    assert acts == [
        ("global-privacy-control", "coop_learning", "objected"),
        ("global-privacy-control", "matching", "objected"),
        ("google-consent-mode-v2", "shop_model", "given"),
        ("google-consent-mode-v2", "suggestions_here", "given"),
        ("iab-tcf-v2", "shop_model", "refused"),
        ("iab-tcf-v2", "suggestions_here", "refused"),
    ]


def test_a_row_without_a_command_is_a_preset() -> None:
    assert row_says(personalization_storage="granted") == only(Remark.PRESET)
    assert row_says() == Reading()
    assert said(row_says(tc_string=tc_string(own=ALL)))


def test_a_row_without_a_customer_is_nobodys() -> None:
    reading = row_says(customer_id=" ", sec_gpc="1", tc_string="x", personalization_storage="denied")
    assert (reading.signals, set(reading.remarks)) == ((), {Remark.NO_CUSTOMER})
