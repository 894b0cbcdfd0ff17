from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet import cli
from highstreet.audit.canonical import canonical_json
from highstreet.audit.consent import Act, Channel, ConsentEvent, Method, NoticeName, Purpose
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.audit.errors import AuditError, ReceiptError, SignatureMismatchError, UnreadableDocumentError
from highstreet.audit.receipt_context import PROCESSES, RECEIPT_CONTEXT, RIGHTS, STATES, STATUS_OF
from highstreet.audit.receipt_format import from_jsonld, sign_receipt, to_jsonld, verify_receipt
from highstreet.audit.receipts import (
    MAX_ENTRIES,
    Receipt,
    ReceiptEntry,
    ReceiptIssuer,
    Standing,
)
from highstreet.audit.signing import SignatureKind, SignedDocument

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
NOTICE = NoticeName(version="2026-11", language="de-AT", sha256=bytes(32))
AT = 1_772_355_600_123_456


def entry(*, position: int = 1, salt: bytes = bytes(32), **changes: Any) -> ReceiptEntry:
    whole = ConsentEvent(
        event_id="ab" * 16,
        customer=7,
        purpose=Purpose.COOP_LEARNING,
        channel=Channel.EVERYWHERE,
        act=Act.GIVEN,
        at=AT,
        valid_until=AT + 1,
        method=Method.FORM,
        source="till",
        notice=NOTICE,
    )
    return ReceiptEntry(position=position, salt=salt, event=replace(whole, **changes))


def receipt(**changes: Any) -> Receipt:
    whole = Receipt(
        receipt_id="12345678-1234-4234-8234-123456789abc",
        issued_at=AT + 5,
        issuer=ReceiptIssuer(
            name="Käse & Co <b>",
            contact="privacy@kaese.example, +43 1 234",
            country="AT",
            public_key=KEY.public_key().public_bytes_raw(),
        ),
        customer_id="C-1",
        standings=(
            Standing(purpose=Purpose.COOP_LEARNING, channel=Channel.EVERYWHERE, state="granted"),
            Standing(purpose=Purpose.EMAIL_MARKETING, channel=Channel.EMAIL, state="not_asked"),
        ),
        customer=7,
        entries=(entry(),),
        older_entries=0,
        log_position=2_000,
        log_root=bytes(32),
    )
    return replace(whole, **changes)


_EVENTS = st.builds(
    ConsentEvent,
    event_id=st.text("0123456789abcdef", min_size=32, max_size=32),
    customer=st.just(7),
    purpose=st.sampled_from((Purpose.COOP_LEARNING, Purpose.EMAIL_MARKETING)),
    channel=st.sampled_from(Channel),
    act=st.sampled_from(Act),
    at=st.integers(0, 253_402_300_799_999_999),
    valid_until=st.one_of(st.none(), st.integers(0, 253_402_300_799_999_999)),
    method=st.sampled_from(Method),
    source=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    notice=st.one_of(st.none(), st.just(NOTICE)),
    evidence_sha256=st.one_of(st.none(), st.binary(min_size=32, max_size=32)),
)
_ENTRIES = st.lists(
    st.builds(
        ReceiptEntry,
        position=st.integers(1, 2_000),
        salt=st.binary(min_size=32, max_size=32),
        event=_EVENTS,
    ),
    max_size=8,
    unique_by=(lambda each: (each.event.at, each.event.event_id), lambda each: each.position),
).map(lambda entries: tuple(sorted(entries, key=lambda each: (each.event.at, each.event.event_id))))


