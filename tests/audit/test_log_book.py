"""The durable log: what is written stays, and a crash costs nothing or all of it."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_book import KEY, OWNER, draft_of, filled_book, lines_of, open_book

from highstreet.audit import append_only
from highstreet.audit.checkpoints import Checkpoint, log_key
from highstreet.audit.errors import LogConflictError, LogEntryError
from highstreet.audit.log_entries import EntryDraft, EntryKind, LogEntry
from highstreet.audit.merkle import leaf_hash, root_of, verify_consistency, verify_inclusion
from highstreet.audit.signing import public_key_bytes
from highstreet.files import DiskFullError


def test_a_new_log_begins_by_saying_whose_it_is(tmp_path: Path) -> None:
    open_book(tmp_path)
    first = LogEntry.from_document(lines_of(tmp_path)[0])
    assert first.draft.kind is EntryKind.OPENING
    assert first.draft.body["public_key"] == public_key_bytes(KEY).hex()
    assert first.at == 1_800_000_000


def test_what_was_appended_is_there_when_the_log_is_opened_again(tmp_path: Path) -> None:
    filled_book(tmp_path)
    book = open_book(tmp_path)
    assert book.size == 6
    assert book.place_of("consent/3") == 4
    assert [json.loads(line)["body"]["position"] for line in book.entries(1, 100)] == [0, 1, 2, 3, 4]
    assert book.entries(6, 1) == book.entries(-1, 1) == []


def test_every_append_leaves_a_signed_head_over_all_entries(tmp_path: Path) -> None:
    book = filled_book(tmp_path)
    key = log_key(OWNER.origin, public_key_bytes(KEY))
    checkpoint = Checkpoint.from_note(book.note(), key)
    assert (checkpoint.size, checkpoint.root) == (6, root_of(map(leaf_hash, lines_of(tmp_path))))
    assert len((tmp_path / "log" / "heads").read_bytes().splitlines()) == 6


def test_a_batch_has_one_head(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    assert book.append_all([draft_of(1), draft_of(2), draft_of(1)]) == [1, 2, 1]
    assert len((tmp_path / "log" / "heads").read_bytes().splitlines()) == 2


def test_its_proofs_hold(tmp_path: Path) -> None:
    book = filled_book(tmp_path, 12)
    lines, size = lines_of(tmp_path), book.size
    for place, line in enumerate(lines):
        proof = book.inclusion_proof(place, size)
        verify_inclusion(leaf_hash(line), index=place, size=size, proof=proof, root=book.root(size))
    for first in range(1, size):
        verify_consistency(
            first=first,
            first_root=book.root(first),
            second=size,
            second_root=book.root(size),
            proof=book.consistency_proof(first, size),
        )


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    filled_book(tmp_path)
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o700
    for path in [*(tmp_path / "log").iterdir(), tmp_path / "keys" / "log.mark"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_key_is_written_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    book = filled_book(tmp_path)
    for each in (book, open_book(tmp_path, now=1_900_000_000)):
        assert each.append_all([draft_of(2)]) == [3]
    assert book.size == 6


def test_another_entry_under_a_known_key_is_refused(tmp_path: Path) -> None:
    book = filled_book(tmp_path)
    other = EntryDraft(kind=EntryKind.CONSENT_ROOT, key="consent/2", body={"position": 9, "root": "0f" * 32})
    with pytest.raises(LogConflictError):
        book.append_all([other])
    with pytest.raises(LogConflictError):
        book.append_all([draft_of(7), EntryDraft(kind=other.kind, key="consent/7", body=other.body)])
    assert book.refresh() == 6


def test_a_body_of_another_form_writes_nothing(tmp_path: Path) -> None:
    book = filled_book(tmp_path)
    with pytest.raises(LogEntryError):
        book.append(EntryKind.CONSENT_ROOT, "x", {"position": 1, "root": "Jane"})
    assert book.refresh() == 6


def test_a_clock_set_back_dates_an_entry_like_the_latest(tmp_path: Path) -> None:
    filled_book(tmp_path)
    book = open_book(tmp_path, now=5)
    book.append_all([draft_of(9)])
    assert LogEntry.from_document(lines_of(tmp_path)[-1]).at == 1_800_000_000


def test_two_open_books_write_one_log(tmp_path: Path) -> None:
    one, other = open_book(tmp_path), open_book(tmp_path)
    for number in range(6):
        (one, other)[number % 2].append_all([draft_of(number)])
    assert one.append_all([draft_of(5)]) == [6]
    assert other.refresh() == one.refresh() == open_book(tmp_path).size == 7


def _write_many(folder: Path, start: int) -> None:
    book = open_book(folder)
    for number in range(start, start + 10):
        book.append_all([draft_of(number), draft_of(1000)])


def test_processes_that_write_at_once_lose_nothing_and_write_nothing_twice(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write_many, args=(tmp_path, start)) for start in (0, 5, 100)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert open_book(tmp_path).size == 1 + 15 + 10 + 1


@pytest.mark.parametrize("name", ["entries.jsonl", "heads"])
@pytest.mark.parametrize("torn", [b"x", b'{"at":1', b"7 AAAA"])
def test_a_tail_torn_by_a_power_cut_is_dropped(tmp_path: Path, name: str, torn: bytes) -> None:
    filled_book(tmp_path)
    whole = (tmp_path / "log" / name).read_bytes()
    with (tmp_path / "log" / name).open("ab") as file:
        file.write(torn)
    book = open_book(tmp_path)
    assert (tmp_path / "log" / name).read_bytes() == whole
    assert book.append_all([draft_of(9)]) == [6]
    assert open_book(tmp_path).size == 7


def test_a_whole_entry_that_no_head_covers_never_happened(tmp_path: Path) -> None:
    filled_book(tmp_path)
    with (tmp_path / "log" / "entries.jsonl").open("ab") as file:
        file.write(LogEntry(at=1_800_000_000, draft=draft_of(9)).document() + b"\n")
    book = open_book(tmp_path)
    assert book.place_of("consent/9") is None
    assert book.append_all([draft_of(9)]) == [6]


def test_a_mark_that_a_crash_left_behind_is_brought_up_to_date(tmp_path: Path) -> None:
    book = filled_book(tmp_path)
    mark = tmp_path / "keys" / "log.mark"
    before = mark.read_bytes()
    book.append_all([draft_of(9)])
    newest = mark.read_bytes()
    mark.write_bytes(before)
    open_book(tmp_path)
    assert mark.read_bytes() == newest


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = filled_book(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "log").iterdir()}
    real = os.pwrite
    monkeypatch.setattr(append_only.os, "pwrite", lambda fd, data, at: _fail_after(real, fd, data, at))
    with pytest.raises(DiskFullError):
        book.append_all([draft_of(9)])
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in (tmp_path / "log").iterdir()} == before
    assert book.append_all([draft_of(9)]) == [6]
    assert open_book(tmp_path).size == 7


def _fail_after(real: Callable[[int, bytes, int], int], descriptor: int, data: bytes, at: int) -> int:
    """Write three bytes, then find the disk full."""
    if len(data) > 3 and data[:1] in b"{0123456789":
        return real(descriptor, data[:3], at)
    raise OSError(errno.ENOSPC, "No space left on device")


def _killed_writer(folder: Path, step: int) -> None:
    """Append until the given system call, then die as by kill -9."""
    book = open_book(folder)
    left = [step]
    real_write, real_sync = os.pwrite, os.fsync

    def die_or(call: Callable[[], int]) -> int:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call()

    def write(descriptor: int, data: bytes, at: int) -> int:
        return die_or(lambda: real_write(descriptor, data[: 1 + len(data) // 2], at))

    def sync(descriptor: int) -> int:
        return die_or(lambda: real_sync(descriptor) or 0)

    os.pwrite, os.fsync = write, sync  # type: ignore[assignment]
    book.append_all([draft_of(100), draft_of(101)])
    book.append_all([draft_of(102)])


@pytest.mark.parametrize("step", range(1, 30))
def test_a_writer_killed_anywhere_leaves_each_append_whole_or_not_there(tmp_path: Path, step: int) -> None:
    filled_book(tmp_path, 3)
    worker = multiprocessing.get_context("fork").Process(target=_killed_writer, args=(tmp_path, step))
    worker.start()
    worker.join(60)
    assert worker.exitcode in {0, -signal.SIGKILL}
    book = open_book(tmp_path)
    assert book.size in {4, 6, 7}
    book.append_all([draft_of(100), draft_of(101)])
    book.append_all([draft_of(102)])
    again = open_book(tmp_path)
    assert again.size == 7
    keys = [LogEntry.from_document(line).draft.key for line in again.entries(0, 10)]
    assert keys == ["opening", *(f"consent/{number}" for number in (0, 1, 2, 100, 101, 102))]
