"""What shows that an erasure was logged: its opening, the entry, and that the entry is in the shop's log."""

from __future__ import annotations

from highstreet.audit.canonical import Json
from highstreet.audit.checkpoints import Checkpoint
from highstreet.audit.errors import SignedNoteError
from highstreet.audit.log_download import CHECKPOINT
from highstreet.audit.log_entries import key_in
from highstreet.audit.log_files import ENTRIES, read_lines
from highstreet.audit.merkle import MerkleTree, leaf_hash
from highstreet.audit.signed_notes import NOTE_LIMIT_BYTES, SignedNote
from highstreet.client.erasure_openings import ErasureOpenings
from highstreet.client.errors import ErasureOpeningsError
from highstreet.client.home import StoreHome
from highstreet.client.store_log import erasure_key
from highstreet.files import read_limited

__all__ = ["logged_erasure"]


def logged_erasure(home: StoreHome, certificate_sha256: str) -> dict[str, Json]:
    """Return as plain values what shows somebody without the log that it binds a certificate.

    The entry as it stands in the log, what opens its commitment, and its inclusion proof (RFC 9162, 2.1.3)
    under the newest checkpoint that the coordinator cosigned; without the proof while none covers the entry.
    Looks only, changes nothing, and may be asked for while the store runs.

    Raises:
        ErasureOpeningsError: no entry is bound to that certificate, or what opens the entries is damaged.
        FileAccessError: a file cannot be read.
    """
    for opening in ErasureOpenings(home).all():
        if certificate_sha256 not in opening.certificates:
            continue
        lines = read_lines(home.log / ENTRIES).lines
        key = erasure_key(opening.occasion)
        index = next((number for number, line in enumerate(lines) if key_in(line) == key), None)
        if index is not None:
            return {
                "certificate_sha256": certificate_sha256,
                "certificates": list(opening.certificates),
                "salt": opening.salt.hex(),
                "entry": lines[index].decode(),
                "index": index,
                **_included(home, lines, index),
            }
    raise ErasureOpeningsError(
        "No entry of this shop's log is bound to that certificate yet.",
        next_step="The next round of the co-op that the shop contributes to writes one, whoever was erased.",
    )


def _included(home: StoreHome, lines: list[bytes], index: int) -> dict[str, Json]:
    """Return the proof that an entry is in the log as the coordinator cosigned it, and that checkpoint."""
    path = home.log / CHECKPOINT
    if not path.is_file():
        return {}
    note = SignedNote.from_bytes(read_limited(path, limit_bytes=NOTE_LIMIT_BYTES))
    size = Checkpoint.from_text(note.text).size
    if not index < size:
        return {}
    if size > len(lines):
        raise SignedNoteError("The log is smaller than what the coordinator cosigned of it.")
    proof = MerkleTree(map(leaf_hash, lines[:size])).inclusion_proof(index)
    return {"checkpoint": note.to_bytes().decode(), "proof": [each.hex() for each in proof]}
