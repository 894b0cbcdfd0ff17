"""Shopify's calls: only what the shop's secret signed, byte for byte, for this shop, is acted on.

And once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from highstreet.audit.erasure_certificate import read_certificate
from highstreet.audit.limits import StoreLimits
from highstreet.audit.signing import SignedDocument
from highstreet.client.erasure import erase_customers
from highstreet.client.errors import StoreConfigError, WebhookRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.shopify_privacy import (
    BODY_LIMIT_BYTES,
    PrivacyAnswer,
    answer_privacy_call,
    check_signature,
    keep_secret,
)
from highstreet.client.vault import Vault
from tests.client.conftest import NOW
from tests.client.lived_in_store import EMAIL, PERSON, live

SECRET = "hush-of-the-app-4711"  # noqa: S105 - of a made-up app
SHOP = "corner.myshopify.com"
CUSTOMER = {"id": 191167, "email": EMAIL.upper(), "phone": "555-625-1199"}
#: In the form of Shopify's documentation.
DATA_REQUEST = {
    "shop_id": 954889,
    "shop_domain": SHOP,
    "orders_requested": [299938, 280263],
    "customer": CUSTOMER,
    "data_request": {"id": 9999},
}
REDACT = {"shop_id": 954889, "shop_domain": SHOP, "customer": CUSTOMER, "orders_to_redact": [299938]}
REDACT_SHOP = {"shop_id": 954889, "shop_domain": SHOP}


@pytest.fixture
def home(coop: Any, tmp_path: Any, limits: StoreLimits) -> StoreHome:
    made = live(StoreHome(tmp_path / "store"), coop, limits, tmp_path / "exports")
    keep_secret(made, SHOP, SECRET)
    return made


def _signature(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def _call(home: StoreHome, topic: str, payload: Any, *, signature: str | None = None) -> PrivacyAnswer:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signed = _signature(body) if signature is None else signature
    return answer_privacy_call(home, topic=topic, signature=signed, body=body, now=NOW)


def _holds(home: StoreHome) -> bool:
    return EMAIL.encode() in home.vault.read_bytes()


def test_a_signature_is_the_one_of_a_known_answer() -> None:
    """RFC 4231, test case 2, in base64."""
    known = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    check_signature(b"what do ya want for nothing?", base64.b64encode(known).decode(), "Jefe")


def test_a_request_for_data_makes_the_record_once(home: StoreHome) -> None:
    answer = _call(home, "customers/data_request", DATA_REQUEST)
    assert (answer.status, answer.customers) == (200, 1)
    record = json.loads((answer.files[0] / "record.json").read_text())
    assert record["customer_id"] == PERSON
    again = _call(home, "customers/data_request", DATA_REQUEST)
    assert (again.status, again.files) == (200, ())


def test_a_redaction_erases_by_the_email_address_whatever_its_spelling_and_again_does_nothing(
    home: StoreHome,
) -> None:
    answer = _call(home, "customers/redact", REDACT)
    assert answer.customers == 1
    assert answer.files[0].is_file()
    assert not _holds(home)
    assert _call(home, "customers/redact", REDACT) == PrivacyAnswer(status=200, customers=0, files=())


def test_a_customer_is_found_by_shopifys_number_too(home: StoreHome) -> None:
    with Vault.open(home.vault) as vault, vault.write() as connection:
        connection.execute("UPDATE customers SET customer_id = '191167' WHERE customer_id = ?", (PERSON,))
        connection.execute("DELETE FROM identifiers WHERE value = ?", (EMAIL,))
    assert (
        _call(home, "customers/redact", {**REDACT, "customer": {"id": 191167, "email": None}}).customers == 1
    )


def _share_the_address(home: StoreHome, *others: str) -> None:
    with Vault.open(home.vault) as vault:
        keys = [vault.customer_key(other) for other in others]
        with vault.write() as connection:
            for key in keys:
                connection.execute("DELETE FROM identifiers WHERE customer = ? AND kind = 'email'", (key,))
                connection.execute("INSERT INTO identifiers VALUES (?, 'email', ?)", (key, EMAIL))


def _numbers(home: StoreHome) -> set[str]:
    with Vault.open(home.vault) as vault, vault.read() as connection:
        return {number for (number,) in connection.execute("SELECT customer_id FROM customers")}


def test_of_an_address_that_several_share_nobody_is_erased_also_when_one_of_them_is_left(
    home: StoreHome,
) -> None:
    _share_the_address(home, "c1")
    before = _numbers(home)
    answer = _call(home, "customers/redact", REDACT)
    assert answer == PrivacyAnswer(status=200, customers=0, files=(), undecided=2)
    assert _numbers(home) == before
    erase_customers(home, [PERSON], source="the owner", now=NOW)
    assert _call(home, "customers/redact", REDACT).undecided == 1
    assert _numbers(home) == before - {PERSON}


def test_a_number_of_shopifys_goes_before_an_address_that_others_share(home: StoreHome) -> None:
    with Vault.open(home.vault) as vault, vault.write() as connection:
        connection.execute("UPDATE customers SET customer_id = '191167' WHERE customer_id = 'c2'")
    _share_the_address(home, "c1", "191167")
    before = _numbers(home)
    answer = _call(home, "customers/redact", REDACT)
    assert (answer.customers, answer.undecided) == (1, 2)
    certificate = read_certificate(SignedDocument.from_file_bytes(answer.files[0].read_bytes()))
    assert (certificate.people, certificate.removed["customers"]) == (1, 1)
    erase_customers(home, [PERSON], source="the owner", now=NOW)
    assert _call(home, "customers/redact", REDACT).customers == 0
    assert _numbers(home) == before - {"191167", PERSON}


def test_whose_number_was_erased_is_not_taken_for_the_other_one_of_the_address(home: StoreHome) -> None:
    with Vault.open(home.vault) as vault, vault.write() as connection:
        connection.execute("UPDATE customers SET customer_id = '191167' WHERE customer_id = 'c2'")
        connection.execute("DELETE FROM identifiers WHERE value = 'c2@example.org'")
    erase_customers(home, ["191167"], source="the owner", now=NOW)
    assert _call(home, "customers/redact", REDACT).undecided == 1
    assert _holds(home)


def test_no_record_is_made_of_somebody_who_may_be_somebody_else(home: StoreHome) -> None:
    _share_the_address(home, "c1")
    answer = _call(home, "customers/data_request", DATA_REQUEST)
    assert (answer.customers, answer.files, answer.undecided) == (0, (), 2)
    erase_customers(home, ["c1"], source="the owner", now=NOW)
    assert _call(home, "customers/data_request", DATA_REQUEST).files == ()


def test_a_shop_that_took_the_app_off_is_erased_as_a_whole(home: StoreHome) -> None:
    _call(home, "shop/redact", REDACT_SHOP)
    with Vault.open(home.vault) as vault, vault.read() as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (0,)


@pytest.mark.parametrize(
    ("signature", "topic", "payload", "status"),
    [
        ("", "customers/redact", REDACT, 401),
        ("AAAA", "customers/redact", REDACT, 401),
        ("not base64!", "customers/redact", REDACT, 401),
        ("ü", "customers/redact", REDACT, 401),
        (_signature(json.dumps(REDACT).encode(), "another"), "customers/redact", REDACT, 401),
        (
            _signature(json.dumps(REDACT).encode()),
            "customers/redact",
            json.dumps(REDACT).encode() + b" ",
            401,
        ),
        (None, "orders/create", REDACT, 404),
        (None, "", REDACT, 404),
        (None, "customers/redact", {**REDACT, "shop_domain": "other.myshopify.com"}, 400),
        (None, "shop/redact", {"shop_domain": "other.myshopify.com"}, 400),
        (None, "shop/redact", {}, 400),
        (None, "customers/redact", {"shop_domain": SHOP}, 400),
        (None, "customers/redact", {**REDACT, "customer": {"id": "1 OR 1=1"}}, 400),
        (None, "customers/redact", {**REDACT, "customer": {"id": -1}}, 400),
        (None, "customers/data_request", REDACT, 400),
        (None, "shop/redact", DATA_REQUEST, 400),
        (None, "shop/redact", REDACT, 400),
        (None, "shop/redact", {**REDACT_SHOP, "customer": None}, 400),
        (None, "customers/redact", DATA_REQUEST, 400),
        (None, "customers/redact", {**DATA_REQUEST, "orders_to_redact": []}, 400),
        (None, "customers/redact", REDACT_SHOP, 400),
        (None, "customers/data_request", {**DATA_REQUEST, "orders_to_redact": []}, 400),
        (None, "customers/redact", b"[" * 100_000, 400),
        (None, "customers/redact", b"\xff", 400),
        (None, "customers/redact", b"", 400),
        (None, "customers/redact", b" " * (BODY_LIMIT_BYTES + 1), 413),
    ],
)
def test_whatever_is_not_in_order_is_refused_and_nothing_is_done(
    home: StoreHome, signature: str | None, topic: str, payload: Any, status: int
) -> None:
    with pytest.raises(WebhookRefusedError) as refused:
        _call(home, topic, payload, signature=signature)
    assert refused.value.status == status
    assert EMAIL not in refused.value.for_user().casefold()
    assert _holds(home)


def test_without_a_secret_nothing_is_believed(home: StoreHome) -> None:
    home.shopify_secret.unlink()
    with pytest.raises(StoreConfigError, match="No secret"):
        _call(home, "customers/redact", REDACT)
    home.shopify_secret.write_text('{"secret": ""}')
    with pytest.raises(StoreConfigError, match="damaged"):
        _call(home, "customers/redact", REDACT, signature=_signature(json.dumps(REDACT).encode(), ""))
    assert _holds(home)


def test_the_secret_is_for_the_owner_alone(home: StoreHome) -> None:
    assert home.shopify_secret.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreConfigError):
        keep_secret(home, SHOP, "short")
    with pytest.raises(StoreConfigError):
        keep_secret(home, "", SECRET)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=st.binary(max_size=200) | st.from_regex(rb'\{"shop_domain": ?"[a-z.]*"[^}]*\}?', fullmatch=True))
def test_no_signed_bytes_at_all_do_more_than_be_refused(tmp_path: Any, body: bytes) -> None:
    home = StoreHome(tmp_path / "bare")
    keep_secret(home, SHOP, SECRET)
    with Vault.open(home.vault):
        pass
    for topic in ("customers/redact", "customers/data_request"):
        with pytest.raises(WebhookRefusedError):
            _call(home, topic, body)