@settings(deadline=None)
@given(_ENTRIES, st.integers(0, 10**6), st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_a_receipt_signed_and_written_down_is_read_back_as_it_was(
    entries: tuple[ReceiptEntry, ...], older: int, customer_id: str
) -> None:
    whole = receipt(entries=entries, older_entries=older, customer_id=customer_id)
    file = sign_receipt(whole, KEY).to_file_bytes()
    assert verify_receipt(file) == whole
    assert verify_receipt(file, public_key=whole.issuer.public_key) == whole


def test_a_changed_receipt_is_refused_wherever_it_was_changed() -> None:
    file = json.loads(sign_receipt(receipt(), KEY).to_file_bytes())
    places = [path for path in _paths(file["document"])]
    assert len(places) > 100
    for path in places:
        changed = copy.deepcopy(file)
        _change(changed["document"], path)
        with pytest.raises(AuditError):
            verify_receipt(json.dumps(changed).encode())


def test_a_receipt_by_another_key_is_refused() -> None:
    whole = receipt()
    document = canonical_json(to_jsonld(whole))
    forged = SignedDocument.create(SignatureKind.RECEIPT, to_jsonld(whole), OTHER)
    with pytest.raises(SignatureMismatchError):
        verify_receipt(forged.to_file_bytes())
    other_kind = SignedDocument.create(SignatureKind.JOIN, to_jsonld(whole), KEY)
    with pytest.raises(SignatureMismatchError):
        verify_receipt(replace(other_kind, kind=SignatureKind.RECEIPT, document=document).to_file_bytes())
    with pytest.raises(SignatureMismatchError):
        verify_receipt(sign_receipt(whole, KEY).to_file_bytes(), public_key=bytes(32))
    with pytest.raises(ReceiptError):
        sign_receipt(whole, OTHER)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update({"@context": {**RECEIPT_CONTEXT, "dpv": "https://elsewhere.example/"}}),
        lambda value: value.update({"@context": "https://w3id.org/dpv"}),
        lambda value: value.update({"dpv:hasThirdParty": "urn:x"}),
        lambda value: value["dpv:hasRecordOfActivity"].reverse(),
        lambda value: value["dpv:hasRecordOfActivity"].append(value["dpv:hasRecordOfActivity"][0]),
        lambda value: value["dpv:hasRecordOfActivity"][0].pop("hs:purpose"),
        lambda value: value["dpv:hasRecordOfActivity"][0].update({"dpv:hasConsentStatus": {}}),
        lambda value: value.update({"hs:olderEntries": -1}),
        lambda value: value.update({"hs:olderEntries": True}),
        lambda value: value.update({"dct:created": "2026-03-01T09:00:00Z"}),
        lambda value: value.clear(),
    ],
)
def test_even_signed_a_document_that_says_more_or_other_is_no_receipt(
    change: Callable[[dict[str, Any]], None],
) -> None:
    value: dict[str, Any] = json.loads(canonical_json(to_jsonld(receipt())))
    change(value)
    if [record.get("hs:purpose") for record in value.get("dpv:hasRecordOfActivity", [])] == [
        "email_marketing",
        "coop_learning",
    ]:
        # Another order of records is another receipt, which is just as good when it is signed so.
        assert from_jsonld(value).standings[0].purpose is Purpose.EMAIL_MARKETING
        return
    signed = SignedDocument.create(SignatureKind.RECEIPT, value, KEY)
    with pytest.raises(ReceiptError):
        verify_receipt(signed.to_file_bytes())


def test_an_entry_stands_in_the_log_by_its_leaf_and_no_other_event_fits_it() -> None:
    value: dict[str, Any] = json.loads(canonical_json(to_jsonld(receipt())))
    said = value["dpv:hasRecordOfActivity"][0]["dpv:hasConsentStatus"][0]
    assert said["hs:leaf"] == consent_leaf(entry().event, bytes(32)).hex()
    for name, other in (("dct:source", "web"), ("hs:salt", "01" * 32), ("hs:leaf", "01" * 32)):
        changed = copy.deepcopy(value)
        changed["dpv:hasRecordOfActivity"][0]["dpv:hasConsentStatus"][0][name] = other
        with pytest.raises(ReceiptError):
            from_jsonld(changed)


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 10_000, b"\xff", b"null", b"0" * (4 << 20)])
def test_what_is_no_file_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDocumentError):
        verify_receipt(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"receipt_id": "1"},
        {"issued_at": -1},
        {"issued_at": 253_402_300_800_000_000},
        {"customer_id": ""},
        {"customer_id": "x" * 501},
        {"standings": ()},
        {"standings": (Standing(purpose=Purpose.COOP_LEARNING, channel=Channel.WEB, state="perhaps"),)},
        {"standings": (Standing(purpose=Purpose.MATCHING, channel=Channel.WEB, state="granted"),)},
        {"standings": (Standing(purpose=Purpose.COOP_LEARNING, channel=Channel.WEB, state="granted"),) * 2},
        {"older_entries": -1},
        {"entries": (entry(event_id="b"), entry(event_id="a", position=2))},
        {"entries": (entry(), entry(at=AT + 1))},
        {"entries": (entry(customer=8),)},
        {"entries": (entry(position=0),)},
        {"entries": (entry(position=2_001),)},
        {"entries": (entry(salt=b"x"),)},
        {"entries": (entry(evidence_sha256=b"x"),)},
        {"log_root": b"x"},
        {"customer": 0, "entries": ()},
        {"entries": (entry(), entry())},
        {"entries": (entry(notice=replace(NOTICE, sha256=b"x")),)},
        {"entries": (entry(source=""),)},
        {"entries": tuple(entry(at=at, position=at + 1) for at in range(MAX_ENTRIES + 1))},
        {"issuer": ReceiptIssuer(name="x", contact="x", country="at", public_key=bytes(32))},
        {"issuer": ReceiptIssuer(name="x", contact="", country="AT", public_key=bytes(32))},
        {"issuer": ReceiptIssuer(name="x", contact="x", country="AT", public_key=b"x")},
    ],
)
def test_a_receipt_out_of_range_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ReceiptError):
        receipt(**wrong)


