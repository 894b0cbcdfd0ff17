"""Shopify's three privacy calls: checked against the shop's secret, and turned into rights that are acted on.

`customers/data_request` makes the customer's record, `customers/redact` erases the customer, `shop/redact`
everybody. A call counts only if it is signed with the secret that Shopify and the shop share, over the very
bytes that came, and is for this shop. What is asked twice is done once: who is gone stays gone, and a request
for data has a number.

Source: Shopify's documentation of mandatory compliance webhooks and of verifying webhooks (the base64 of the
HMAC-SHA256 of the raw body).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from highstreet.client.erasure import erase_customers, erase_everybody, finish_erasures
from highstreet.client.erasure_register import read_register
from highstreet.client.errors import ErasureIncompleteError, StoreConfigError, WebhookRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.locking import held
from highstreet.client.rights_desk import make_record
from highstreet.client.rights_requests import RequestKind, note_request
from highstreet.client.vault import Vault
from highstreet.files import read_limited, write_private
from highstreet.privacy.matching.errors import InvalidIdentifierError
from highstreet.privacy.matching.identifiers import normalise

__all__ = ["PrivacyAnswer", "PrivacyTopic", "answer_privacy_call", "check_signature", "keep_secret"]

#: Shopify's own calls are a few kilobytes; one with every order of a long-standing customer a few hundred.
BODY_LIMIT_BYTES = 1 << 20
_FILE_LIMIT_BYTES = 16 << 10
_DIGEST_BYTES = 32
_SHORTEST_SECRET = 16
_ID_BYTES = 16
_NUMBERED = "SELECT customer_id FROM customers WHERE customer_id IN (SELECT value FROM json_each(:names))"
_ADDRESSED = (
    "SELECT customer_id FROM customers JOIN identifiers USING (customer)"
    " WHERE kind = 'email' AND value IN (SELECT value FROM json_each(:names))"
)


class PrivacyTopic(StrEnum):
    """What is asked for, as the header `X-Shopify-Topic` names it."""

    DATA_REQUEST = "customers/data_request"
    REDACT_CUSTOMER = "customers/redact"
    REDACT_SHOP = "shop/redact"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyAnswer:
    """What was done.

    Attributes:
        status: to answer the call by, as in HTTP: 200.
        customers: how many customers' rows the call was about; nobody here is an answer like any other.
        files: what was made: the record's folder, or the certificate.
        undecided: how many more have the call's e-mail address and may be somebody else: nothing was done
            with them, and the owner has to ask whom it is about.
    """

    status: int
    customers: int
    files: tuple[Path, ...]
    undecided: int = 0


class _Call(BaseModel):
    """Fields that other versions of the calls may add are passed over; those here are held to their form.

    The topic stands in a header that nobody signs: what is signed has to be a call of that topic and of no
    other, so each kind wants the fields that are its own and refuses those of the others.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    of_others: ClassVar[frozenset[str]] = frozenset()

    shop_domain: str = Field(min_length=1, max_length=255)

    @model_validator(mode="before")
    @classmethod
    def _is_no_other_call(cls, fields: object) -> object:
        if isinstance(fields, dict) and not cls.of_others.isdisjoint(fields):
            raise ValueError("fields of a call of another topic")
        return fields


_OrderNumber = Annotated[int, Field(ge=0, lt=1 << 63)]


class _Customer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int = Field(ge=0, lt=1 << 63)
    email: str | None = Field(default=None, max_length=1024)


class _DataRequest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int = Field(ge=0, lt=1 << 63)


class _AboutCustomer(_Call):
    customer: _Customer


class _AskedForData(_AboutCustomer):
    of_others = frozenset({"orders_to_redact"})

    orders_requested: tuple[_OrderNumber, ...]
    data_request: _DataRequest


class _RedactCustomer(_AboutCustomer):
    of_others = frozenset({"data_request", "orders_requested"})

    orders_to_redact: tuple[_OrderNumber, ...]


class _RedactShop(_Call):
    of_others = frozenset({"customer", "orders_to_redact", "data_request", "orders_requested"})


