"""What each foreign value means here: the rows of docs/consent-signals.md, one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.consent import Act, Channel, Method, Purpose
from highstreet.audit.consent_signals import GRANTABLE
from highstreet.client.consent_signals import columns, consent_mode, klaviyo, mailchimp, shopify
from highstreet.client.consent_signals.gpc import read_gpc
from highstreet.client.consent_signals.json_text import Repeated, read_json
from highstreet.client.consent_signals.mailchimp import MailchimpList, list_of
from highstreet.client.consent_signals.reading import Reading, Remark, email_address, evidence
from tests.client.consent_signals.tc_strings import ALL, tc_string

NOW = round(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
AT = "2026-03-01T09:00:00Z"
AT_MICRO = round(datetime(2026, 3, 1, 9, tzinfo=UTC).timestamp()) * 1_000_000
LATER = "2027-03-01T09:00:00Z"
HOUR = 3_600_000_000

EMAIL = (Purpose.EMAIL_MARKETING, Channel.EMAIL)
SMS = (Purpose.EMAIL_MARKETING, Channel.SMS)
SUGGEST = (Purpose.SUGGESTIONS_HERE, Channel.WEB)
MODEL = (Purpose.SHOP_MODEL, Channel.WEB)
Said = dict[tuple[Purpose, Channel], Act]


def said(reading: Reading) -> Said:
    return {(signal.purpose, signal.channel): signal.act for signal in reading.signals}


def only(remark: Remark) -> Reading:
    return Reading(remarks=(remark,))


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


@pytest.mark.parametrize("value", ["1", " 1 ", "true", "True"])
def test_global_privacy_control_objects_to_all_that_goes_beyond_this_shop(value: str) -> None:
    reading = read_gpc(value, customer_id="c-1", at=AT, now=NOW)
    assert said(reading) == {
        (Purpose.COOP_LEARNING, Channel.EVERYWHERE): Act.OBJECTED,
        (Purpose.MATCHING, Channel.EVERYWHERE): Act.OBJECTED,
    }
    assert {signal.at for signal in reading.signals} == {AT_MICRO}


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_no_global_privacy_control_says_nothing(value: str) -> None:
    assert read_gpc(value, customer_id="c-1", at=AT, now=NOW) == Reading()


def test_another_value_of_global_privacy_control_is_told_and_says_nothing() -> None:
    assert read_gpc("2", customer_id="c-1", at=AT, now=NOW) == only(Remark.UNKNOWN_VALUE)


# Shopify


def shopify_says(consent: object, *, sms: object = None, email: object = "Ann@Example.org") -> Reading:
    customer = {"id": 7, "email": email, "email_marketing_consent": consent, "sms_marketing_consent": sms}
    return shopify.read_customer(customer, now=NOW)


def marketing(state: object, level: object = "confirmed_opt_in", at: object = AT) -> dict[str, object]:
    return {"state": state, "opt_in_level": level, "consent_updated_at": at, "collected_from": "OTHER"}


@pytest.mark.parametrize(
    ("consent", "meaning", "remarks"),
    [
        (marketing("subscribed"), {EMAIL: Act.GIVEN}, ()),
        (marketing("SUBSCRIBED", "SINGLE_OPT_IN"), {EMAIL: Act.GIVEN}, ()),
        (marketing("subscribed", "unknown"), {}, (Remark.UNKNOWN_OPT_IN,)),
        (marketing("subscribed", None), {}, (Remark.UNKNOWN_OPT_IN,)),
        (marketing("subscribed", at=None), {}, (Remark.UNDATED_YES,)),
        (marketing("subscribed", at=LATER), {}, (Remark.FUTURE_YES,)),
        (marketing("unsubscribed"), {EMAIL: Act.WITHDRAWN}, ()),
        (marketing("redacted"), {EMAIL: Act.WITHDRAWN}, ()),
        (marketing("pending"), {}, (Remark.UNCONFIRMED,)),
        (marketing("not_subscribed"), {}, (Remark.NEVER_ASKED,)),
        (marketing("invalid"), {}, (Remark.UNDELIVERABLE,)),
        (marketing("yes"), {}, (Remark.UNKNOWN_VALUE,)),
        (marketing(None), {}, (Remark.UNKNOWN_VALUE,)),
        (marketing(True), {}, (Remark.UNREADABLE,)),
        (None, {}, ()),
    ],
)
def test_shopifys_email_marketing(consent: object, meaning: Said, remarks: tuple[Remark, ...]) -> None:
    reading = shopify_says(consent)
    assert (said(reading), reading.remarks) == (meaning, remarks)
    assert {(s.customer_id, s.method) for s in reading.signals} <= {("ann@example.org", Method.IMPORT)}


def test_shopifys_text_messages_can_end_something_and_never_begin_it() -> None:
    assert shopify_says(None, sms=marketing("subscribed")) == only(Remark.NOT_ASKED_HERE)
    assert said(shopify_says(None, sms=marketing("unsubscribed"))) == {SMS: Act.WITHDRAWN}


@pytest.mark.parametrize("email", [None, "", "ann", "@example.org", "ann@", "a@b@c", "a b@c", "x" * 400])
def test_a_shopify_customer_without_an_address_is_nobody(email: object) -> None:
    reading = shopify_says(marketing("unsubscribed"), email=email)
    assert (reading.signals, len(reading.remarks)) == ((), 1)


def test_an_order_speaks_through_its_customer_only() -> None:
    order = {"id": 1, "email": "x@example.org", "buyer_accepts_marketing": True, "created_at": AT}
    assert shopify.read_order(order, now=NOW) == Reading()
    order["customer"] = {"email": "Ann@example.org", "email_marketing_consent": marketing("subscribed")}
    assert said(shopify.read_order(order, now=NOW)) == {EMAIL: Act.GIVEN}


def test_webhooks_are_read_by_topic() -> None:
    customer = {"email": "ann@example.org", "email_marketing_consent": marketing("unsubscribed")}
    update = {
        "customer_id": 7,
        "email_address": "ann@example.org",
        "email_marketing_consent": marketing("subscribed"),
    }
    ends = {EMAIL: Act.WITHDRAWN}
    for topic, payload, meaning in (
        ("customers/create", customer, ends),
        ("customers/update", customer, ends),
        ("orders/create", {"customer": customer}, ends),
        ("orders/updated", {"customer": customer}, ends),
        ("customers_email_marketing_consent/update", update, {EMAIL: Act.GIVEN}),
    ):
        reading = shopify.read_webhook(topic, json.dumps(payload).encode(), now=NOW)
        assert reading is not None
        assert said(reading) == meaning
    assert shopify.read_webhook("products/update", b"{}", now=NOW) is None
    assert shopify.read_webhook("customers/update", b"{", now=NOW) == only(Remark.UNREADABLE)
    assert shopify.read_webhook("customers/update", b"[" * 100_000, now=NOW) == only(Remark.UNREADABLE)
    assert shopify.read_webhook("customers/update", b" " * (1 << 21), now=NOW) == only(Remark.UNREADABLE)


def test_what_a_webhook_says_twice_about_one_thing_is_not_taken() -> None:
    body = (
        b'{"email": "a@b.org", "email_marketing_consent": {"state": "subscribed", "state": "unsubscribed"}}'
    )
    reading = shopify.read_webhook("customers/update", body, now=NOW)
    assert reading == only(Remark.UNREADABLE)


@pytest.mark.parametrize(
    ("row", "remarks"),
    [
        ({"accepts email marketing": "yes"}, (Remark.UNDATED_YES,)),
        ({"accepts (email) marketing": "yes"}, (Remark.UNDATED_YES,)),
        ({"accepts email marketing": "no"}, ()),
        ({"accepts sms marketing": "yes"}, (Remark.NOT_ASKED_HERE,)),
        ({"accepts email marketing": "maybe"}, (Remark.UNKNOWN_VALUE,)),
    ],
)
def test_shopifys_customers_export_answers_nothing(row: dict[str, str], remarks: tuple[Remark, ...]) -> None:
    assert shopify.read_export_row(row, now=NOW) == Reading(remarks=remarks)


# Mailchimp


def mailchimp_says(kind: MailchimpList = MailchimpList.SUBSCRIBED, **cells: str) -> Reading:
    row = {"email address": "Ann@Example.org", "optin_time": AT, "confirm_time": AT, **cells}
    return mailchimp.read_row(row, kind, now=NOW)


@pytest.mark.parametrize(
    ("kind", "cells", "meaning", "remarks"),
    [
        (MailchimpList.SUBSCRIBED, {}, {EMAIL: Act.GIVEN}, ()),
        (MailchimpList.SUBSCRIBED, {"optin_time": ""}, {}, (Remark.UNKNOWN_OPT_IN,)),
        (MailchimpList.SUBSCRIBED, {"confirm_time": ""}, {}, (Remark.UNCONFIRMED,)),
        (MailchimpList.SUBSCRIBED, {"confirm_time": "soon"}, {}, (Remark.UNDATED_YES,)),
        (MailchimpList.SUBSCRIBED, {"confirm_time": LATER}, {}, (Remark.FUTURE_YES,)),
        (MailchimpList.SUBSCRIBED, {"unsub_time": AT}, {EMAIL: Act.WITHDRAWN}, ()),
        (MailchimpList.SUBSCRIBED, {"clean_time": AT}, {}, (Remark.UNDELIVERABLE,)),
        (MailchimpList.SUBSCRIBED, {"email address": "none"}, {}, (Remark.NO_CUSTOMER,)),
        (MailchimpList.UNSUBSCRIBED, {"unsub_time": AT}, {EMAIL: Act.WITHDRAWN}, ()),
        (MailchimpList.UNSUBSCRIBED, {}, {EMAIL: Act.WITHDRAWN}, ()),
        (MailchimpList.CLEANED, {}, {}, (Remark.UNDELIVERABLE,)),
        (MailchimpList.CLEANED, {"unsub_time": AT}, {EMAIL: Act.WITHDRAWN}, ()),
        (MailchimpList.NONSUBSCRIBED, {}, {}, (Remark.NEVER_ASKED,)),
        (MailchimpList.UNTOLD, {}, {}, (Remark.UNKNOWN_LIST,)),
    ],
)
def test_mailchimp(
    kind: MailchimpList, cells: dict[str, str], meaning: Said, remarks: tuple[Remark, ...]
) -> None:
    reading = mailchimp_says(kind, **cells)
    assert (said(reading), reading.remarks) == (meaning, remarks)


def test_a_time_of_mailchimp_without_a_zone_favours_the_no() -> None:
    naive = "2026-03-01 09:00:00"
    (granted,) = mailchimp_says(optin_time=naive, confirm_time=naive).signals
    (ended,) = mailchimp_says(
        MailchimpList.UNSUBSCRIBED, unsub_time=naive, optin_time="", confirm_time=""
    ).signals
    assert (granted.at, ended.at) == (AT_MICRO - 14 * HOUR, AT_MICRO + 12 * HOUR)


def test_who_left_after_a_clock_was_wrong_has_left_all_the_same() -> None:
    (ended,) = mailchimp_says(MailchimpList.UNSUBSCRIBED, unsub_time="2026-02-01T00:00:00Z").signals
    assert ended.at == AT_MICRO


@pytest.mark.parametrize(
    ("name", "columns_", "kind"),
    [
        ("subscribed_members_export_1a2b3c.csv", set(), MailchimpList.SUBSCRIBED),
        ("subscribed_email_audience_export_1a2b3c.csv", set(), MailchimpList.SUBSCRIBED),
        ("unsubscribed_members_export_1a2b3c.csv", set(), MailchimpList.UNSUBSCRIBED),
        ("nonsubscribed_members_export_1a2b3c.csv", set(), MailchimpList.NONSUBSCRIBED),
        ("non-subscribed_members.csv", set(), MailchimpList.NONSUBSCRIBED),
        ("cleaned_members_export_1a2b3c.csv", set(), MailchimpList.CLEANED),
        ("subscribed_members.csv", {"unsub_time"}, MailchimpList.UNSUBSCRIBED),
        ("subscribed_members.csv", {"clean_time"}, MailchimpList.CLEANED),
        ("newsletter.csv", set(), MailchimpList.UNTOLD),
        ("old subscribed.csv", set(), MailchimpList.UNTOLD),
    ],
)
def test_which_of_mailchimps_files_it_is(name: str, columns_: set[str], kind: MailchimpList) -> None:
    assert list_of(name, columns_) is kind


# Klaviyo


def klaviyo_says(consent: str, **cells: str) -> Reading:
    names = {name.replace(" ", "_"): name for name in klaviyo.COLUMNS}
    row = {
        "email": "ann@example.org",
        "email marketing consent": consent,
        "email marketing consent timestamp": AT,
    }
    row |= {names[name]: cell for name, cell in cells.items()}
    return klaviyo.read_row(row, now=NOW)


@pytest.mark.parametrize(
    ("consent", "cells", "meaning", "remarks"),
    [
        ("SUBSCRIBED", {}, {EMAIL: Act.GIVEN}, ()),
        ("Subscribed", {}, {EMAIL: Act.GIVEN}, ()),
        ("SUBSCRIBED", {"email_marketing_consent_timestamp": ""}, {}, (Remark.UNDATED_YES,)),
        ("UNSUBSCRIBED", {}, {EMAIL: Act.WITHDRAWN}, ()),
        ("NEVER_SUBSCRIBED", {}, {}, (Remark.NEVER_ASKED,)),
        ("Never Subscribed", {}, {}, (Remark.NEVER_ASKED,)),
        ("", {}, {}, ()),
        ("true", {}, {}, (Remark.UNKNOWN_VALUE,)),
        ("SUBSCRIBED", {"email_suppressions": "['UNSUBSCRIBE']"}, {EMAIL: Act.WITHDRAWN}, ()),
        ("SUBSCRIBED", {"email_suppressions": "USER_SUPPRESSED"}, {EMAIL: Act.WITHDRAWN}, ()),
        ("SUBSCRIBED", {"email_suppressions": "HARD_BOUNCE"}, {}, (Remark.UNDELIVERABLE,)),
        ("SUBSCRIBED", {"email_suppressions": "???"}, {}, (Remark.UNDELIVERABLE,)),
        ("SUBSCRIBED", {"sms_marketing_consent": "UNSUBSCRIBED"}, {EMAIL: Act.GIVEN, SMS: Act.WITHDRAWN}, ()),
        ("", {"sms_marketing_consent": "SUBSCRIBED"}, {}, (Remark.NOT_ASKED_HERE,)),
        ("SUBSCRIBED", {"email": "ann"}, {}, (Remark.NO_CUSTOMER,)),
    ],
)
def test_klaviyos_lists(
    consent: str, cells: dict[str, str], meaning: Said, remarks: tuple[Remark, ...]
) -> None:
    reading = klaviyo_says(consent, **cells)
    assert (said(reading), reading.remarks) == (meaning, remarks)


def test_klaviyos_profiles_say_what_its_lists_say() -> None:
    def profile(consent: str, *suppressed: str) -> Reading:
        marketing = {
            "consent": consent,
            "consent_timestamp": AT,
            "suppression": [{"reason": reason, "timestamp": "2026-01-01T00:00:00Z"} for reason in suppressed],
        }
        subscriptions = {"email": {"marketing": marketing}, "sms": {"marketing": {"consent": "UNSUBSCRIBED"}}}
        attributes = {"email": "ann@example.org", "subscriptions": subscriptions, "phone_number": None}
        return klaviyo.read_profile({"type": "profile", "id": "01", "attributes": attributes}, now=NOW)

    assert said(profile("SUBSCRIBED")) == {EMAIL: Act.GIVEN, SMS: Act.WITHDRAWN}
    assert said(profile("NEVER_SUBSCRIBED")) == {SMS: Act.WITHDRAWN}
    ended = profile("SUBSCRIBED", "HARD_BOUNCE", "USER_SUPPRESSED")
    assert said(ended) == {EMAIL: Act.WITHDRAWN, SMS: Act.WITHDRAWN}
    assert ended.signals[0].at == AT_MICRO  # though the suppression's own clock says earlier than the yes
    assert klaviyo.read_profile({"attributes": 1}, now=NOW) == only(Remark.UNREADABLE)
    assert klaviyo.read_profile({"attributes": {}}, now=NOW) == Reading()


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


# Whatever comes

_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)  # halves of characters too
_CELLS = st.dictionaries(
    st.sampled_from(
        sorted({*columns.COLUMNS, *mailchimp.COLUMNS, *klaviyo.COLUMNS, "accepts email marketing"})
    ),
    st.one_of(
        _TEXT,
        st.sampled_from(
            ("granted", "denied", "update", "1", AT, "2026-03-01", "SUBSCRIBED", "a@b.org", "x" * 999)
        ),
    ),
)
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), _TEXT, st.just("subscribed")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ("email", "customer", "email_marketing_consent", "sms_marketing_consent", "state",
                 "attributes",
                 "subscriptions", "marketing", "consent", "suppression", "opt_in_level", "consent_updated_at")
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=20,
)  # fmt: skip


def sound(reading: Reading) -> None:
    for signal in reading.signals:
        assert signal.act is not Act.GIVEN or (signal.purpose, signal.channel) in GRANTABLE
        assert 0 <= signal.at <= NOW


@settings(max_examples=300, deadline=None)
@given(_CELLS, st.sampled_from(MailchimpList))
def test_whatever_row_comes_is_read_without_an_error_and_never_from_the_future(
    row: dict[str, str], kind: MailchimpList
) -> None:
    for reading in (
        columns.read_row(row, now=NOW),
        mailchimp.read_row(row, kind, now=NOW),
        klaviyo.read_row(row, now=NOW),
        shopify.read_export_row(row, now=NOW),
    ):
        sound(reading)


@settings(max_examples=300, deadline=None)
@given(_JSON)
def test_whatever_json_comes_is_read_without_an_error(value: object) -> None:
    for read in (shopify.read_customer, shopify.read_order, klaviyo.read_profile):
        sound(read(value, now=NOW))
    try:
        body = json.dumps(value, allow_nan=False).encode()
    except ValueError:
        return
    for topic in shopify.WEBHOOK_TOPICS:
        sound(shopify.read_webhook(topic, body, now=NOW) or Reading())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_bytes_come_are_json_or_none(data: bytes) -> None:
    read_json(data)


def test_json_with_infinities_or_monstrous_numbers_is_harmless() -> None:
    assert read_json(b"[NaN]") is None
    assert read_json(b"[-Infinity]") is None
    assert read_json("9" * 5_000) == "9" * 5_000


def test_the_same_record_has_the_same_evidence_and_another_has_another() -> None:
    first = mailchimp_says().signals[0].evidence_sha256
    assert first == mailchimp_says().signals[0].evidence_sha256
    assert first != mailchimp_says(optin_time="2026-03-01T08:00:00Z").signals[0].evidence_sha256
    assert evidence("a", {}) != evidence("b", {})


def test_an_address_is_written_one_way() -> None:
    assert email_address(" ANN@Example.ORG ") == "ann@example.org"
    assert email_address("ann@exa mple.org") == email_address("ann\x00@example.org") == ""
