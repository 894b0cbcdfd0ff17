"""What the values of Mailchimp and Klaviyo mean here: rows of docs/consent-signals.md, one by one."""

from __future__ import annotations

import pytest

from highstreet.audit.consent import Act
from highstreet.client.consent_signals import klaviyo, mailchimp
from highstreet.client.consent_signals.mailchimp import MailchimpList, list_of
from highstreet.client.consent_signals.reading import Reading, Remark, evidence
from tests.client.consent_signals.readings import AT, AT_MICRO, EMAIL, HOUR, LATER, NOW, SMS, Said, only, said

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


def test_the_same_record_has_the_same_evidence_and_another_has_another() -> None:
    first = mailchimp_says().signals[0].evidence_sha256
    assert first == mailchimp_says().signals[0].evidence_sha256
    assert first != mailchimp_says(optin_time="2026-03-01T08:00:00Z").signals[0].evidence_sha256
    assert evidence("a", {}) != evidence("b", {})
