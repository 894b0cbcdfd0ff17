"""The byte search finds what is anywhere in a file, and says how much it looked through."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from highstreet.client import byte_search
from highstreet.client.byte_search import search_folder, searchable
from highstreet.files import FileAccessError


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(before=st.integers(0, 80), after=st.integers(0, 80), chunk=st.integers(1, 24))
def test_a_value_is_found_wherever_it_is_also_over_the_end_of_a_chunk(
    tmp_path: Path, before: int, after: int, chunk: int
) -> None:
    whole = byte_search._CHUNK_BYTES
    byte_search._CHUNK_BYTES = chunk
    try:
        (tmp_path / "file").write_bytes(b"x" * before + b"ann@example.org" + b"y" * after)
        assert search_folder(tmp_path, [b"other value", b"ann@example.org"]).found_in == ("file",)
        assert search_folder(tmp_path, [b"ann@example.com"]).found_in == ()
    finally:
        byte_search._CHUNK_BYTES = whole


def test_every_file_is_read_hidden_and_deep_ones_too_and_links_are_named(tmp_path: Path) -> None:
    (tmp_path / "a" / ".b").mkdir(parents=True)
    (tmp_path / "a" / ".b" / ".c").write_bytes(b"..ann@example.org")
    outside = tmp_path.parent / "outside.txt"
    outside.write_bytes(b"ann@example.org")
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "folder").symlink_to(tmp_path.parent)
    found = search_folder(tmp_path, [b"ann@example.org"])
    assert found.found_in == ("a/.b/.c",)
    assert found.links == ("folder", "link")
    assert (found.files, found.bytes, found.values) == (1, 17, 1)


def test_a_file_that_cannot_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileAccessError):
        search_folder(tmp_path, [b"ann@example.org"])


def test_a_folder_that_cannot_be_listed_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "backup.csv").write_bytes(b"ann@example.org")
    listed = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("/old"):
            raise PermissionError(13, "no", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(FileAccessError, match="old"):
        search_folder(tmp_path, [b"ann@example.org"])


@pytest.mark.parametrize(
    "held",
    [
        "JÖRG/O'NEILL&SON".encode(),
        "jörg/o'neill&son".encode(),
        "JöRg/O'Neill&Son".encode(),
        "Jörg/O'Neill&Son".encode("utf-16"),
        "JÖRG/O'NEILL&SON".encode("utf-16-be"),
        b"J\\u00f6rg/O'Neill&Son",
        b"J\\u00D6RG\\/O'NEILL&SON",
        b"J&ouml;rg/O'Neill&amp;Son",
        b"J&#246;rg/O&#x27;Neill&amp;Son",
        "Jörg/O'Neill&amp;Son".encode(),
    ],
)
def test_a_value_is_found_in_every_way_files_spell_it(tmp_path: Path, held: bytes) -> None:
    (tmp_path / "file").write_bytes(b"...." + held + b"..")
    assert search_folder(tmp_path, searchable(["Jörg/O'Neill&Son"])).found_in == ("file",)
    assert search_folder(tmp_path, searchable(["Jörg/O'Neill&Sam"])).found_in == ()


def test_what_is_too_short_is_not_looked_for_in_any_encoding() -> None:
    assert searchable(["1042", "Straße"]) == ()
    assert b"ann@example.org" in searchable(["1042", "Ann@Example.org"])
    assert b"strasse-1" in searchable(["Straße-1"])
