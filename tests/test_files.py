"""A file is as it was or as it should be, and its owner's only."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from highstreet import files
from highstreet.files import DiskFullError, FileAccessError, make_private_folder, read_limited, write_private


def test_a_file_is_written_private_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "x"
    write_private(file, b"one")
    write_private(file, b"two")
    assert file.read_bytes() == b"two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("call", ["fsync", "open"])
def test_on_a_full_disk_the_old_content_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    file = tmp_path / "x"
    write_private(file, b"old")

    def full(*arguments: object, **names: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(DiskFullError, match="nothing was changed") as caught:
            write_private(file, b"new")
    assert "Free some space" in caught.value.next_step
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("keep")
    (tmp_path / f".x.{os.getpid()}.tmp").symlink_to(target)
    with pytest.raises(FileAccessError):
        write_private(tmp_path / "x", b"new")
    assert target.read_text() == "keep"


def test_a_folder_becomes_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_private_folder(folder)
    folder.chmod(0o755)
    make_private_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_reading_is_limited(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(bytes(10))
    assert read_limited(file, limit_bytes=10) == bytes(10)
    with pytest.raises(FileAccessError, match="larger than 9 bytes"):
        read_limited(file, limit_bytes=9)
    with pytest.raises(FileAccessError, match="does not exist"):
        read_limited(tmp_path / "none", limit_bytes=9)


def test_a_folder_in_a_files_place_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match="cannot be used"):
        write_private(tmp_path, b"x")


def test_a_new_folder_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    make_private_folder(tmp_path / "store" / "coop")
    assert set(synced) == {tmp_path, tmp_path / "store"}
    make_private_folder(tmp_path / "store" / "coop")
    assert len(synced) == 2
