"""The log of rounds: written before a message leaves, with its size or the reason of a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from highstreet.cli import main
from highstreet.client import round_log
from highstreet.client.home import StoreHome
from highstreet.client.round_log import noted, read_rounds
from highstreet.files import FileAccessError
from highstreet.protos.rounds_pb2 import (
    REFUSAL_BUDGET,
    REFUSAL_UNREADABLE,
    RefusalCode,
    RoundReply,
    RoundRequest,
    SignedReply,
    SignedRequest,
)

REQUEST = SignedRequest(
    request=RoundRequest(programme_id="prog", round=2, phase="ranker").SerializeToString()
).SerializeToString()


@pytest.fixture
def home(tmp_path: Path) -> StoreHome:
    return StoreHome(tmp_path / "store")


def _reply(**outcome: object) -> bytes:
    reply = RoundReply(programme_id="prog", round=2, **outcome)  # type: ignore[arg-type]  # one of two fields
    return SignedReply(reply=reply.SerializeToString(), signature=b"s" * 64).SerializeToString()


def test_nothing_left_before_anything_was_asked(home: StoreHome) -> None:
    assert read_rounds(home) == []


def test_what_left_is_written_down_with_its_size(home: StoreHome) -> None:
    reply = _reply(values=b"\x01" * 400)
    assert noted(lambda _: reply, home)(REQUEST) == reply
    (note,) = read_rounds(home)
    assert (note.programme_id, note.round, note.phase) == ("prog", 2, "ranker")
    assert (note.outcome, note.reason) == ("sent", "")
    assert (note.request_bytes, note.reply_bytes) == (len(REQUEST), len(reply))
    assert (home.logs / "rounds.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_refusal_says_why_in_plain_words(home: StoreHome) -> None:
    noted(lambda _: _reply(refusal=REFUSAL_BUDGET), home)(REQUEST)
    unread = SignedReply(reply=RoundReply(refusal=REFUSAL_UNREADABLE).SerializeToString()).SerializeToString()
    noted(lambda _: unread, home)(b"\xff\xff")
    budget, unreadable = read_rounds(home)
    assert "budget" in budget.reason
    assert (unreadable.phase, unreadable.outcome) == ("", "refused")


def test_every_reason_to_refuse_has_words(home: StoreHome) -> None:
    for code in RefusalCode.values():
        if code:
            noted(lambda _, code=code: _reply(refusal=code), home)(REQUEST)
    reasons = [note.reason for note in read_rounds(home)]
    assert len(set(reasons)) == len(reasons) == len(RefusalCode.values()) - 1
    assert "for a reason of no name" not in reasons


def test_asking_without_end_fills_no_disk(home: StoreHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_log, "_FULL_BYTES", 2000)
    answer = noted(lambda _: _reply(refusal=REFUSAL_BUDGET), home)
    for _ in range(100):
        answer(REQUEST)
    files = list(home.logs.iterdir())
    assert len(files) == 2
    assert sum(file.stat().st_size for file in files) < 2 * 2000 + 1000
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    assert 8 <= len(read_rounds(home)) < 100


def test_a_full_log_is_put_aside_and_still_read(home: StoreHome, monkeypatch: pytest.MonkeyPatch) -> None:
    noted(lambda _: _reply(values=b"1234"), home)(REQUEST)
    monkeypatch.setattr(round_log, "_FULL_BYTES", 1)
    noted(lambda _: _reply(refusal=REFUSAL_BUDGET), home)(REQUEST)
    assert [note.outcome for note in read_rounds(home)] == ["sent", "refused"]


def test_a_name_from_outside_moves_no_cursor_when_it_is_shown(
    home: StoreHome, capsys: pytest.CaptureFixture[str]
) -> None:
    phase = "x)\x1b[1A\x1b[2K\r nothing left this shop\u202e"
    asked = RoundRequest(programme_id="prog", round=2, phase=phase).SerializeToString()
    body = SignedRequest(request=asked).SerializeToString()
    noted(lambda _: _reply(values=b"1234"), home)(body)
    assert main(["store", "rounds", "--home", str(home.root)]) == 0
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert "\\x1b[2K" in out


def test_what_cannot_be_written_down_does_not_leave(home: StoreHome) -> None:
    home.logs.mkdir(parents=True)
    (home.logs / "rounds.jsonl").mkdir()
    with pytest.raises(FileAccessError):
        noted(lambda _: _reply(values=b"1234"), home)(REQUEST)


def test_a_line_cut_off_by_a_crash_is_passed_over(home: StoreHome) -> None:
    answer = noted(lambda _: _reply(values=b"1234"), home)
    answer(REQUEST)
    with (home.logs / "rounds.jsonl").open("a") as file:
        file.write('{"at": 1, "phase"')
    assert len(read_rounds(home)) == 1
