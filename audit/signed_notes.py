"""Signed notes: a text with Ed25519 signatures under it, as transparency logs and their witnesses write them.

Source: C2SP signed-note, https://c2sp.org/signed-note, and tlog-cosignature v1,
https://c2sp.org/tlog-cosignature. What is signed begins with the note's own text or with `cosignature/v1`;
documents of `audit.signing` begin with `highstreet/v1/`. No text here may begin so, and no signature over the
one passes for the other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from highstreet.audit.errors import SignedNoteError

__all__ = [
    "NOTE_LIMIT_BYTES",
    "NoteKey",
    "NoteKeyKind",
    "NoteSignature",
    "SignedNote",
    "cosign_text",
    "decode_base64",
    "sign_text",
    "verify_cosignature",
    "verify_signature",
]

NOTE_LIMIT_BYTES = 64 << 10
_SIGNATURES_LIMIT = 256
_NAME = re.compile(r"[!-*,-~]{1,200}")  # printable ASCII but space and plus
_DASH = "\N{EM DASH} "
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_TIME_BYTES = 8


class NoteKeyKind(IntEnum):
    """What a key signs; a part of its id."""

    LOG = 0x01
    WITNESS = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """Who may sign, as it is published (a vkey).

    Attributes:
        name: printable ASCII without space and plus; of a log, its origin.
        kind: whether it signs notes or cosigns them.
        public_key: raw Ed25519, 32 bytes.
    """

    name: str
    kind: NoteKeyKind
    public_key: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.public_key) != _KEY_BYTES:
            raise SignedNoteError("A verifier key's name or bytes are not of their form.")

    def key_id(self) -> bytes:
        """Return the 4 bytes that name the key in a signature; they prove nothing."""
        hashed = self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key
        return hashlib.sha256(hashed).digest()[:4]

    def to_text(self) -> str:
        """Return it as `name+id+key`, which `from_text` reads."""
        key = base64.b64encode(bytes([self.kind]) + self.public_key).decode()
        return f"{self.name}+{self.key_id().hex()}+{key}"

    @classmethod
    def from_text(cls, text: str) -> NoteKey:
        """Read a verifier key.

        Raises:
            SignedNoteError: it is none, of another kind, or its id is another's.
        """
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise SignedNoteError("A verifier key is a name, an id and a key with a plus between them.")
        raw = decode_base64(parts[2], length=1 + _KEY_BYTES)
        if raw[0] not in {kind.value for kind in NoteKeyKind}:
            raise SignedNoteError("A verifier key is of a kind that is not known here.")
        key = cls(name=parts[0], kind=NoteKeyKind(raw[0]), public_key=raw[1:])
        if key.key_id().hex() != parts[1]:
            raise SignedNoteError("A verifier key's id is not its own: it was mistyped or changed.")
        return key


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One line under a note.

    Attributes:
        name, key_id: whose it says it is.
        signature: what follows the id: 64 bytes; of a witness, its time (8 bytes) before them.
    """

    name: str
    key_id: bytes
    signature: bytes

    def to_line(self) -> str:
        """Return the line, its end included."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"

    def is_by(self, key: NoteKey) -> bool:
        """Whether it says it is this key's."""
        return self.name == key.name and self.key_id == key.key_id()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedNote:
    """A text and the signatures under it, which nobody has checked yet.

    Attributes:
        text: ends with the end of a line.
        signatures: at least one.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        """Return the note as it travels; `from_bytes` gives back the same."""
        return (self.text + "\n" + "".join(each.to_line() for each in self.signatures)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> SignedNote:
        """Read a note.

        Raises:
            SignedNoteError: too large, not UTF-8, with control characters, or without signatures.
        """
        if len(data) > NOTE_LIMIT_BYTES:
            raise SignedNoteError(f"A signed note has at most {NOTE_LIMIT_BYTES} bytes.")
        try:
            whole = data.decode()
        except UnicodeDecodeError as error:
            raise SignedNoteError("A signed note is not text.") from error
        text, gap, below = whole.rpartition("\n\n")
        lines = below.split("\n")
        if not gap or any(sign < " " and sign != "\n" for sign in whole) or lines[-1] != "":
            raise SignedNoteError("Bytes are not a signed note.")
        if not 1 <= len(lines) - 1 <= _SIGNATURES_LIMIT:
            raise SignedNoteError("A signed note has no signatures, or too many.")
        return cls(text=text + "\n", signatures=tuple(_signature(line) for line in lines[:-1]))

    def signature_by(self, key: NoteKey) -> bytes:
        """Return what the key's first line holds, unchecked.

        Raises:
            SignedNoteError: no line says it is that key's.
        """
        for each in self.signatures:
            if each.is_by(key):
                return each.signature
        raise SignedNoteError(f"The note carries no signature by {key.name}.")


def sign_text(text: str, *, name: str, private_key: Ed25519PrivateKey) -> NoteSignature:
    """Return a log's signature over a text."""
    key = NoteKey(name=name, kind=NoteKeyKind.LOG, public_key=private_key.public_key().public_bytes_raw())
    return NoteSignature(name=name, key_id=key.key_id(), signature=private_key.sign(_own(text)))


