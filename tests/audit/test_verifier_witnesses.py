"""What different witnesses saw is held against a log by itself; the log is no witness of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from highstreet.audit.checkpoints import Checkpoint, LogHead, store_origin, witness_key
from highstreet.audit.evidence import read_notes
from highstreet.audit.log_entries import LogEntry
from highstreet.audit.signed_notes import SignedNote, cosign_text
from highstreet.audit.signing import public_key_bytes
from highstreet.audit.verifier import verify_log
from tests.audit.made_up_log import (
    BEGAN,
    COOP_ID,
    ORIGIN,
    WITNESS,
    MadeUpLog,
    draft,
    made_up_key,
    signed_anew,
)


def _branch(log: MadeUpLog, *, parts_at: int) -> list[bytes]:
    """Another log of the same owner, as long: the same up to an entry, then of its own."""
    kept = log.entries[: parts_at - 1]
    return [
        *kept,
        *(LogEntry(at=BEGAN + 60 * n, draft=draft(700 + n)).document() for n in range(parts_at, 25)),
    ]


def _shown(log: MadeUpLog, entries: list[bytes], size: int, *witnesses: str) -> bytes:
    """A checkpoint of some entries as witnesses keep it; without one, as it was shown."""
    head = signed_anew(entries[:size], log.key)[-1]
    note = LogHead.from_line(head, log.log_key.name).note()
    at = LogEntry.from_document(entries[size - 1]).at
    lines = [
        cosign_text(note.text, name=store_origin(COOP_ID, name), private_key=made_up_key(name), at=at)
        for name in witnesses
    ]
    return replace(note, signatures=(*note.signatures, *lines)).to_bytes()


A, B = "aa" * 8, "bb" * 8


@pytest.mark.parametrize("is_known", [True, False])
def test_one_witness_who_agrees_does_not_narrow_what_another_saw(log: MadeUpLog, is_known: bool) -> None:
    """A saw this log all along, B another from entry 9 on: it parted between B's 4 and B's 14."""
    other = _branch(log, parts_at=9)
    sent = [_shown(log, log.entries, size, A) for size in (6, 12, 18, 24)]
    sent += [_shown(log, log.entries, 4, B), _shown(log, other, 14, B), _shown(log, other, 20, B)]
    names = [witness_key(store_origin(COOP_ID, each), public_key_bytes(made_up_key(each))) for each in (A, B)]
    keys = [log.log_key, *(names if is_known else [])]
    verdict = verify_log(log.material(), keys=keys, witnessed=read_notes(sent, where="sent"))
    assert [(each.first, each.last) for each in verdict.findings] == [(5, 14)]
    assert verdict.cosigned == ({names[0].name: 24, names[1].name: 4} if is_known else {})


def test_of_two_roots_of_one_size_the_other_is_named_after_a_smaller_that_fits(log: MadeUpLog) -> None:
    other = _branch(log, parts_at=6)
    sent = [_shown(log, log.entries, 4, A), _shown(log, log.entries, 8, A), _shown(log, other, 8, A)]
    verdict = verify_log(log.material(), witnessed=read_notes(sent, where="sent"))
    assert [(each.first, each.last) for each in verdict.findings] == [(5, 8)]


def test_a_checkpoint_that_nobody_cosigned_speaks_for_itself_alone(log: MadeUpLog) -> None:
    sent = [_shown(log, log.entries, 8), _shown(log, _branch(log, parts_at=10), 12)]
    verdict = verify_log(log.material(), witnessed=read_notes(sent, where="sent"))
    assert [(each.first, each.last) for each in verdict.findings] == [(1, 12)]


def test_what_several_witnesses_saw_alike_is_said_once(log: MadeUpLog) -> None:
    sent = [_shown(log, _branch(log, parts_at=3), 8, A, B)]
    verdict = verify_log(log.material(), witnessed=read_notes(sent, where="sent"))
    assert [(each.first, each.last) for each in verdict.findings] == [(1, 8)]


def test_no_log_is_its_own_witness(log: MadeUpLog) -> None:
    """Nor under another name, with its own key."""
    own = witness_key(log.log_key.name, log.log_key.public_key)
    renamed = witness_key(WITNESS.name, log.log_key.public_key)
    text = LogHead.from_line(log.heads[-1], own.name).note()
    lines = [cosign_text(text.text, name=each.name, private_key=log.key, at=BEGAN) for each in (own, renamed)]
    sent = replace(text, signatures=(*text.signatures, *lines)).to_bytes()
    verdict = verify_log(
        log.material(), keys=[log.log_key, own, renamed], witnessed=read_notes([sent], where="sent")
    )
    assert verdict.holds
    assert verdict.cosigned == {}


def test_evidence_of_a_fork_counts_under_a_spoilt_cosignature(log: MadeUpLog) -> None:
    """The log's own signature is enough: it signed two roots of one size."""
    sent = _shown(log, _branch(log, parts_at=4), 8, A)
    note = SignedNote.from_bytes(sent)
    spoilt = replace(note.signatures[1], signature=note.signatures[1].signature[:-1] + b"\0")
    brought = read_notes([replace(note, signatures=(note.signatures[0], spoilt)).to_bytes()], where="sent")
    key = witness_key(store_origin(COOP_ID, A), public_key_bytes(made_up_key(A)))
    verdict = verify_log(log.material(), keys=[log.log_key, key], witnessed=brought)
    assert [(each.first, each.last) for each in verdict.findings] == [(1, 8)]
    assert "used without the witness" in verdict.unusable[0].why
    assert verdict.cosigned == {}


