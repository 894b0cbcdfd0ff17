"""The verifier finds ten classes of tampering, says where each is, and finds nothing where there is none."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.evidence import Evidence, read_notes
from highstreet.audit.log_entries import EntryKind, LogEntry
from highstreet.audit.merkle import leaf_hash, root_of
from highstreet.audit.signed_notes import SignedNote
from highstreet.audit.verifier import Finding, LogMaterial, LogVerdict, verify_log
from highstreet.cli import main
from tests.audit.made_up_log import (
    BEGAN,
    WITNESS,
    MadeUpLog,
    changed,
    draft,
    edited,
    evidence_of,
    made_up_key,
    notes_of,
    signed_anew,
)


def _verify(log: MadeUpLog, *, with_witness: bool = True, material: LogMaterial | None = None) -> LogVerdict:
    witnessed = evidence_of(log.witness_file) if with_witness else Evidence()
    return verify_log(material or log.material(), keys=[log.log_key, WITNESS], witnessed=witnessed)


def _first(verdict: LogVerdict) -> Finding:
    assert not verdict.holds
    return verdict.findings[0]


def test_a_log_that_nobody_touched_fits(log: MadeUpLog) -> None:
    verdict = _verify(log)
    assert verdict.findings == ()
    assert (verdict.size, verdict.heads, verdict.is_key_given) == (24, 24, True)
    assert verdict.cosigned == {WITNESS.name: 24}
    assert verdict.root == root_of(map(leaf_hash, log.entries))


def test_a_release_whose_number_is_given_out_twice_is_named(log: MadeUpLog) -> None:
    for number, manifest, step in ((1, "a", "published"), (2, "b", "published"), (2, "b", "in_use")):
        body = {"step": step, "number": number, "manifest_sha256": manifest * 64}
        log.book.append(EntryKind.RELEASE, f"release/{number}/{manifest}/{step}", body)
    assert _verify(log).holds
    body = {"step": "published", "number": 2, "manifest_sha256": "c" * 64}
    log.book.append(EntryKind.RELEASE, "release/2/c/published", body)
    found = _first(_verify(log))
    assert (found.first, found.last) == (28, 28)
    assert "publishes release 2, as entry 26 did" in found.what


@pytest.mark.parametrize("verdict", ["fail", "undetermined", "pass"])
@pytest.mark.parametrize("overridden", ["no", "another", "afterwards", "before"])
def test_a_release_that_was_kept_back_and_let_out_without_an_override_is_named(
    log: MadeUpLog, verdict: str, overridden: str
) -> None:
    training, hashed = "ab" * 8, {"document_sha256": "d" * 64}

    def override(programme_id: str) -> None:
        log.book.append(EntryKind.OVERRIDE, "override/1", {"programme_id": programme_id, **hashed})

    body = {"programme_id": training, "verdict": verdict, **hashed}
    log.book.append(EntryKind.VERDICT, "verdict/1", body)
    if overridden in ("another", "before"):
        override(training if overridden == "before" else "cd" * 8)
    release = {"step": "published", "number": 1, "manifest_sha256": "a" * 64, "programme_id": training}
    log.book.append(EntryKind.RELEASE, "release/1", release)
    place = len(log.entries)
    if overridden == "afterwards":
        override(training)
    found = _verify(log).findings
    if verdict == "pass" or overridden == "before":
        assert found == ()
    else:
        assert [(each.first, each.last) for each in found] == [(place, place)]
        assert f"the verdict was {verdict}" in found[0].what


def test_without_keys_it_says_that_the_key_is_the_logs_own_word(log: MadeUpLog) -> None:
    verdict = verify_log(log.material(), witnessed=evidence_of(log.witness_file))
    assert verdict.holds
    assert not verdict.is_key_given
    assert verdict.unknown_witnesses == (WITNESS.name,)


# The ten classes. Those of somebody without the log's key are located exactly, by the log's own heads;
# those of the key's holder between two checkpoints of a witness.


def test_edit_is_found_at_the_entry(log: MadeUpLog) -> None:
    for place in range(1, 24):
        entries = log.entries
        entries[place] = edited(entries[place])
        verdict = _verify(log, with_witness=False, material=LogMaterial(entries=entries, heads=log.heads))
        assert (_first(verdict).first, _first(verdict).last) == (place + 1, place + 1)


def test_delete_is_found_at_the_entry(log: MadeUpLog) -> None:
    for place in range(24):
        entries = log.entries
        del entries[place]
        verdict = _verify(log, with_witness=False, material=LogMaterial(entries=entries, heads=log.heads))
        assert _first(verdict).first == place + 1


def test_insert_is_found_at_the_entry(log: MadeUpLog) -> None:
    for place in range(1, 25):
        entries = log.entries
        entries.insert(place, LogEntry(at=BEGAN + 60 * (place - 1), draft=draft(99)).document())
        verdict = _verify(log, with_witness=False, material=LogMaterial(entries=entries, heads=log.heads))
        assert _first(verdict).first == place + 1


def test_reorder_is_found_at_the_earlier_entry(log: MadeUpLog) -> None:
    for place in range(1, 22):
        entries = log.entries
        entries[place], entries[place + 2] = entries[place + 2], entries[place]
        verdict = _verify(log, with_witness=False, material=LogMaterial(entries=entries, heads=log.heads))
        assert _first(verdict).first == place + 1


@pytest.mark.parametrize("kept", [0, 1, 7, 23])
def test_truncate_is_found_at_the_first_missing_entry(log: MadeUpLog, kept: int) -> None:
    material = LogMaterial(entries=log.entries[:kept], heads=log.heads)
    assert _first(_verify(log, with_witness=False, material=material)).first == kept + 1


def test_truncate_within_a_line_is_found(log: MadeUpLog) -> None:
    path = log.folder / "log" / "entries.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert main(["audit", "verify", str(log.folder / "log")]) == 1
    material = LogMaterial(entries=log.entries[:-1], heads=log.heads, torn_bytes=40)
    assert _first(_verify(log, material=material)).first == 24


@pytest.mark.parametrize("kept", [6, 11, 17, 23])
def test_roll_back_is_found_by_a_witness_at_the_first_missing_entry(log: MadeUpLog, kept: int) -> None:
    """All files put back together fit each other; only somebody else knows that there was more."""
    material = LogMaterial(entries=log.entries[:kept], heads=log.heads[:kept])
    assert _verify(log, with_witness=False, material=material).holds
    found = _first(_verify(log, material=material))
    assert found.first == kept + 1
    assert "rolled back" in found.what


@pytest.mark.parametrize("place", [2, 6, 13, 23])
def test_fork_is_found_between_two_checkpoints_of_a_witness(log: MadeUpLog, place: int) -> None:
    """From an entry on the key's holder goes another way, signs that, and goes on longer than before."""
    entries = log.entries[: place - 1]
    for number in range(place, 31):
        entries.append(LogEntry(at=BEGAN + 60 * (number - 1), draft=draft(500 + number)).document())
    material = LogMaterial(entries=entries, heads=signed_anew(entries, log.key))
    assert _verify(log, with_witness=False, material=material).holds
    found = _first(_verify(log, material=material))
    assert found.first <= place <= found.last
    assert (found.first, found.last) == ((place - 1) // 6 * 6 + 1, (place - 1) // 6 * 6 + 6)


@pytest.mark.parametrize("place", [2, 6, 13, 23])
def test_re_signing_with_the_key_is_found_between_two_checkpoints(log: MadeUpLog, place: int) -> None:
    entries = log.entries
    entries[place - 1] = edited(entries[place - 1])
    material = LogMaterial(entries=entries, heads=signed_anew(entries, log.key))
    assert _verify(log, with_witness=False, material=material).holds
    found = _first(_verify(log, material=material))
    assert (found.first, found.last) == ((place - 1) // 6 * 6 + 1, (place - 1) // 6 * 6 + 6)


def test_re_signing_with_another_key_is_found_at_the_first_entry(log: MadeUpLog) -> None:
    other = MadeUpLog(log.folder / "other", key=made_up_key("somebody"))
    for keys in ([log.log_key, WITNESS], [WITNESS]):
        verdict = verify_log(other.material(), keys=keys, witnessed=evidence_of(log.witness_file))
        assert _first(verdict).first == 1


@pytest.mark.parametrize("name", ["entries", "heads"])
def test_a_swapped_file_is_found_at_the_first_entry_that_differs(log: MadeUpLog, name: str) -> None:
    other = MadeUpLog(log.folder / "other", key=made_up_key("somebody"))
    mixed = {"entries": log.entries, "heads": log.heads, name: getattr(other, name)}
    assert _first(_verify(log, with_witness=False, material=LogMaterial(**mixed))).first == 1


def test_a_file_swapped_for_an_older_one_of_the_same_log_is_found(log: MadeUpLog) -> None:
    entries = log.entries
    material = LogMaterial(entries=entries, heads=log.heads[:20])
    assert _first(_verify(log, with_witness=False, material=material)).first == 21


@pytest.mark.parametrize("place", [2, 9, 24])
def test_a_clock_rewound_is_found_at_the_entry(log: MadeUpLog, place: int) -> None:
    """Also where the key's holder signs it: times within a log never go back."""
    entries = log.entries
    entries[place - 1] = changed(entries[place - 1], lambda each: replace(each, at=each.at - 4000))
    material = LogMaterial(entries=entries, heads=signed_anew(entries, log.key))
    assert _first(_verify(log, with_witness=False, material=material)).first == place


def test_entries_dated_back_before_a_witness_saw_the_log_without_them_are_found(tmp_path: Path) -> None:
    """No time goes back within the log; but a witness saw it end hours after they are said to be written."""
    late = MadeUpLog(tmp_path / "late", count=13, every=99)
    late.now += 8 * 3600
    late.cosign()
    back = [*late.entries, LogEntry(at=BEGAN + 720, draft=draft(800)).document()]
    verdict = verify_log(
        LogMaterial(entries=back, heads=signed_anew(back, late.key)),
        keys=[WITNESS],
        witnessed=evidence_of(late.witness_file),
    )
    assert _first(verdict).first == 14


def test_entries_dated_after_a_witness_saw_them_are_found(log: MadeUpLog) -> None:
    early = MadeUpLog(log.folder / "early", every=99)
    early.now = BEGAN - 5 * 3600
    early.cosign()
    verdict = verify_log(early.material(), keys=[WITNESS], witnessed=evidence_of(early.witness_file))
    assert "after a witness" in _first(verdict).what


def test_a_clock_an_hour_off_is_no_finding(log: MadeUpLog) -> None:
    other = MadeUpLog(log.folder / "other", every=99)
    other.now -= 3000
    other.cosign()
    assert verify_log(other.material(), keys=[WITNESS], witnessed=evidence_of(other.witness_file)).holds


def test_a_batch_edited_is_found_within_the_batch(tmp_path: Path) -> None:
    log = MadeUpLog(tmp_path, count=4)
    log.book.append_all([draft(number) for number in range(50, 55)])
    entries = log.entries
    entries[6] = edited(entries[6])
    found = _first(verify_log(LogMaterial(entries=entries, heads=log.heads)))
    assert (found.first, found.last) == (5, 9)


def test_an_entry_that_no_head_covers_is_found(log: MadeUpLog) -> None:
    entries = [*log.entries, LogEntry(at=BEGAN + 9999, draft=draft(99)).document()]
    assert _first(_verify(log, material=LogMaterial(entries=entries, heads=log.heads))).first == 25


@pytest.mark.parametrize("kept", [0, 5, 23])
def test_entries_without_the_heads_that_should_cover_them_are_found(log: MadeUpLog, kept: int) -> None:
    material = LogMaterial(entries=log.entries, heads=log.heads[:kept])
    assert _first(_verify(log, with_witness=False, material=material)).first == kept + 1


def test_a_checkpoint_alone_covers_what_was_downloaded_and_no_more(log: MadeUpLog) -> None:
    newest = read_notes([log.book.note().to_bytes()], where="checkpoint")
    assert _verify(log, material=LogMaterial(entries=log.entries, heads=None, checkpoints=newest)).holds
    log.book.append_all([draft(99)])
    material = LogMaterial(entries=log.entries, heads=None, checkpoints=newest)
    assert _first(_verify(log, material=material)).first == 25


def test_a_key_written_twice_by_the_holder_of_the_key_is_found(log: MadeUpLog) -> None:
    entries = [*log.entries[:10], changed(log.entries[3], lambda each: replace(each, at=BEGAN + 9999))]
    material = LogMaterial(entries=entries, heads=signed_anew(entries, log.key))
    assert _first(_verify(log, with_witness=False, material=material)).first == 11


@pytest.mark.parametrize("junk", [b"", b"x", b"{}", b"\xff", b"{" * 5000])
def test_a_line_that_is_no_entry_is_found(log: MadeUpLog, junk: bytes) -> None:
    entries = log.entries
    entries[4] = junk
    material = LogMaterial(entries=entries, heads=signed_anew(entries, log.key))
    assert _first(_verify(log, with_witness=False, material=material)).first == 5


def test_a_log_of_nothing_is_no_log() -> None:
    assert _first(verify_log(LogMaterial(entries=[], heads=[]))).first == 1


@given(st.lists(st.binary(max_size=60), max_size=5), st.lists(st.binary(max_size=60), max_size=5))
@settings(deadline=None)
def test_a_log_made_of_any_bytes_is_found_out(entries: list[bytes], heads: list[bytes]) -> None:
    assert not verify_log(LogMaterial(entries=entries, heads=heads)).holds


@given(place=st.integers(0, 100_000), turn=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_any_byte_changed_in_an_entry_is_found_at_that_entry(
    tmp_path_factory: pytest.TempPathFactory, place: int, turn: int
) -> None:
    log = MadeUpLog(tmp_path_factory.mktemp("log"), count=8, every=99)
    data = bytearray(b"\n".join(log.entries))
    place %= len(data)
    if data[place] == 10 or data[place] ^ turn == 10:
        return
    data[place] ^= turn
    number = bytes(data[:place]).count(b"\n") + 1
    verdict = verify_log(LogMaterial(entries=bytes(data).split(b"\n"), heads=log.heads), keys=[log.log_key])
    assert _first(verdict).first <= number
    assert any(each.first == number for each in verdict.findings) or number == 1


def test_a_witness_of_another_log_convicts_nobody_in_silence(log: MadeUpLog) -> None:
    note = notes_of(log.witness_file)[0]
    forged = SignedNote(text=note.text.replace("\n6\n", "\n7\n"), signatures=note.signatures)
    brought = read_notes([forged.to_bytes()], where="the file")
    verdict = verify_log(log.material(), keys=[log.log_key], witnessed=brought)
    assert (verdict.findings, verdict.holds) == ((), False)
    assert "does not match" in verdict.unusable[0].why


@pytest.mark.slow
def test_a_hundred_thousand_entries_are_read_and_verified_within_a_minute(
    log: MadeUpLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a folder, by the command; of CPU time of one core, so that a busy computer does not decide."""
    entries = [
        *log.entries,
        *(LogEntry(at=BEGAN + 9999, draft=draft(n)).document() for n in range(24, 100_000)),
    ]
    log.write(entries=entries, heads=signed_anew(entries, log.key))
    words = ["--witness", str(log.witness_file), "--key", log.log_key.to_text(), "--key", WITNESS.to_text()]
    began = time.process_time()
    assert main(["audit", "verify", str(log.folder / "log"), *words]) == 0
    assert time.process_time() - began < 60
    said = capsys.readouterr().out
    assert "Everything fits." in said
    assert "100000, hashed anew; 100000 signed heads" in said