def verify_signature(note: SignedNote, key: NoteKey) -> None:
    """Return only when the note carries this log's signature.

    Raises:
        SignedNoteError: it does not, or the key is a witness's.
    """
    if key.kind is not NoteKeyKind.LOG:
        raise SignedNoteError("A witness's key does not sign notes.")
    _verify(key, note.signature_by(key), _own(note.text))


def cosign_text(text: str, *, name: str, private_key: Ed25519PrivateKey, at: int) -> NoteSignature:
    """Return a witness's cosignature, version 1, over a checkpoint's text.

    Args:
        text: of the checkpoint.
        name: the witness's.
        private_key: the witness's.
        at: unix seconds.
    """
    key = NoteKey(name=name, kind=NoteKeyKind.WITNESS, public_key=private_key.public_key().public_bytes_raw())
    signature = at.to_bytes(_TIME_BYTES) + private_key.sign(_cosigned(text, at))
    return NoteSignature(name=name, key_id=key.key_id(), signature=signature)


def verify_cosignature(note: SignedNote, key: NoteKey) -> int:
    """Return when this witness cosigned the note, in unix seconds.

    Raises:
        SignedNoteError: it did not, or the key is a log's.
    """
    if key.kind is not NoteKeyKind.WITNESS:
        raise SignedNoteError("A log's key does not cosign.")
    stamped = note.signature_by(key)
    at = int.from_bytes(stamped[:_TIME_BYTES])
    _verify(key, stamped[_TIME_BYTES:], _cosigned(note.text, at))
    return at


def decode_base64(text: str, *, length: int | None = None) -> bytes:
    """Return the bytes of standard base64 in its one spelling.

    Raises:
        SignedNoteError: it is not that, or of another length.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignedNoteError("A text is not base64.") from error
    if base64.b64encode(data).decode() != text or (length is not None and len(data) != length):
        raise SignedNoteError("A text in base64 is not of the length or spelling it should have.")
    return data


def _own(text: str) -> bytes:
    if text.startswith(("highstreet/v1/", "cosignature/")) or not text.endswith("\n"):
        raise SignedNoteError("A text of this form is not signed as a note.")
    return text.encode()


def _cosigned(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _NAME.fullmatch(name):
        raise SignedNoteError("A line under a signed note is not a signature.")
    raw = decode_base64(encoded)
    if not 4 < len(raw) <= 4 + _TIME_BYTES + _SIGNATURE_BYTES:
        raise SignedNoteError("A signature under a note is not of a length that is known here.")
    return NoteSignature(name=name, key_id=raw[:4], signature=raw[4:])


def _verify(key: NoteKey, signature: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise SignedNoteError(f"The signature of {key.name} does not match.") from error
