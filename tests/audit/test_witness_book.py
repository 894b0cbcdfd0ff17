"""A witness: what it signs once binds it, and it signs nothing it has not kept."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit import append_only
from highstreet.audit.checkpoints import Checkpoint, store_origin
from highstreet.audit.errors import SignedNoteError, WitnessConflictError, WitnessRecordError
from highstreet.audit.merkle import MerkleTree, leaf_hash
from highstreet.audit.signed_notes import SignedNote, verify_cosignature
from highstreet.audit.witness import check_growth
from highstreet.audit.witness_book import WitnessBook
from highstreet.audit.witness_file import read_witness_file
from highstreet.files import DiskFullError
from tests.audit.made_up_log import BEGAN, COOP_ID, ORIGIN, MadeUpLog, made_up_key


@pytest.fixture
def log(tmp_path: Path) -> MadeUpLog:
    """10 entries; the witness has seen nothing."""
    return MadeUpLog(tmp_path, count=10, every=99)


def _note(log: MadeUpLog, size: int, tree: MerkleTree | None = None) -> SignedNote:
    grown = tree or MerkleTree(map(leaf_hash, log.entries))
    return Checkpoint(origin=ORIGIN, size=size, root=grown.root(size)).sign(log.key).note()


def _forked(log: MadeUpLog) -> MerkleTree:
    return MerkleTree([*map(leaf_hash, log.entries[:4]), *(leaf_hash(b"%d" % n) for n in range(12))])


def _again(log: MadeUpLog) -> WitnessBook:
    return WitnessBook(
        log.folder / "witness",
        name=store_origin(COOP_ID, "cd" * 8),
        private_key=made_up_key("store"),
        clock=lambda: BEGAN,
    )


def test_a_cosigned_checkpoint_is_kept_before_it_is_given(log: MadeUpLog) -> None:
    note = log.witness.cosign(_note(log, 4), log.log_key, ())
    assert verify_cosignature(note, log.witness.key) == int(log.now)
    assert read_witness_file(log.witness_file.read_bytes()) == [note]
    assert _again(log).latest(log.log_key) == Checkpoint.from_note(note, log.log_key)
    assert stat.S_IMODE(log.witness_file.stat().st_mode) == 0o600


def test_nothing_is_signed_that_could_not_be_kept(log: MadeUpLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes, at: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(append_only.os, "pwrite", full)
    with pytest.raises(DiskFullError):
        log.witness.cosign(_note(log, 4), log.log_key, ())
    monkeypatch.undo()
    assert log.witness.latest(log.log_key) is None


def test_the_same_checkpoint_gets_the_same_cosignature(log: MadeUpLog) -> None:
    first = log.witness.cosign(_note(log, 4), log.log_key, ())
    log.now += 500
    assert log.witness.cosign(_note(log, 4), log.log_key, ()) == first
    assert len(read_witness_file(log.witness_file.read_bytes())) == 1


def test_a_grown_log_is_cosigned_with_its_proof_only(log: MadeUpLog) -> None:
    log.witness.cosign(_note(log, 4), log.log_key, ())
    with pytest.raises(WitnessConflictError):
        log.witness.cosign(_note(log, 9), log.log_key, ())
    note = log.witness.cosign(_note(log, 9), log.log_key, log.book.consistency_proof(4, 9))
    assert Checkpoint.from_note(note, log.log_key).size == 9


def test_a_smaller_tree_is_never_signed_after_a_larger_one(log: MadeUpLog) -> None:
    log.witness.cosign(_note(log, 9), log.log_key, ())
    for witness in (log.witness, _again(log)):
        with pytest.raises(WitnessConflictError, match="had 9 before"):
            witness.cosign(_note(log, 4), log.log_key, ())


def test_two_roots_of_one_size_are_never_signed(log: MadeUpLog) -> None:
    log.witness.cosign(_note(log, 9), log.log_key, ())
    for witness in (log.witness, _again(log)):
        with pytest.raises(WitnessConflictError, match="same size"):
            witness.cosign(_note(log, 9, _forked(log)), log.log_key, ())


def test_a_forked_log_is_not_signed_and_kept_as_evidence(log: MadeUpLog) -> None:
    log.witness.cosign(_note(log, 9), log.log_key, ())
    other = _forked(log)
    note = _note(log, 12, other)
    with pytest.raises(WitnessConflictError, match="does not begin"):
        log.witness.cosign(note, log.log_key, other.consistency_proof(9, 12))
    assert read_witness_file(log.witness.keep_conflict(note).read_bytes()) == [note]
    assert log.witness.latest(log.log_key) == Checkpoint.from_note(_note(log, 9), log.log_key)


def test_what_the_log_did_not_sign_is_not_cosigned(log: MadeUpLog) -> None:
    checkpoint = Checkpoint.from_note(_note(log, 4), log.log_key)
    with pytest.raises(SignedNoteError):
        log.witness.cosign(checkpoint.sign(made_up_key("somebody")).note(), log.log_key, ())


def test_a_line_torn_by_a_power_cut_was_never_given_away(log: MadeUpLog) -> None:
    log.witness.cosign(_note(log, 4), log.log_key, ())
    whole = log.witness_file.read_bytes()
    with log.witness_file.open("ab") as file:
        file.write(whole[:50])
    assert _again(log).latest(log.log_key) == Checkpoint.from_note(_note(log, 4), log.log_key)
    assert log.witness_file.read_bytes() == whole


def test_a_record_that_was_changed_is_refused(log: MadeUpLog) -> None:
    log.witness.cosign(_note(log, 4), log.log_key, ())
    data = log.witness_file.read_bytes()
    log.witness_file.write_bytes(data.replace(b"\\n4\\n", b"\\n3\\n"))
    with pytest.raises(WitnessRecordError):
        _again(log).cosign(_note(log, 9), log.log_key, log.book.consistency_proof(4, 9))


def test_a_witness_that_lost_its_record_begins_with_what_it_is_shown(log: MadeUpLog) -> None:
    log.witness.cosign(_note(log, 9), log.log_key, ())
    os.unlink(log.witness_file)
    assert _again(log).latest(log.log_key) is None
    _again(log).cosign(_note(log, 4), log.log_key, ())


@given(st.lists(st.tuples(st.integers(1, 10), st.booleans()), max_size=12))
@settings(deadline=None, max_examples=60)
def test_whatever_it_is_shown_all_it_ever_signed_is_of_one_growing_log(
    tmp_path_factory: pytest.TempPathFactory, shown: list[tuple[int, bool]]
) -> None:
    log = MadeUpLog(tmp_path_factory.mktemp("log"), count=10, every=99)
    trees = {False: MerkleTree(map(leaf_hash, log.entries)), True: _forked(log)}
    signed: list[tuple[int, bool]] = []
    for size, is_forked in shown:
        tree = trees[is_forked]
        seen = log.witness.latest(log.log_key)
        proof = tree.consistency_proof(seen.size, size) if seen and seen.size < size else ()
        try:
            log.witness.cosign(_note(log, size, tree), log.log_key, proof)
        except WitnessConflictError:
            continue
        signed.append((size, is_forked))
    assert [size for size, _ in signed] == sorted(size for size, _ in signed)
    beyond = {is_forked for size, is_forked in signed if size > 4}
    assert len(beyond) <= 1


def test_a_checkpoint_of_another_log_is_a_conflict(log: MadeUpLog) -> None:
    seen = Checkpoint(origin="highstreet/log/coop/ff", size=1, root=bytes(32))
    with pytest.raises(WitnessConflictError):
        check_growth(seen, Checkpoint(origin=ORIGIN, size=2, root=bytes(32)), ())


@pytest.mark.parametrize("data", [b"", b"{}\n", b'{"note":1}\n', b"junk", b'{"note":"x"}\n', b"{\n"])
def test_a_file_that_is_no_witnesss_is_refused(data: bytes) -> None:
    with pytest.raises(SignedNoteError):
        read_witness_file(data)