def test_a_receipt_of_as_many_events_as_there_may_be_fits() -> None:
    entries = tuple(entry(at=at, position=at + 1, source="x" * 100) for at in range(MAX_ENTRIES))
    whole = receipt(entries=entries)
    assert verify_receipt(sign_receipt(whole, KEY).to_file_bytes()) == whole


def test_every_purpose_act_and_state_has_its_words_in_the_vocabulary() -> None:
    assert set(STATUS_OF) == set(Act)
    assert {purpose.value for purpose in Purpose} <= set(PROCESSES)
    prefixes = {name for name in RECEIPT_CONTEXT if ":" not in name} - {"@version"}
    used = [*STATUS_OF.values(), *STATES.values(), *RIGHTS]
    for process in PROCESSES.values():
        used += [process.broader, process.legal_basis, *process.personal_data]
    used += [name for name in RECEIPT_CONTEXT if ":" in name]
    assert {term.split(":")[0] for term in used} <= prefixes


def test_an_objection_is_a_refusal_by_the_right_to_object_and_a_rule_is_the_shops_own() -> None:
    acts = (Act.OBJECTED, Act.REFUSED, Act.EXPIRED)
    methods = (Method.SIGNAL, Method.FORM, Method.RULE)
    entries = tuple(
        entry(act=act, method=method, at=at, position=at + 1)
        for at, (act, method) in enumerate(zip(acts, methods, strict=True))
    )
    value: Any = to_jsonld(receipt(entries=entries))
    objected, refused, expired = value["dpv:hasRecordOfActivity"][0]["dpv:hasConsentStatus"]
    assert objected["@type"] == refused["@type"] == "dpv:ConsentRefused"
    assert (objected["dpv:hasRight"], "dpv:hasRight" in refused) == (["eu-gdpr:A21"], False)
    assert refused["dpv:isIndicatedBy"] == "dpv:DataSubject"
    assert expired["dpv:isIndicatedBy"] == "dpv:DataController"


def test_the_command_says_what_a_receipt_says_and_refuses_a_changed_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "receipt.json"
    path.write_bytes(sign_receipt(receipt(customer_id="C-1\u202e\x1b[2K"), KEY).to_file_bytes())
    assert cli.main(["audit", "receipt", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "Käse & Co <b>" in shown
    assert "learning together with the co-op: granted" in shown
    assert "2026-03-01 09:00 UTC" in shown
    assert KEY.public_key().public_bytes_raw().hex() in shown
    assert "\x1b" not in shown
    assert cli.main(["audit", "receipt", str(path), "--key", KEY.public_key().public_bytes_raw().hex()]) == 0
    assert "cannot tell whose key" not in capsys.readouterr().out
    assert cli.main(["audit", "receipt", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["@type"] == "dpv:ConsentReceipt"
    assert cli.main(["audit", "receipt", str(path), "--key", "00" * 32]) == 1
    assert cli.main(["audit", "receipt", str(path), "--key", "x"]) == 2
    path.write_text(path.read_text().replace("till", "web1"))
    assert cli.main(["audit", "receipt", str(path)]) == 1
    assert cli.main(["audit", "receipt", str(tmp_path / "none.json")]) == 1
    assert "none.json does not exist" in capsys.readouterr().err


def _paths(value: object, before: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    if isinstance(value, dict):
        return [path for name, each in value.items() for path in _paths(each, (*before, name))]
    if isinstance(value, list):
        return [path for place, each in enumerate(value) for path in _paths(each, (*before, place))]
    return [before]


def _change(document: Any, path: tuple[object, ...]) -> None:
    *way, last = path
    for step in way:
        document = document[step]
    old = document[last]
    document[last] = old + 1 if isinstance(old, int | float) else f"{old}x"
