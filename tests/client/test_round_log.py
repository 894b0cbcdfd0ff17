"""The log of rounds: written before a message leaves, with its size or the reason of a refusal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from highstreet.audit.matchings import TABLE_PHASE
from highstreet.cli import main
from highstreet.client import round_log
from highstreet.client.home import StoreHome
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.round_log import noted, read_rounds
from highstreet.files import FileAccessError
from highstreet.privacy.secure_sum import SumRefusal
from highstreet.protos.rounds_pb2 import REFUSAL_BUDGET, REFUSAL_PARTICIPANTS, REFUSAL_UNREADABLE, RefusalCode

REQUEST = b"a round message, which the log does not read"
SENT = RoundAnswer(body=b"\x01" * 400, step=Step.CONTRIBUTION, programme_id="prog", round=2, phase="ranker")


@pytest.fixture
def home(tmp_path: Path) -> StoreHome:
    return StoreHome(tmp_path / "store")


def _refused(code: int) -> RoundAnswer:
    return replace(SENT, body=b"no", refusal=code)


def test_nothing_left_before_anything_was_asked(home: StoreHome) -> None:
    assert read_rounds(home) == []


def test_what_left_is_written_down_with_its_size(home: StoreHome) -> None:
    assert noted(lambda _: SENT, home)(REQUEST) == SENT
    (note,) = read_rounds(home)
    assert (note.programme_id, note.round, note.phase) == ("prog", 2, "ranker")
    assert (note.outcome, note.what, note.reason) == ("sent", "contribution", "")
    assert (note.request_bytes, note.reply_bytes) == (len(REQUEST), 400)
    assert (home.logs / "rounds.jsonl").stat().st_mode & 0o777 == 0o600


def test_what_left_can_be_held_against_what_was_received(
    home: StoreHome, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, step in enumerate(Step):
        noted(lambda _, step=step, number=number: replace(SENT, body=bytes([number]), step=step), home)(
            REQUEST
        )
    noted(lambda _: _refused(REFUSAL_BUDGET), home)(REQUEST)
    notes = read_rounds(home)
    hashes = [hashlib.sha256(bytes([number])).hexdigest() for number in range(len(Step))]
    assert [note.reply_sha256 for note in notes] == [*hashes, hashlib.sha256(b"no").hexdigest()]
    assert [note.what for note in notes if note.noise_inside] == ["contribution", "share of the sum"]
    assert main(["store", "rounds", "--home", str(home.root)]) == 0
    out = capsys.readouterr().out
    assert all(f"SHA-256 of what left: {one}" in out for one in hashes)
    assert out.count("Noise inside: yes.") == 2


def test_a_share_of_a_matchings_tables_is_not_said_to_hold_noise(
    home: StoreHome, capsys: pytest.CaptureFixture[str]
) -> None:
    share = replace(SENT, step=Step.SUM_SHARE)
    for phase in (TABLE_PHASE, "popularity"):
        noted(lambda _, phase=phase: replace(share, phase=phase), home)(REQUEST)
    assert [note.noise_inside for note in read_rounds(home)] == [False, True]
    assert main(["store", "rounds", "--home", str(home.root)]) == 0
    assert capsys.readouterr().out.count("Noise inside: yes.") == 1


def test_lines_of_an_earlier_version_are_read(home: StoreHome) -> None:
    noted(lambda _: SENT, home)(REQUEST)
    path = home.logs / "rounds.jsonl"
    plain = json.loads(path.read_text())
    del plain["reply_sha256"], plain["noise_inside"]
    path.write_text(json.dumps(plain) + "\n")
    (note,) = read_rounds(home)
    assert (note.reply_bytes, note.reply_sha256, note.noise_inside) == (400, "", False)


def test_a_refusal_says_why_in_plain_words(home: StoreHome) -> None:
    noted(lambda _: _refused(REFUSAL_BUDGET), home)(REQUEST)
    noted(lambda _: RoundAnswer(body=b"no", refusal=REFUSAL_UNREADABLE), home)(b"\xff\xff")
    noted(lambda _: _refused(REFUSAL_PARTICIPANTS), home)(REQUEST)
    budget, unreadable, stranger = read_rounds(home)
    assert "budget" in budget.reason
    assert (unreadable.phase, unreadable.outcome, unreadable.what) == ("", "refused", "")
    assert "has not vouched for: see `highstreet store members`" in stranger.reason


def test_what_left_as_a_member_of_the_committee_is_written_down_too(
    home: StoreHome, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (Step.AGREEMENT, Step.SUM_SHARE):
        noted(lambda _, step=step: replace(SENT, step=step), home)(REQUEST)
    noted(lambda _: replace(SENT, body=b"no", step=Step.SUM_SHARE, sum_refusal=SumRefusal.SECOND_SET), home)(
        REQUEST
    )
    notes = read_rounds(home)
    assert [(note.what, note.outcome, note.reply_bytes) for note in notes] == [
        ("agreement", "sent", 400),
        ("share of the sum", "sent", 400),
        ("share of the sum", "refused", 2),
    ]
    assert "agreed to add up other shops" in notes[-1].reason
    assert main(["store", "rounds", "--home", str(home.root)]) == 0
    out = capsys.readouterr().out
    assert "400 bytes left: an agreement on whose sums are added up." in out
    assert "400 bytes left: one share of the sum of all, which says nothing alone." in out


def test_every_reason_of_a_committee_member_has_words(home: StoreHome) -> None:
    for code in SumRefusal:
        noted(lambda _, code=code: replace(SENT, sum_refusal=code), home)(REQUEST)
    assert all(note.reason and note.outcome == "refused" for note in read_rounds(home))


def test_every_reason_to_refuse_has_words(home: StoreHome) -> None:
    for code in RefusalCode.values():
        if code:
            noted(lambda _, code=code: _refused(code), home)(REQUEST)
    reasons = [note.reason for note in read_rounds(home)]
    assert len(set(reasons)) == len(reasons) == len(RefusalCode.values()) - 1
    assert "for a reason of no name" not in reasons


def test_asking_without_end_fills_no_disk(home: StoreHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_log, "_FULL_BYTES", 2000)
    answer = noted(lambda _: _refused(REFUSAL_BUDGET), home)
    for _ in range(100):
        answer(REQUEST)
    files = list(home.logs.iterdir())
    assert len(files) == 2
    assert sum(file.stat().st_size for file in files) < 2 * 2000 + 1000
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    assert 8 <= len(read_rounds(home)) < 100


def test_a_full_log_is_put_aside_and_still_read(home: StoreHome, monkeypatch: pytest.MonkeyPatch) -> None:
    noted(lambda _: SENT, home)(REQUEST)
    monkeypatch.setattr(round_log, "_FULL_BYTES", 1)
    noted(lambda _: _refused(REFUSAL_BUDGET), home)(REQUEST)
    assert [note.outcome for note in read_rounds(home)] == ["sent", "refused"]


def test_a_name_from_outside_moves_no_cursor_when_it_is_shown(
    home: StoreHome, capsys: pytest.CaptureFixture[str]
) -> None:
    phase = "x)\x1b[1A\x1b[2K\r nothing left this shop\u202e"
    noted(lambda _: replace(SENT, phase=phase), home)(REQUEST)
    assert main(["store", "rounds", "--home", str(home.root)]) == 0
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert "\\x1b[2K" in out


def test_what_cannot_be_written_down_does_not_leave(home: StoreHome) -> None:
    home.logs.mkdir(parents=True)
    (home.logs / "rounds.jsonl").mkdir()
    with pytest.raises(FileAccessError):
        noted(lambda _: SENT, home)(REQUEST)


def test_a_line_cut_off_by_a_crash_is_passed_over(home: StoreHome) -> None:
    answer = noted(lambda _: SENT, home)
    answer(REQUEST)
    with (home.logs / "rounds.jsonl").open("a") as file:
        file.write('{"at": 1, "phase"')
    assert len(read_rounds(home)) == 1


def test_what_left_after_a_line_was_cut_off_can_be_read(home: StoreHome) -> None:
    answer = noted(lambda _: SENT, home)
    answer(REQUEST)
    with (home.logs / "rounds.jsonl").open("a") as file:
        file.write('{"at": 1, "phase"')
    answer(REQUEST)
    answer(REQUEST)
    assert len(read_rounds(home)) == 3
