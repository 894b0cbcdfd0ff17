"""The durable log: what is written stays, what was changed is refused, a crash costs nothing or all of it."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit import append_only
from highstreet.audit.checkpoints import Checkpoint, coordinator_origin, log_key
from highstreet.audit.errors import (
    LogConflictError,
    LogDamagedError,
    LogEntryError,
    LogError,
    LogRewoundError,
)
from highstreet.audit.log_book import LogBook
from highstreet.audit.log_entries import EntryDraft, EntryKind, LogEntry
from highstreet.audit.log_owner import LogOwner
from highstreet.audit.merkle import leaf_hash, root_of, verify_consistency, verify_inclusion
from highstreet.audit.signing import public_key_bytes
from highstreet.files import DiskFullError

COOP_ID = "ab" * 16
OWNER = LogOwner(origin=coordinator_origin(COOP_ID), role="coordinator", coop_id=COOP_ID)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def _open(folder: Path, *, key: Ed25519PrivateKey = KEY, now: float = 1_800_000_000.5) -> LogBook:
    mark = folder / "keys" / "log.mark"
    return LogBook(folder / "log", owner=OWNER, private_key=key, mark=mark, clock=lambda: now)


def _draft(number: int) -> EntryDraft:
    body = {"position": number, "root": "0f" * 32}
    return EntryDraft(kind=EntryKind.CONSENT_ROOT, key=f"consent/{number}", body=body)


def _filled(folder: Path, count: int = 5) -> LogBook:
    book = _open(folder)
    for number in range(count):
        book.append_all([_draft(number)])
    return book


def _lines(folder: Path) -> list[bytes]:
    return (folder / "log" / "entries.jsonl").read_bytes().splitlines()


def test_a_new_log_begins_by_saying_whose_it_is(tmp_path: Path) -> None:
    _open(tmp_path)
    first = LogEntry.from_document(_lines(tmp_path)[0])
    assert first.draft.kind is EntryKind.OPENING
    assert first.draft.body["public_key"] == public_key_bytes(KEY).hex()
    assert first.at == 1_800_000_000


def test_what_was_appended_is_there_when_the_log_is_opened_again(tmp_path: Path) -> None:
    _filled(tmp_path)
    book = _open(tmp_path)
    assert book.size == 6
    assert book.place_of("consent/3") == 4
    assert [json.loads(line)["body"]["position"] for line in book.entries(1, 100)] == [0, 1, 2, 3, 4]
    assert book.entries(6, 1) == book.entries(-1, 1) == []


def test_every_append_leaves_a_signed_head_over_all_entries(tmp_path: Path) -> None:
    book = _filled(tmp_path)
    key = log_key(OWNER.origin, public_key_bytes(KEY))
    checkpoint = Checkpoint.from_note(book.note(), key)
    assert (checkpoint.size, checkpoint.root) == (6, root_of(map(leaf_hash, _lines(tmp_path))))
    assert len((tmp_path / "log" / "heads").read_bytes().splitlines()) == 6


def test_a_batch_has_one_head(tmp_path: Path) -> None:
    book = _open(tmp_path)
    assert book.append_all([_draft(1), _draft(2), _draft(1)]) == [1, 2, 1]
    assert len((tmp_path / "log" / "heads").read_bytes().splitlines()) == 2


def test_its_proofs_hold(tmp_path: Path) -> None:
    book = _filled(tmp_path, 12)
    lines, size = _lines(tmp_path), book.size
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
    _filled(tmp_path)
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o700
    for path in [*(tmp_path / "log").iterdir(), tmp_path / "keys" / "log.mark"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_key_is_written_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    book = _filled(tmp_path)
    for each in (book, _open(tmp_path, now=1_900_000_000)):
        assert each.append_all([_draft(2)]) == [3]
    assert book.size == 6


def test_another_entry_under_a_known_key_is_refused(tmp_path: Path) -> None:
    book = _filled(tmp_path)
    other = EntryDraft(kind=EntryKind.CONSENT_ROOT, key="consent/2", body={"position": 9, "root": "0f" * 32})
    with pytest.raises(LogConflictError):
        book.append_all([other])
    with pytest.raises(LogConflictError):
        book.append_all([_draft(7), EntryDraft(kind=other.kind, key="consent/7", body=other.body)])
    assert book.refresh() == 6


def test_a_body_of_another_form_writes_nothing(tmp_path: Path) -> None:
    book = _filled(tmp_path)
    with pytest.raises(LogEntryError):
        book.append(EntryKind.CONSENT_ROOT, "x", {"position": 1, "root": "Jane"})
    assert book.refresh() == 6


def test_a_clock_set_back_dates_an_entry_like_the_latest(tmp_path: Path) -> None:
    _filled(tmp_path)
    book = _open(tmp_path, now=5)
    book.append_all([_draft(9)])
    assert LogEntry.from_document(_lines(tmp_path)[-1]).at == 1_800_000_000


def test_two_open_books_write_one_log(tmp_path: Path) -> None:
    one, other = _open(tmp_path), _open(tmp_path)
    for number in range(6):
        (one, other)[number % 2].append_all([_draft(number)])
    assert one.append_all([_draft(5)]) == [6]
    assert other.refresh() == one.refresh() == _open(tmp_path).size == 7


def _write_many(folder: Path, start: int) -> None:
    book = _open(folder)
    for number in range(start, start + 10):
        book.append_all([_draft(number), _draft(1000)])


def test_processes_that_write_at_once_lose_nothing_and_write_nothing_twice(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write_many, args=(tmp_path, start)) for start in (0, 5, 100)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert _open(tmp_path).size == 1 + 15 + 10 + 1


@pytest.mark.parametrize("name", ["entries.jsonl", "heads"])
@pytest.mark.parametrize("torn", [b"x", b'{"at":1', b"7 AAAA"])
def test_a_tail_torn_by_a_power_cut_is_dropped(tmp_path: Path, name: str, torn: bytes) -> None:
    _filled(tmp_path)
    whole = (tmp_path / "log" / name).read_bytes()
    with (tmp_path / "log" / name).open("ab") as file:
        file.write(torn)
    book = _open(tmp_path)
    assert (tmp_path / "log" / name).read_bytes() == whole
    assert book.append_all([_draft(9)]) == [6]
    assert _open(tmp_path).size == 7


def test_a_whole_entry_that_no_head_covers_never_happened(tmp_path: Path) -> None:
    _filled(tmp_path)
    with (tmp_path / "log" / "entries.jsonl").open("ab") as file:
        file.write(LogEntry(at=1_800_000_000, draft=_draft(9)).document() + b"\n")
    book = _open(tmp_path)
    assert book.place_of("consent/9") is None
    assert book.append_all([_draft(9)]) == [6]


def test_a_mark_that_a_crash_left_behind_is_brought_up_to_date(tmp_path: Path) -> None:
    book = _filled(tmp_path)
    mark = tmp_path / "keys" / "log.mark"
    before = mark.read_bytes()
    book.append_all([_draft(9)])
    newest = mark.read_bytes()
    mark.write_bytes(before)
    _open(tmp_path)
    assert mark.read_bytes() == newest


def _edit(folder: Path) -> None:
    path = folder / "log" / "entries.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"position":2', b'"position":7'))


def _delete(folder: Path) -> None:
    path = folder / "log" / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))


def _swap(folder: Path) -> None:
    path = folder / "log" / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2], lines[3] = lines[3], lines[2]
    path.write_bytes(b"".join(lines))


def _insert(folder: Path) -> None:
    path = folder / "log" / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2], *lines[2:]]))


def _truncate_entries(folder: Path) -> None:
    path = folder / "log" / "entries.jsonl"
    os.truncate(path, path.stat().st_size - 1)


def _truncate_heads(folder: Path) -> None:
    path = folder / "log" / "heads"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def _cut_last_byte_of_heads(folder: Path) -> None:
    path = folder / "log" / "heads"
    os.truncate(path, path.stat().st_size - 1)


def _roll_back(folder: Path) -> None:
    for name in ("entries.jsonl", "heads"):
        path = folder / "log" / name
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder / "log")


def _remove_mark(folder: Path) -> None:
    (folder / "keys" / "log.mark").unlink()


def _damage_mark(folder: Path) -> None:
    (folder / "keys" / "log.mark").write_bytes(b"6 x y\n")


def _forge_head(folder: Path) -> None:
    path = folder / "log" / "heads"
    lines = path.read_bytes().splitlines(keepends=True)
    size, root, signature = lines[-1].split(b" ")
    flipped = signature[:20] + (b"A" if signature[20:21] != b"A" else b"B") + signature[21:]
    path.write_bytes(b"".join([*lines[:-1], b" ".join([size, root, flipped])]))


def _another_logs_files(folder: Path) -> None:
    other = folder / "other"
    owner = LogOwner(origin=coordinator_origin("cd" * 16), role="coordinator", coop_id="cd" * 16)
    book = LogBook(other / "log", owner=owner, private_key=KEY, mark=other / "mark")
    book.append_all([_draft(number) for number in range(5)])
    shutil.rmtree(folder / "log")
    shutil.move(other / "log", folder / "log")


_CHANGES: list[Callable[[Path], None]] = [
    _edit,
    _delete,
    _swap,
    _insert,
    _truncate_entries,
    _truncate_heads,
    _cut_last_byte_of_heads,
    _roll_back,
    _remove,
    _remove_mark,
    _damage_mark,
    _forge_head,
    _another_logs_files,
]


@pytest.mark.parametrize("change", _CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_a_log_that_was_changed_is_refused_and_left_as_it_is(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    _filled(tmp_path)
    change(tmp_path)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    with pytest.raises(LogError) as caught:
        _open(tmp_path)
    assert "audit verify" in caught.value.for_user()
    after = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    assert {path: data for path, data in after.items() if data} == {k: v for k, v in before.items() if v}


@pytest.mark.parametrize("change", [_truncate_heads, _roll_back, _truncate_entries])
def test_a_log_put_back_while_it_is_open_is_refused(tmp_path: Path, change: Callable[[Path], None]) -> None:
    book = _filled(tmp_path)
    change(tmp_path)
    with pytest.raises(LogRewoundError):
        book.append_all([_draft(9)])


def test_an_entry_changed_while_the_log_is_open_is_not_served(tmp_path: Path) -> None:
    book = _filled(tmp_path)
    _edit(tmp_path)
    with pytest.raises(LogDamagedError):
        book.entries(0, 10)


def test_a_log_under_another_key_is_refused(tmp_path: Path) -> None:
    _filled(tmp_path)
    with pytest.raises(LogDamagedError):
        _open(tmp_path, key=Ed25519PrivateKey.generate())


@given(place=st.integers(0, 10_000), turn=st.integers(1, 255), heads=st.booleans())
@settings(max_examples=120, deadline=None)
def test_no_byte_of_entries_or_the_newest_head_may_change(
    tmp_path_factory: pytest.TempPathFactory, place: int, turn: int, heads: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    book = _open(folder)
    book.append_all([_draft(number) for number in range(4)])
    path = folder / "log" / ("heads" if heads else "entries.jsonl")
    data = bytearray(path.read_bytes())
    start = data.index(b"\n") + 1 if heads else 0
    place = start + place % (len(data) - start)
    data[place] ^= turn
    path.write_bytes(bytes(data))
    with pytest.raises(LogError):
        _open(folder)


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = _filled(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "log").iterdir()}
    real = os.pwrite
    monkeypatch.setattr(append_only.os, "pwrite", lambda fd, data, at: _fail_after(real, fd, data, at))
    with pytest.raises(DiskFullError):
        book.append_all([_draft(9)])
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in (tmp_path / "log").iterdir()} == before
    assert book.append_all([_draft(9)]) == [6]
    assert _open(tmp_path).size == 7


def _fail_after(real: Callable[[int, bytes, int], int], descriptor: int, data: bytes, at: int) -> int:
    """Write three bytes, then find the disk full."""
    if len(data) > 3 and data[:1] in b"{0123456789":
        return real(descriptor, data[:3], at)
    raise OSError(errno.ENOSPC, "No space left on device")


def _killed_writer(folder: Path, step: int) -> None:
    """Append until the given system call, then die as by kill -9."""
    book = _open(folder)
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
    book.append_all([_draft(100), _draft(101)])
    book.append_all([_draft(102)])


@pytest.mark.parametrize("step", range(1, 30))
def test_a_writer_killed_anywhere_leaves_each_append_whole_or_not_there(tmp_path: Path, step: int) -> None:
    _filled(tmp_path, 3)
    worker = multiprocessing.get_context("fork").Process(target=_killed_writer, args=(tmp_path, step))
    worker.start()
    worker.join(60)
    assert worker.exitcode in {0, -signal.SIGKILL}
    book = _open(tmp_path)
    assert book.size in {4, 6, 7}
    book.append_all([_draft(100), _draft(101)])
    book.append_all([_draft(102)])
    again = _open(tmp_path)
    assert again.size == 7
    keys = [LogEntry.from_document(line).draft.key for line in again.entries(0, 10)]
    assert keys == ["opening", *(f"consent/{number}" for number in (0, 1, 2, 100, 101, 102))]
