"""`highstreet audit verify` and `keys`: what they say, of what they could use and what not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from highstreet.cli import main
from tests.audit.made_up_log import (
    WITNESS,
    MadeUpLog,
    edited,
)


def test_junk_beside_a_log_does_not_hide_an_entry_that_was_edited(
    log: MadeUpLog, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = log.entries
    entries[8] = edited(entries[8])
    log.write(entries=entries)
    (log.folder / "log" / "checkpoint").write_bytes(b"junk")
    assert main(["audit", "verify", str(log.folder / "log")]) == 1
    said = capsys.readouterr().out
    assert "Entry 9:" in said
    assert f"Not used: {log.folder / 'log' / 'checkpoint'}" in said


def test_a_folder_of_heads_without_entries_is_a_log_whose_entries_are_missing(log: MadeUpLog) -> None:
    (log.folder / "log" / "entries.jsonl").unlink()
    assert main(["audit", "verify", str(log.folder / "log")]) == 1


def test_of_many_lines_that_cannot_be_used_some_are_named_and_all_counted(
    log: MadeUpLog, capsys: pytest.CaptureFixture[str]
) -> None:
    log.witness_file.write_bytes(b"{}\n" * 30)
    assert _run(log) == 2
    said = capsys.readouterr().out
    assert said.count("Not used: ") == 21
    assert "Not used: 10 more." in said
    assert "Everything fits" not in said


def _run(log: MadeUpLog, *more: str) -> int:
    words = ["audit", "verify", str(log.folder / "log"), "--witness", str(log.witness_file), *more]
    return main(words)


def test_the_command_says_that_everything_fits(log: MadeUpLog, capsys: pytest.CaptureFixture[str]) -> None:
    keys = log.folder / "keys.txt"
    keys.write_text(f"{log.log_key.to_text()}\n{WITNESS.to_text()}\n")
    assert _run(log, "--key", str(keys)) == 0
    said = capsys.readouterr().out
    assert "Everything fits." in said
    assert f"{WITNESS.name}: saw 24 entries" in said
    assert "(given)" in said


def test_the_command_names_the_first_entry_and_what_to_do(
    log: MadeUpLog, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = log.entries
    entries[8] = edited(entries[8])
    log.write(entries=entries)
    assert _run(log, "--key", log.log_key.to_text()) == 1
    said = capsys.readouterr().out
    assert "Entry 9:" in said
    assert "Compare it with another copy" in said


@dataclass(frozen=True)
class _Refusal:
    words: Callable[[MadeUpLog], list[str]]
    says: str


@pytest.mark.parametrize(
    "refusal",
    [
        _Refusal(lambda log: [str(log.folder)], "no log in"),
        _Refusal(lambda log: ["coop://127.0.0.1:1"], "to members"),
        _Refusal(lambda log: [str(log.folder / "log"), "--key", "a+b+c"], "base64"),
        _Refusal(
            lambda log: [str(log.folder / "log"), "--witness", str(log.folder / "log" / "heads")], "note"
        ),
    ],
    ids=["folder", "url", "key", "witness"],
)
def test_the_command_says_what_it_cannot_use(
    log: MadeUpLog, capsys: pytest.CaptureFixture[str], refusal: _Refusal
) -> None:
    assert main(["audit", "verify", *refusal.words(log)]) == 2
    said = capsys.readouterr()
    assert refusal.says in said.err + said.out


def test_the_keys_of_a_log_are_printed(log: MadeUpLog, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "keys", str(log.folder / "log")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == log.log_key.to_text()


def test_verifying_changes_nothing(log: MadeUpLog) -> None:
    with (log.folder / "log" / "entries.jsonl").open("ab") as file:
        file.write(b"torn")
    before = {path: path.read_bytes() for path in log.folder.rglob("*") if path.is_file()}
    _run(log)
    assert {path: path.read_bytes() for path in log.folder.rglob("*") if path.is_file()} == before
