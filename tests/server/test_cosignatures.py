"""Of each member that is in, the newest checkpoint it cosigned is served, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.checkpoints import Checkpoint, log_key, witness_key
from highstreet.audit.merkle import leaf_hash
from highstreet.audit.signed_notes import NoteKey, SignedNote, cosign_text
from highstreet.audit.signing import public_key_bytes
from highstreet.server.cosignatures import Cosignatures

_LOG = Ed25519PrivateKey.generate()
_KEY = log_key("highstreet/log/coop/ab", public_key_bytes(_LOG))
_MEMBERS = {name: Ed25519PrivateKey.generate() for name in ("one", "two", "three")}


def _by(name: str) -> NoteKey:
    return witness_key(name, public_key_bytes(_MEMBERS[name]))


def _note(size: int, name: str) -> SignedNote:
    note = Checkpoint(origin=_KEY.name, size=size, root=leaf_hash(b"%d" % size)).sign(_LOG).note()
    line = cosign_text(note.text, name=name, private_key=_MEMBERS[name], at=1_800_000_000)
    return SignedNote(text=note.text, signatures=(*note.signatures, line))


@pytest.fixture
def kept(tmp_path: Path) -> Cosignatures:
    return Cosignatures(tmp_path / "checkpoint", _KEY)


def _add(kept: Cosignatures, size: int, name: str, current: set[str] | None = None) -> None:
    kept.add(_note(size, name), by=_by(name), current=set(_MEMBERS) if current is None else current)


def _served(kept: Cosignatures) -> dict[int, list[str]]:
    return {
        Checkpoint.from_text(note.text).size: sorted(line.name for line in note.signatures[1:])
        for note in kept.notes()
    }


def test_none_are_served_before_somebody_cosigned(kept: Cosignatures) -> None:
    assert kept.notes() == []


def test_each_member_stands_under_its_newest_checkpoint_alone(kept: Cosignatures) -> None:
    for size, name in ((3, "one"), (3, "two"), (5, "one"), (5, "three"), (9, "two")):
        _add(kept, size, name)
    assert _served(kept) == {5: ["one", "three"], 9: ["two"]}
    assert [Checkpoint.from_note(note, _KEY).size for note in kept.notes()] == [5, 9]


def test_an_older_or_the_same_one_again_changes_nothing(kept: Cosignatures) -> None:
    _add(kept, 5, "one")
    before = kept.notes()
    for size in (5, 4):
        _add(kept, size, "one")
    assert kept.notes() == before


def test_who_left_is_dropped_with_the_next_cosignature(kept: Cosignatures) -> None:
    _add(kept, 3, "one")
    _add(kept, 4, "two")
    _add(kept, 5, "three", current={"two", "three"})
    assert _served(kept) == {4: ["two"], 5: ["three"]}


@pytest.mark.parametrize("damage", [b"", b"junk", b'{"note":1}\n'])
def test_a_damaged_file_counts_as_none_and_is_written_anew(
    kept: Cosignatures, tmp_path: Path, damage: bytes
) -> None:
    _add(kept, 3, "one")
    (tmp_path / "checkpoint").write_bytes(damage)
    assert kept.notes() == []
    _add(kept, 3, "one")
    assert _served(kept) == {3: ["one"]}
