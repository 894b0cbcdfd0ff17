"""Whatever comes as a signal is read without an error, and never as a yes that cannot be given."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.consent import Act
from highstreet.audit.consent_signals import GRANTABLE
from highstreet.client.consent_signals import columns, klaviyo, mailchimp, shopify
from highstreet.client.consent_signals.json_text import read_json
from highstreet.client.consent_signals.mailchimp import MailchimpList
from highstreet.client.consent_signals.reading import Reading, email_address
from tests.client.consent_signals.readings import AT, NOW

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


def test_an_address_is_written_one_way() -> None:
    assert email_address(" ANN@Example.ORG ") == "ann@example.org"
    assert email_address("ann@exa mple.org") == email_address("ann\x00@example.org") == ""
