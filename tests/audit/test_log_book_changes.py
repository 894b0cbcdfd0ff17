"""A log that was changed in any byte or put back is refused, and left as it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_book import KEY, draft_of, filled_book, open_book

from highstreet.audit.checkpoints import coordinator_origin
from highstreet.audit.errors import LogDamagedError, LogError, LogRewoundError
from highstreet.audit.log_book import LogBook
from highstreet.audit.log_owner import LogOwner


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
    book.append_all([draft_of(number) for number in range(5)])
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
    filled_book(tmp_path)
    change(tmp_path)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    with pytest.raises(LogError) as caught:
        open_book(tmp_path)
    assert "audit verify" in caught.value.for_user()
    after = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    assert {path: data for path, data in after.items() if data} == {k: v for k, v in before.items() if v}


@pytest.mark.parametrize("change", [_truncate_heads, _roll_back, _truncate_entries])
def test_a_log_put_back_while_it_is_open_is_refused(tmp_path: Path, change: Callable[[Path], None]) -> None:
    book = filled_book(tmp_path)
    change(tmp_path)
    with pytest.raises(LogRewoundError):
        book.append_all([draft_of(9)])


def test_an_entry_changed_while_the_log_is_open_is_not_served(tmp_path: Path) -> None:
    book = filled_book(tmp_path)
    _edit(tmp_path)
    with pytest.raises(LogDamagedError):
        book.entries(0, 10)


def test_a_log_under_another_key_is_refused(tmp_path: Path) -> None:
    filled_book(tmp_path)
    with pytest.raises(LogDamagedError):
        open_book(tmp_path, key=Ed25519PrivateKey.generate())


@given(place=st.integers(0, 10_000), turn=st.integers(1, 255), heads=st.booleans())
@settings(max_examples=120, deadline=None)
def test_no_byte_of_entries_or_the_newest_head_may_change(
    tmp_path_factory: pytest.TempPathFactory, place: int, turn: int, heads: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    book = open_book(folder)
    book.append_all([draft_of(number) for number in range(4)])
    path = folder / "log" / ("heads" if heads else "entries.jsonl")
    data = bytearray(path.read_bytes())
    start = data.index(b"\n") + 1 if heads else 0
    place = start + place % (len(data) - start)
    data[place] ^= turn
    path.write_bytes(bytes(data))
    with pytest.raises(LogError):
        open_book(folder)
