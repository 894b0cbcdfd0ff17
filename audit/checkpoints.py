"""A checkpoint: what a log says of itself at one size, signed; and the line in which the log keeps it.

Source: C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint: three lines with origin, size and root, in a
signed note. Extension lines are not used, and refused.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.errors import SignedNoteError
from highstreet.audit.merkle import HASH_BYTES
from highstreet.audit.signed_notes import (
    NoteKey,
    NoteKeyKind,
    NoteSignature,
    SignedNote,
    decode_base64,
    sign_text,
    verify_signature,
)

__all__ = [
    "HEAD_LIMIT_BYTES",
    "Checkpoint",
    "LogHead",
    "coordinator_origin",
    "log_key",
    "store_origin",
    "witness_key",
]

#: No line of a log's heads is longer, its end not counted.
HEAD_LIMIT_BYTES = 256
_ORIGIN = re.compile(r"[a-z0-9][a-z0-9./-]{0,127}")
_SIZE = re.compile(r"[1-9][0-9]{0,15}")
_LINE = re.compile(rb"([1-9][0-9]{0,15}) ([A-Za-z0-9+/=]{44}) ([A-Za-z0-9+/=]{92})")


def coordinator_origin(coop_id: str) -> str:
    """Return the name of a coordinator's log."""
    return _checked_origin(f"highstreet/log/coop/{coop_id}")


def store_origin(coop_id: str, member_id: str) -> str:
    """Return the name of a store's log: of one membership, for its keys and its id end with it."""
    return _checked_origin(f"highstreet/log/store/{coop_id}/{member_id}")


def log_key(origin: str, public_key: bytes) -> NoteKey:
    """Return the key that signs a log's checkpoints."""
    return NoteKey(name=origin, kind=NoteKeyKind.LOG, public_key=public_key)


def witness_key(origin: str, public_key: bytes) -> NoteKey:
    """Return the key with which the owner of a log cosigns others' checkpoints."""
    return NoteKey(name=origin, kind=NoteKeyKind.WITNESS, public_key=public_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a log says of itself.

    Attributes:
        origin: which log.
        size: number of entries, at least 1.
        root: the tree's head, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the three lines that are signed."""
        return f"{_checked_origin(self.origin)}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Read the three lines.

        Raises:
            SignedNoteError: they are not a checkpoint, or there are more.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not _SIZE.fullmatch(lines[1]):
            raise SignedNoteError("A signed note is not a checkpoint.")
        root = decode_base64(lines[2], length=HASH_BYTES)
        return cls(origin=_checked_origin(lines[0]), size=int(lines[1]), root=root)

    @classmethod
    def from_note(cls, note: SignedNote, key: NoteKey) -> Checkpoint:
        """Read a checkpoint that this log signed.

        Raises:
            SignedNoteError: it is none, of another log, or not signed by it.
        """
        checkpoint = cls.from_text(note.text)
        if checkpoint.origin != key.name:
            raise SignedNoteError("A checkpoint is of another log.")
        verify_signature(note, key)
        return checkpoint

    def sign(self, private_key: Ed25519PrivateKey) -> LogHead:
        """Return it with its log's signature."""
        signature = sign_text(self.text(), name=self.origin, private_key=private_key)
        return LogHead(checkpoint=self, key_id=signature.key_id, signature=signature.signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """A checkpoint with its log's signature, unchecked; the log keeps one for every append.

    Attributes:
        checkpoint: what is signed.
        key_id, signature: as in the note.
    """

    checkpoint: Checkpoint
    key_id: bytes
    signature: bytes

    def to_line(self) -> bytes:
        """Return the line of the log's heads, its end included: size, root, id and signature."""
        root = base64.b64encode(self.checkpoint.root)
        return b"%d %b %b\n" % (
            self.checkpoint.size,
            root,
            base64.b64encode(self.key_id + self.signature),
        )

    @classmethod
    def from_line(cls, line: bytes, origin: str) -> LogHead:
        """Read a line without its end.

        Raises:
            SignedNoteError: it is not one.
        """
        found = _LINE.fullmatch(line)
        if found is None:
            raise SignedNoteError("A line of the log's heads cannot be read.")
        size, root, signature = (part.decode() for part in found.groups())
        raw = decode_base64(signature, length=68)
        return cls(
            checkpoint=Checkpoint(
                origin=_checked_origin(origin), size=int(size), root=decode_base64(root, length=HASH_BYTES)
            ),
            key_id=raw[:4],
            signature=raw[4:],
        )

    def note(self) -> SignedNote:
        """Return it as the signed note that travels."""
        name = self.checkpoint.origin
        signature = NoteSignature(name=name, key_id=self.key_id, signature=self.signature)
        return SignedNote(text=self.checkpoint.text(), signatures=(signature,))

    def verify(self, key: NoteKey) -> Checkpoint:
        """Return the checkpoint, when this log signed it.

        Raises:
            SignedNoteError: it did not.
        """
        return Checkpoint.from_note(self.note(), key)


def _checked_origin(origin: str) -> str:
    if not _ORIGIN.fullmatch(origin) or origin.startswith("highstreet/v1/"):
        raise SignedNoteError("The name of a log is not of its form.")
    return origin
