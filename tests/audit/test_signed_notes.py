"""Signed notes: the published example, hostile bytes, and domains that stay apart."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.checkpoints import (
    Checkpoint,
    LogHead,
    coordinator_origin,
    log_key,
    store_origin,
    witness_key,
)
from highstreet.audit.errors import SignedNoteError
from highstreet.audit.signed_notes import (
    NoteKey,
    NoteKeyKind,
    SignedNote,
    cosign_text,
    sign_text,
    verify_cosignature,
    verify_signature,
)
from highstreet.audit.signing import SignatureKind, sign

#: The example in the documentation of golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\N{EM DASH} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
).encode()
COOP_ID = "ab" * 16
ORIGIN = coordinator_origin(COOP_ID)


def _key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"key %d" % number).digest())


def _public(number: int) -> bytes:
    return _key(number).public_key().public_bytes_raw()


def _checkpoint(size: int = 5) -> Checkpoint:
    return Checkpoint(origin=ORIGIN, size=size, root=hashlib.sha256(b"%d" % size).digest())


def test_the_published_note_is_read_and_verified() -> None:
    note, key = SignedNote.from_bytes(GO_NOTE), NoteKey.from_text(GO_KEY)
    verify_signature(note, key)
    assert note.to_bytes() == GO_NOTE
    assert key.to_text() == GO_KEY


def test_a_changed_published_note_is_not() -> None:
    with pytest.raises(SignedNoteError):
        verify_signature(
            SignedNote.from_bytes(GO_NOTE.replace(b"answer", b"Answer")), NoteKey.from_text(GO_KEY)
        )


def test_a_checkpoint_travels_and_says_what_was_signed() -> None:
    head = _checkpoint().sign(_key(1))
    note = SignedNote.from_bytes(head.note().to_bytes())
    assert Checkpoint.from_note(note, log_key(ORIGIN, _public(1))) == _checkpoint()
    assert LogHead.from_line(head.to_line()[:-1], ORIGIN) == head
    assert note.text == f"{ORIGIN}\n5\n{base64.b64encode(_checkpoint().root).decode()}\n"


@pytest.mark.parametrize(
    "key", [log_key(ORIGIN, _public(2)), log_key(store_origin(COOP_ID, "ab"), _public(1))]
)
def test_a_checkpoint_by_another_key_or_of_another_log_is_refused(key: NoteKey) -> None:
    with pytest.raises(SignedNoteError):
        Checkpoint.from_note(_checkpoint().sign(_key(1)).note(), key)


def test_a_cosignature_says_when_and_holds_for_one_checkpoint() -> None:
    name = store_origin(COOP_ID, "cd")
    head = _checkpoint().sign(_key(1))
    line = cosign_text(head.note().text, name=name, private_key=_key(2), at=1_800_000_000)
    note = SignedNote(text=head.note().text, signatures=(*head.note().signatures, line))
    again = SignedNote.from_bytes(note.to_bytes())
    assert verify_cosignature(again, witness_key(name, _public(2))) == 1_800_000_000
    other = SignedNote(text=_checkpoint(6).text(), signatures=note.signatures)
    with pytest.raises(SignedNoteError):
        verify_cosignature(other, witness_key(name, _public(2)))


def test_the_time_of_a_cosignature_is_signed() -> None:
    name, text = store_origin(COOP_ID, "cd"), _checkpoint().text()
    line = cosign_text(text, name=name, private_key=_key(2), at=1_800_000_000)
    moved = type(line)(
        name=line.name, key_id=line.key_id, signature=(1_800_000_001).to_bytes(8) + line.signature[8:]
    )
    with pytest.raises(SignedNoteError):
        verify_cosignature(SignedNote(text=text, signatures=(moved,)), witness_key(name, _public(2)))


def test_a_key_that_logs_does_not_cosign_nor_the_reverse() -> None:
    text = _checkpoint().text()
    own = SignedNote(text=text, signatures=(sign_text(text, name=ORIGIN, private_key=_key(1)),))
    stamped = SignedNote(text=text, signatures=(cosign_text(text, name=ORIGIN, private_key=_key(1), at=1),))
    for note, key, check in (
        (own, witness_key(ORIGIN, _public(1)), verify_cosignature),
        (own, log_key(ORIGIN, _public(1)), verify_cosignature),
        (stamped, log_key(ORIGIN, _public(1)), verify_signature),
        (stamped, witness_key(ORIGIN, _public(1)), verify_signature),
    ):
        with pytest.raises(SignedNoteError):
            check(note, key)


@pytest.mark.parametrize("kind", list(SignatureKind))
def test_no_signature_over_a_document_of_ours_passes_for_a_notes(kind: SignatureKind) -> None:
    """A document of the other domain begins as no origin, and no text that is signed, may begin."""
    text = "highstreet/v1/" + kind.value + "\n5\n" + base64.b64encode(bytes(32)).decode() + "\n"
    with pytest.raises(SignedNoteError):
        sign_text(text, name=ORIGIN, private_key=_key(1))
    with pytest.raises(SignedNoteError):
        Checkpoint.from_text(text)
    line = sign_text(_checkpoint().text(), name=ORIGIN, private_key=_key(1))
    assert sign(kind, _checkpoint().text().encode(), _key(1)) != line.signature


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n5\n",
        f"{ORIGIN}\n05\n{'A' * 43}=\n",
        f"{ORIGIN}\n0\n{'A' * 43}=\n",
        f"{ORIGIN}\n-1\n{'A' * 43}=\n",
        f"{ORIGIN}\n5\n{'A' * 43}=\nmore\n",
        f"{ORIGIN}\n5\n{'A' * 42}B=\n",
        f"{ORIGIN}\n5\n{'A' * 44}\n",
        f"{ORIGIN.upper()}\n5\n{'A' * 43}=\n",
        f"{ORIGIN}\n{'9' * 17}\n{'A' * 43}=\n",
    ],
)
def test_another_text_is_no_checkpoint(text: str) -> None:
    with pytest.raises(SignedNoteError):
        Checkpoint.from_text(text)


@given(st.binary(max_size=200))
def test_bytes_from_outside_are_a_note_or_are_refused(data: bytes) -> None:
    for each in (data, GO_NOTE[: len(data)] + data, GO_NOTE + data):
        try:
            note = SignedNote.from_bytes(each)
        except SignedNoteError:
            continue
        assert SignedNote.from_bytes(note.to_bytes()) == note


@given(st.integers(0, len(GO_NOTE) - 1), st.integers(1, 255))
def test_no_byte_of_a_note_may_change(place: int, turn: int) -> None:
    changed = bytes([*GO_NOTE[:place], GO_NOTE[place] ^ turn, *GO_NOTE[place + 1 :]])
    with pytest.raises(SignedNoteError):
        verify_signature(SignedNote.from_bytes(changed), NoteKey.from_text(GO_KEY))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        GO_KEY[:-1],
        GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("+A", "+B"),
        "a b" + GO_KEY,
    ],
)
def test_a_mistyped_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(SignedNoteError):
        NoteKey.from_text(text)


def test_a_note_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(SignedNoteError, match="at most"):
        SignedNote.from_bytes(b"a" * (65 << 10))


def test_the_two_kinds_of_keys_have_ids_of_their_own() -> None:
    assert log_key(ORIGIN, _public(1)).key_id() != witness_key(ORIGIN, _public(1)).key_id()
    assert NoteKey.from_text(witness_key(ORIGIN, _public(1)).to_text()).kind is NoteKeyKind.WITNESS