def _under_another_key(*witnesses: str) -> bytes:
    """A checkpoint in the log's name that somebody made with a key of their own."""
    note = Checkpoint(origin=ORIGIN, size=3, root=bytes(32)).sign(made_up_key("somebody")).note()
    lines = [
        cosign_text(note.text, name=store_origin(COOP_ID, name), private_key=made_up_key(name), at=BEGAN)
        for name in witnesses
    ]
    return replace(note, signatures=(*note.signatures, *lines)).to_bytes()


def test_a_checkpoint_that_anybody_can_make_accuses_no_log_whose_key_is_known(log: MadeUpLog) -> None:
    """Only a witness whose key is known can say that the log of this name was seen under another key."""
    mine = witness_key(store_origin(COOP_ID, A), public_key_bytes(made_up_key(A)))
    for sent in (_under_another_key(), _under_another_key(B)):
        brought = read_notes([sent], where="sent")
        verdict = verify_log(log.material(), keys=[log.log_key, mine], witnessed=brought)
        assert (verdict.findings, verdict.holds) == ((), False)
        assert "another key" in verdict.unusable[0].why
    forged = SignedNote.from_bytes(_under_another_key(B))
    renamed = replace(forged.signatures[1], name=mine.name, key_id=mine.key_id())
    sent = replace(forged, signatures=(forged.signatures[0], renamed)).to_bytes()
    brought = read_notes([sent], where="sent")
    assert verify_log(log.material(), keys=[log.log_key, mine], witnessed=brought).findings == ()


@pytest.mark.parametrize("is_given", [True, False])
def test_a_log_seen_under_another_key_by_a_known_witness_was_signed_anew(
    log: MadeUpLog, is_given: bool
) -> None:
    mine = witness_key(store_origin(COOP_ID, A), public_key_bytes(made_up_key(A)))
    keys = [log.log_key, mine] if is_given else [mine]
    brought = read_notes([_under_another_key(A)], where="sent")
    verdict = verify_log(log.material(), keys=keys, witnessed=brought)
    assert [(each.first, each.last) for each in verdict.findings] == [(1, 1)]
    # Without the log's key nothing says which of the two is its own: that is told as well.
    unproven = read_notes([_under_another_key()], where="sent")
    assert bool(verify_log(log.material(), keys=keys, witnessed=unproven).findings) is not is_given
