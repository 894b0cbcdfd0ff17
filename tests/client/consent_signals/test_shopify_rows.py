"""What Shopify's values mean here: rows of docs/consent-signals.md, one by one."""

from __future__ import annotations

import json

import pytest

from highstreet.audit.consent import Act, Method
from highstreet.client.consent_signals import shopify
from highstreet.client.consent_signals.reading import Reading, Remark
from tests.client.consent_signals.readings import AT, EMAIL, LATER, NOW, SMS, Said, marketing, only, said

# Shopify


def shopify_says(consent: object, *, sms: object = None, email: object = "Ann@Example.org") -> Reading:
    customer = {"id": 7, "email": email, "email_marketing_consent": consent, "sms_marketing_consent": sms}
    return shopify.read_customer(customer, now=NOW)


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
