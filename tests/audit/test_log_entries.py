"""Entries of the log: one spelling, closed forms, no room for a person."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.canonical import Json, canonical_json
from highstreet.audit.errors import LogEntryError
from highstreet.audit.log_entries import EntryDraft, EntryKind, LogEntry, key_in

HASH = "0f" * 32
BODIES: dict[EntryKind, dict[str, Json]] = {
    EntryKind.OPENING: {
        "origin": "highstreet/log/coop/ab",
        "role": "coordinator",
        "coop_id": "ab",
        "member_id": None,
        "public_key": HASH,
    },
    EntryKind.ROUND: {
        "run": "training",
        "programme_id": "ab",
        "round": 3,
        "phase": "popularity",
        "step": "opened",
        "document_sha256": HASH,
    },
    EntryKind.RELEASE: {"step": "published", "number": 1, "manifest_sha256": HASH},
    EntryKind.SPEND: {
        "event": "spend",
        "sequence": 1,
        "chain": HASH,
        "noise_multiplier": 1.5,
        "sampling_rate": 1,
    },
    EntryKind.CONSENT_ROOT: {"position": 4, "root": HASH},
    EntryKind.ATTESTATION: {"programme_id": "ab", "round": 3, "attestation_sha256": HASH},
    EntryKind.OVERRIDE: {"programme_id": "ab", "document_sha256": HASH},
    EntryKind.MEMBERSHIP: {"step": "vouched", "member_id": "ab", "subject_id": "cd"},
    EntryKind.ERASURE: {"commitment": HASH},
    EntryKind.WITNESS: {"step": "began", "origin": "highstreet/log/coop/ab", "size": 0, "root": None},
    EntryKind.VERDICT: {"programme_id": "ab", "verdict": "pass", "document_sha256": HASH},
}


def _entry(kind: EntryKind, key: str = "a/1") -> LogEntry:
    return LogEntry(at=1_800_000_000, draft=EntryDraft(kind=kind, key=key, body=BODIES[kind]))


@pytest.mark.parametrize("kind", list(EntryKind))
def test_every_kind_is_read_back_as_it_was_written(kind: EntryKind) -> None:
    document = _entry(kind).document()
    assert LogEntry.from_document(document).document() == document
    assert key_in(document) == "a/1"
    assert canonical_json(json.loads(document)) == document


@pytest.mark.parametrize("kind", list(EntryKind))
@pytest.mark.parametrize("extra", ["customer_id", "note", "email"])
def test_no_kind_takes_a_field_that_is_not_its_own(kind: EntryKind, extra: str) -> None:
    with pytest.raises(LogEntryError):
        EntryDraft(kind=kind, key="a", body={**BODIES[kind], extra: "someone@example.org"})


@pytest.mark.parametrize("kind", list(EntryKind))
def test_no_field_of_text_takes_a_name_or_an_address(kind: EntryKind) -> None:
    for field, value in BODIES[kind].items():
        if isinstance(value, str):
            with pytest.raises(LogEntryError):
                EntryDraft(kind=kind, key="a", body={**BODIES[kind], field: "Jane Doe <jane@example.org>"})


@pytest.mark.parametrize("kind", list(EntryKind))
def test_the_body_of_one_kind_is_never_anothers(kind: EntryKind) -> None:
    for other in set(EntryKind) - {kind}:
        with pytest.raises(LogEntryError):
            EntryDraft(kind=kind, key="a", body=BODIES[other])


@pytest.mark.parametrize("key", ["", "A", "a b", "a" * 201, 'a"', "é", "/a"])
def test_a_key_of_another_form_is_refused(key: str) -> None:
    with pytest.raises(LogEntryError):
        _entry(EntryKind.VERDICT, key)


@pytest.mark.parametrize("at", [-1, 1 << 40])
def test_a_time_that_no_clock_shows_is_refused(at: int) -> None:
    with pytest.raises(LogEntryError):
        LogEntry(at=at, draft=_entry(EntryKind.VERDICT).draft)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"at":', b'"at": '),
        (b'"format_version":1', b'"format_version":2'),
        (b'"format_version":1', b'"format_version":1.0'),
        (b'"kind":"verdict"', b'"kind":"rumour"'),
        (b'"at":1800000000', b'"at":"1800000000"'),
        (b"{", b'{"a":1,'),
    ],
)
def test_another_spelling_or_version_is_refused(old: bytes, new: bytes) -> None:
    document = _entry(EntryKind.VERDICT).document()
    LogEntry.from_document(document)
    with pytest.raises(LogEntryError):
        LogEntry.from_document(document.replace(old, new, 1))


@given(st.binary(max_size=120))
def test_bytes_from_outside_are_refused(data: bytes) -> None:
    with pytest.raises(LogEntryError):
        LogEntry.from_document(data)


STORE = {"origin": "highstreet/log/store/ab/cd", "role": "store", "coop_id": "ab", "member_id": "cd"}


def test_a_stores_opening_is_read() -> None:
    body = {**STORE, "public_key": HASH}
    assert EntryDraft(kind=EntryKind.OPENING, key="opening", body=body).body["member_id"] == "cd"


@pytest.mark.parametrize(
    "change",
    [
        {"role": "coordinator"},
        {"role": "coordinator", "origin": "highstreet/log/coop/ab"},
        {"member_id": None},
        {"member_id": None, "origin": "highstreet/log/coop/ab"},
        {"member_id": "ce"},
        {"coop_id": "ac"},
        {"origin": "highstreet/log/store/ab/ce"},
        {"coop_id": "a" * 64, "member_id": "b" * 64},
    ],
)
def test_an_opening_under_another_name_than_its_owners_is_refused(change: dict[str, Json]) -> None:
    """Its signatures would be taken for those of the log it names."""
    body: dict[str, Json] = {**STORE, "public_key": HASH, **change}
    with pytest.raises(LogEntryError, match="opening"):
        EntryDraft(kind=EntryKind.OPENING, key="opening", body=body)