_FORMS: Mapping[PrivacyTopic, type[_Call]] = {
    PrivacyTopic.DATA_REQUEST: _AskedForData,
    PrivacyTopic.REDACT_CUSTOMER: _RedactCustomer,
    PrivacyTopic.REDACT_SHOP: _RedactShop,
}


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    shop_domain: str = Field(min_length=1, max_length=255)
    secret: str = Field(min_length=_SHORTEST_SECRET, max_length=255)


def keep_secret(home: StoreHome, shop_domain: str, secret: str) -> None:
    """Keep the shop's name at Shopify and the secret its calls are signed with, for the owner alone to read.

    Raises:
        StoreConfigError: they cannot be that.
    """
    try:
        kept = _Kept(shop_domain=shop_domain.strip().casefold(), secret=secret.strip())
    except ValidationError as error:
        raise StoreConfigError(
            "That is no shop's name and secret of Shopify.",
            next_step="Give the name as in your-shop.myshopify.com, and the app's client secret.",
        ) from error
    home.ensure()
    write_private(home.shopify_secret, json.dumps(kept.model_dump()).encode())


def check_signature(body: bytes, signature: str, secret: str) -> None:
    """Return only when a body was signed with a secret, compared in constant time.

    Args:
        body: the very bytes that came.
        signature: the header `X-Shopify-Hmac-SHA256`, base64.
        secret: the app's client secret.

    Raises:
        WebhookRefusedError: 401, anything else.
    """
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        given = b""
    expected = hmac.digest(secret.encode(), body, sha256)
    if len(given) != _DIGEST_BYTES or not hmac.compare_digest(given, expected):
        raise WebhookRefusedError("The call is not signed with this shop's secret.", status=401)


def answer_privacy_call(
    home: StoreHome, *, topic: str, signature: str, body: bytes, now: datetime
) -> PrivacyAnswer:
    """Check a call and do what it asks for; what a server has to call, with the headers and the raw body.

    Args:
        home: the store's folder.
        topic: the header `X-Shopify-Topic`.
        signature: the header `X-Shopify-Hmac-SHA256`.
        body: the very bytes that came, before anything read them.
        now: the present moment, aware.

    Raises:
        WebhookRefusedError: 413 too large, 401 not signed, 404 another topic, 400 unreadable, another shop's,
            or signed as a call of another topic; nothing was done, and which of the shop's customers exist
            plays no part in it.
        StoreConfigError: no secret is kept here.
        ClientError: it could not be done now; Shopify calls again.
    """
    if len(body) > BODY_LIMIT_BYTES:
        raise WebhookRefusedError("The call is larger than any of Shopify's.", status=413)
    kept = _read_secret(home)
    check_signature(body, signature, kept.secret)
    try:
        asked = PrivacyTopic(topic)
    except ValueError as error:
        raise WebhookRefusedError("The call is none of the three privacy calls.", status=404) from error
    call = _parsed(_FORMS[asked], body, kept.shop_domain)
    with held(home.shopify_secret.with_suffix(".lock")):
        if not home.vault.exists():
            return PrivacyAnswer(status=200, customers=0, files=())
        with suppress(ErasureIncompleteError):  # another person's: it stays unfinished, and stops nobody's
            finish_erasures(home, now=now)
        return _answer(home, call, now=now)


def _answer(home: StoreHome, call: _Call, *, now: datetime) -> PrivacyAnswer:
    if isinstance(call, _AskedForData):
        return _answer_data(home, call, now=now)
    if isinstance(call, _RedactCustomer):
        return _answer_redaction(home, call, now=now)
    done = erase_everybody(home, source="shopify", now=now)
    return PrivacyAnswer(status=200, customers=0, files=(done.file,))


def _answer_data(home: StoreHome, call: _AskedForData, *, now: datetime) -> PrivacyAnswer:
    source = f"shopify request {call.data_request.id}"
    found = _found(home, call.customer, is_left_open=False)
    if _is_done(home, source):
        return PrivacyAnswer(
            status=200, customers=len(found.theirs), files=(), undecided=len(found.undecided)
        )
    if found.undecided and not found.theirs:
        _leave_open(home, RequestKind.ACCESS, found.undecided, source=source, now=now)
    folders = tuple(make_record(home, each, source=source, now=now).folder for each in found.theirs)
    return PrivacyAnswer(
        status=200, customers=len(found.theirs), files=folders, undecided=len(found.undecided)
    )


