"""How many witnesses cosigned how far; and what a quorum of which size makes impossible."""

from __future__ import annotations

from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given
from hypothesis import strategies as st

from highstreet.audit.checkpoints import Checkpoint, coordinator_origin, log_key, witness_key
from highstreet.audit.errors import SignedNoteError
from highstreet.audit.merkle import leaf_hash
from highstreet.audit.signed_notes import SignedNote, cosign_text
from highstreet.audit.signing import public_key_bytes
from highstreet.audit.witness_quorum import cosigned_sizes

_LOG = Ed25519PrivateKey.generate()
_NAMES = ("one", "two", "three")
_KEYS = {name: Ed25519PrivateKey.generate() for name in _NAMES}
_ORIGIN = coordinator_origin("ab" * 16)
_KEY = log_key(_ORIGIN, public_key_bytes(_LOG))
_WITNESSES = {name: witness_key(name, public_key_bytes(key)) for name, key in _KEYS.items()}


def _note(size: int, *names: str, keys: dict[str, Ed25519PrivateKey] | None = None) -> SignedNote:
    note = Checkpoint(origin=_ORIGIN, size=size, root=leaf_hash(b"%d" % size)).sign(_LOG).note()
    lines = [
        cosign_text(note.text, name=name, private_key=(keys or _KEYS)[name], at=1_800_000_000)
        for name in names
    ]
    return SignedNote(text=note.text, signatures=(*note.signatures, *lines))


def test_each_witness_counts_with_the_largest_size_that_it_cosigned() -> None:
    notes = [_note(3, "one", "two"), _note(9, "one"), _note(5, "two", "one")]
    assert cosigned_sizes(notes, _KEY, _WITNESSES) == {"one": 9, "two": 5}


def test_who_is_not_known_or_signed_with_another_key_does_not_count() -> None:
    strangers = {name: Ed25519PrivateKey.generate() for name in _NAMES}
    with_id = [
        type(line)(name=line.name, key_id=_WITNESSES[line.name].key_id(), signature=line.signature)
        for line in _note(4, "one", keys=strangers).signatures[1:]
    ]
    plain = _note(4)
    forged = SignedNote(text=plain.text, signatures=(*plain.signatures, *with_id))
    assert cosigned_sizes([forged, _note(4, "two", keys=strangers)], _KEY, _WITNESSES) == {}
    assert cosigned_sizes([_note(4, "one")], _KEY, {"two": _WITNESSES["two"]}) == {}


def test_a_note_that_the_log_did_not_sign_is_refused() -> None:
    other = Checkpoint(origin=_ORIGIN, size=4, root=leaf_hash(b"4")).sign(Ed25519PrivateKey.generate()).note()
    with pytest.raises(SignedNoteError):
        cosigned_sizes([other], _KEY, _WITNESSES)


def _can_be_split(members: int, colluders: int, needed: int) -> bool:
    """Try every way to divide the honest among two logs; the colluders cosign both."""
    honest = range(members - colluders)
    return any(
        len(left) + colluders >= needed and len(honest) - len(left) + colluders >= needed
        for size in range(1, len(honest))
        for left in combinations(honest, size)
    )


@given(st.integers(2, 9), st.integers(0, 3), st.integers(1, 9))
def test_a_split_takes_twice_the_quorum_from_members_and_colluders(
    members: int, colluders: int, needed: int
) -> None:
    """The claim of docs/log.md, against trying everything: impossible exactly when 2 f > n + c."""
    assume(colluders < members - 1 and colluders < needed <= members)
    assert _can_be_split(members, colluders, needed) == (2 * needed <= members + colluders)
