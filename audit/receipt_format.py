"""Receipts as JSON-LD with DPV's terms, and back; signed by the shop.

There is one way to write a receipt. Reading takes the fields out, writes them again and compares, so a
document that says anything else anywhere (another context, a further node, a term that is not ours) is
refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.canonical import canonical_json, read_canonical
from highstreet.audit.consent import Act, Channel, ConsentEvent, Method, NoticeName, Purpose
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.audit.errors import ReceiptError, SignatureMismatchError, UnreadableDocumentError
from highstreet.audit.receipt_context import (
    PROCESSES,
    RECEIPT_CONTEXT,
    RECEIPT_SCHEMA,
    RECORD_SCHEMA,
    RIGHTS,
    STATES,
    STATUS_OF,
)
from highstreet.audit.receipts import OddEntry, Receipt, ReceiptEntry, ReceiptIssuer, Standing
from highstreet.audit.signing import DOCUMENT_LIMIT_BYTES, SignatureKind, SignedDocument

__all__ = ["from_jsonld", "sign_receipt", "to_jsonld", "verify_receipt"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_STORE = "urn:highstreet:store:"
_UUID = "urn:uuid:"
#: Indented for people, a document takes more room than what is signed.
_FILE_LIMIT_BYTES = 3 * DOCUMENT_LIMIT_BYTES


def sign_receipt(receipt: Receipt, private_key: Ed25519PrivateKey) -> SignedDocument:
    """Sign a receipt with the shop's key.

    Raises:
        ReceiptError: the receipt names another key.
    """
    if private_key.public_key().public_bytes_raw() != receipt.issuer.public_key:
        raise ReceiptError("The receipt names another key than the one it is to be signed by.")
    return SignedDocument.create(SignatureKind.RECEIPT, to_jsonld(receipt), private_key)


def verify_receipt(data: bytes, *, public_key: bytes | None = None) -> Receipt:
    """Return the receipt in a file, only when the key it names has signed it.

    Args:
        data: as `SignedDocument.to_file_bytes` wrote it.
        public_key: the shop's, as known from elsewhere; without it the receipt shows only that whoever has
            the key it names made it, and that nobody changed it since.

    Raises:
        UnreadableDocumentError: not a signed document.
        ReceiptError: not a receipt.
        SignatureMismatchError: changed, or signed by another key.
    """
    if len(data) > _FILE_LIMIT_BYTES:
        raise UnreadableDocumentError(f"The file has {len(data)} bytes, which no receipt has.")
    signed = SignedDocument.from_file_bytes(data)
    receipt = from_jsonld(read_canonical(signed.document, limit_bytes=DOCUMENT_LIMIT_BYTES))
    if public_key is not None and public_key != receipt.issuer.public_key:
        raise SignatureMismatchError(
            "The receipt was made with another key than that shop's.",
            next_step="Ask the shop whether it has changed its key; if not, it did not make this receipt.",
        )
    signed.verify(SignatureKind.RECEIPT, receipt.issuer.public_key)
    return receipt


def to_jsonld(receipt: Receipt) -> dict[str, object]:
    """Return the receipt as JSON-LD, its context included."""
    controller = _STORE + receipt.issuer.public_key.hex()
    odd = {"hs:oddEntry": [_odd(each) for each in receipt.odd_entries]} if receipt.odd_entries else {}
    return odd | {
        "@context": dict(RECEIPT_CONTEXT),
        "@id": _UUID + receipt.receipt_id,
        "@type": "dpv:ConsentReceipt",
        "dct:conformsTo": RECEIPT_SCHEMA,
        "dct:identifier": receipt.receipt_id,
        "dct:created": _moment(receipt.issued_at),
        "dct:publisher": controller,
        "schema:recipient": "dpv:DataSubject",
        "dpv:hasDataSubject": {
            "@id": f"{_UUID}{receipt.receipt_id}#subject",
            "@type": "dpv:Customer",
            "dct:identifier": receipt.customer_id,
        },
        "dpv:hasDataController": {
            "@id": controller,
            "@type": "dpv:DataController",
            "dpv:hasName": receipt.issuer.name,
            "dpv:hasContact": receipt.issuer.contact,
            "hs:country": receipt.issuer.country,
        },
        "dpv:hasConsentControl": {"@type": "dpv:WithdrawConsent", "dct:description": receipt.issuer.contact},
        "dpv:hasRight": list(RIGHTS),
        "hs:customer": receipt.customer,
        "hs:olderEntries": receipt.older_entries,
        "hs:logPosition": receipt.log_position,
        "hs:logRoot": receipt.log_root.hex(),
        "dpv:hasRecordOfActivity": [
            _record(receipt, purpose, controller)
            for purpose in dict.fromkeys(each.purpose for each in receipt.standings)
        ],
    }


def from_jsonld(value: Mapping[str, object]) -> Receipt:
    """Return the receipt that `to_jsonld` wrote.

    Raises:
        ReceiptError: anything else.
    """
    try:
        receipt = _read(value)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise ReceiptError("The document is not a receipt of this version.") from error
    if canonical_json(to_jsonld(receipt)) != canonical_json(value):
        raise ReceiptError("The document says more than a receipt of this version does.")
    return receipt


def _record(receipt: Receipt, purpose: Purpose, controller: str) -> dict[str, object]:
    process, name = PROCESSES[purpose.value], f"{receipt.receipt_id}#{purpose.value}"
    what: dict[str, object] = {
        "@type": "dpv:Process",
        "dpv:hasPurpose": {
            "@id": f"hs:purpose-{purpose.value}",
            "@type": "dpv:Purpose",
            "dct:description": purpose.plain_words,
            "skos:broader": process.broader,
        },
        "dpv:hasPersonalData": list(process.personal_data),
    }
    if process.recipients:
        what["dpv:hasRecipient"] = {"@type": "dpv:Recipient", "dct:description": process.recipients}
    return {
        "@id": _UUID + name,
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": RECORD_SCHEMA,
        "dct:identifier": name,
        "dpv:hasDataSubject": f"{_UUID}{receipt.receipt_id}#subject",
        "dpv:hasDataController": controller,
        "dpv:hasLegalBasis": process.legal_basis,
        "dpv:hasProcess": what,
        "hs:purpose": purpose.value,
        "hs:hasStanding": [_standing(each) for each in receipt.standings if each.purpose is purpose],
        "dpv:hasConsentStatus": [_entry(each) for each in receipt.entries if each.event.purpose is purpose],
    }


def _standing(standing: Standing) -> dict[str, object]:
    return {
        "hs:channel": standing.channel.value,
        "hs:state": standing.state,
        "dpv:hasStatus": STATES[standing.state],
    }


def _entry(entry: ReceiptEntry) -> dict[str, object]:
    event = entry.event
    by_person = event.method is not Method.RULE
    value: dict[str, object] = {
        "@type": STATUS_OF[event.act],
        "dct:identifier": event.event_id,
        "hs:act": event.act.value,
        "hs:channel": event.channel.value,
        "dpv:isIndicatedAtTime": _moment(event.at),
        "dpv:isIndicatedBy": "dpv:DataSubject" if by_person else "dpv:DataController",
        "dpv:hasIndicationMethod": event.method.value,
        "dct:source": event.source,
        "hs:position": entry.position,
        "hs:salt": entry.salt.hex(),
        "hs:leaf": consent_leaf(event, entry.salt).hex(),
    }
    if event.act is Act.OBJECTED:
        value["dpv:hasRight"] = ["eu-gdpr:A21"]
    if event.valid_until is not None:
        value["dct:valid"] = _moment(event.valid_until)
    if event.evidence_sha256 is not None:
        value["hs:evidenceSha256"] = event.evidence_sha256.hex()
    if event.notice is not None:
        value["dpv:hasNotice"] = {
            "@type": "dpv:ConsentNotice",
            "dct:identifier": event.notice.version,
            "dct:language": event.notice.language,
            "hs:sha256": event.notice.sha256.hex(),
        }
    return value


def _odd(entry: OddEntry) -> dict[str, object]:
    return {
        "hs:position": entry.position,
        "hs:record": entry.record,
        "hs:salt": entry.salt.hex(),
        "hs:leaf": entry.leaf.hex(),
    }


def _moment(microseconds: int) -> str:
    moment = (_EPOCH + microseconds * _MICROSECOND).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"


def _microseconds(value: object) -> int:
    return (datetime.fromisoformat(_text(value)) - _EPOCH) // _MICROSECOND


def _read(value: Mapping[str, object]) -> Receipt:
    controller = _node(value["dpv:hasDataController"])
    records = [_node(each) for each in _list(value["dpv:hasRecordOfActivity"])]
    statuses = [(_purpose(record), _list(record["dpv:hasConsentStatus"])) for record in records]
    customer = _whole(value["hs:customer"])
    entries = [_read_entry(customer, purpose, _node(each)) for purpose, said in statuses for each in said]
    return Receipt(
        receipt_id=_text(value["dct:identifier"]),
        issued_at=_microseconds(value["dct:created"]),
        issuer=ReceiptIssuer(
            name=_text(controller["dpv:hasName"]),
            contact=_text(controller["dpv:hasContact"]),
            country=_text(controller["hs:country"]),
            public_key=bytes.fromhex(_text(controller["@id"]).removeprefix(_STORE)),
        ),
        customer_id=_text(_node(value["dpv:hasDataSubject"])["dct:identifier"]),
        standings=tuple(_read_standings(records)),
        customer=customer,
        entries=tuple(sorted(entries, key=lambda entry: (entry.event.at, entry.event.event_id))),
        older_entries=_whole(value["hs:olderEntries"]),
        log_position=_whole(value["hs:logPosition"]),
        log_root=bytes.fromhex(_text(value["hs:logRoot"])),
        odd_entries=tuple(_read_odd(_node(each)) for each in _list(value.get("hs:oddEntry", []))),
    )


def _read_standings(records: Iterable[Mapping[str, object]]) -> Iterable[Standing]:
    for record in records:
        for each in map(_node, _list(record["hs:hasStanding"])):
            yield Standing(
                purpose=_purpose(record),
                channel=Channel(_text(each["hs:channel"])),
                state=_text(each["hs:state"]),
            )


def _read_entry(customer: int, purpose: Purpose, value: Mapping[str, object]) -> ReceiptEntry:
    notice, valid = value.get("dpv:hasNotice"), value.get("dct:valid")
    evidence = value.get("hs:evidenceSha256")
    event = ConsentEvent(
        event_id=_text(value["dct:identifier"]),
        customer=customer,
        purpose=purpose,
        channel=Channel(_text(value["hs:channel"])),
        act=Act(_text(value["hs:act"])),
        at=_microseconds(value["dpv:isIndicatedAtTime"]),
        method=Method(_text(value["dpv:hasIndicationMethod"])),
        source=_text(value["dct:source"]),
        valid_until=None if valid is None else _microseconds(valid),
        notice=None if notice is None else _read_notice(_node(notice)),
        evidence_sha256=None if evidence is None else bytes.fromhex(_text(evidence)),
    )
    return ReceiptEntry(
        position=_whole(value["hs:position"]), event=event, salt=bytes.fromhex(_text(value["hs:salt"]))
    )


def _read_odd(value: Mapping[str, object]) -> OddEntry:
    return OddEntry(
        position=_whole(value["hs:position"]),
        record=_text(value["hs:record"]),
        salt=bytes.fromhex(_text(value["hs:salt"])),
        leaf=bytes.fromhex(_text(value["hs:leaf"])),
    )


def _read_notice(value: Mapping[str, object]) -> NoticeName:
    return NoticeName(
        version=_text(value["dct:identifier"]),
        language=_text(value["dct:language"]),
        sha256=bytes.fromhex(_text(value["hs:sha256"])),
    )


def _purpose(record: Mapping[str, object]) -> Purpose:
    return Purpose(_text(record["hs:purpose"]))


def _node(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError("not a node")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError("not a whole number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