def _answer_redaction(home: StoreHome, call: _RedactCustomer, *, now: datetime) -> PrivacyAnswer:
    # What stays with others must not be the number of whoever is erased.
    digest = hmac.digest(_read_secret(home).secret.encode(), b"redact\0%d" % call.customer.id, sha256)
    source = f"shopify redaction {digest[:_ID_BYTES].hex()}, of somebody with this e-mail address"
    is_left_open = _is_done(home, source)
    found = _found(home, call.customer, is_left_open=is_left_open)
    if found.undecided and not is_left_open:
        _leave_open(home, RequestKind.ERASE, found.undecided, source=source, now=now)
    files = (erase_customers(home, found.theirs, source="shopify", now=now).file,) if found.theirs else ()
    return PrivacyAnswer(status=200, customers=len(found.theirs), files=files, undecided=len(found.undecided))


def _parsed(form: type[_Call], body: bytes, shop_domain: str) -> _Call:
    try:
        call = form.model_validate_json(body)
    except (ValidationError, ValueError, RecursionError) as error:
        raise WebhookRefusedError("The call cannot be read as one of its topic.", status=400) from error
    if call.shop_domain.strip().casefold() != shop_domain:
        raise WebhookRefusedError("The call is about another shop.", status=400)
    return call


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The shop's numbers of whom a call is about, and of those who may be somebody else."""

    theirs: tuple[str, ...]
    undecided: tuple[str, ...]


def _found(home: StoreHome, customer: _Customer, *, is_left_open: bool) -> _Found:
    """Find a customer of Shopify's by what the shop numbers customers by, else by an address of one alone.

    The shop's number is Shopify's, or the e-mail address itself where Shopify's exports were imported. An
    address that was given for matching may be a household's: it counts if one customer has it, none is there
    by number, no such number was erased lately, and nobody was left open for this call before.
    """
    names = {str(customer.id)}
    email = (customer.email or "").strip()
    if email:
        names |= {email.casefold(), _spelt(email)}
    with Vault.open(home.vault) as vault, vault.read() as connection:
        numbered, addressed = (
            {number for (number,) in connection.execute(question, {"names": json.dumps(sorted(names))})}
            for question in (_NUMBERED, _ADDRESSED)
        )
    others = tuple(sorted(addressed - numbered))
    is_gone = read_register(home.root).erased_at(str(customer.id)) is not None
    if not numbered and len(others) == 1 and not is_left_open and not is_gone:
        return _Found(theirs=others, undecided=())
    return _Found(theirs=tuple(sorted(numbered)), undecided=others)


def _leave_open(
    home: StoreHome, kind: RequestKind, customer_ids: Sequence[str], *, source: str, now: datetime
) -> None:
    """Write down that one of these asked for something, so that it is not done to the last one left."""
    with Vault.open(home.vault) as vault:
        customers = [vault.customer_key(each) for each in customer_ids]
        with vault.write() as connection:
            for customer in customers:
                note_request(connection, kind, customer, made_at=int(now.timestamp()), source=source)


def _spelt(email: str) -> str:
    try:
        return normalise(email)
    except InvalidIdentifierError:
        return email.casefold()


def _is_done(home: StoreHome, source: str) -> bool:
    with Vault.open(home.vault) as vault, vault.read() as connection:
        found = connection.execute("SELECT 1 FROM rights_requests WHERE source = ?", (source,)).fetchone()
    return found is not None


def _read_secret(home: StoreHome) -> _Kept:
    if not home.shopify_secret.exists():
        raise StoreConfigError(
            "No secret of Shopify's is kept here, so no call can be believed.",
            next_step="Keep it: highstreet store rights shopify-secret SHOP.myshopify.com",
        )
    try:
        data = read_limited(home.shopify_secret, limit_bytes=_FILE_LIMIT_BYTES)
        return _Kept.model_validate_json(data)
    except (ValidationError, ValueError) as error:
        raise StoreConfigError(
            f"{home.shopify_secret} is damaged.",
            next_step="Keep the secret again: highstreet store rights shopify-secret SHOP.myshopify.com",
        ) from error
