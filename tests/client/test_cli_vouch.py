"""An owner vouches from a terminal, a script from its standard input."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vouching_coop import Store, compare, stores_of

from highstreet.audit.limits import StoreLimits
from highstreet.cli import main
from highstreet.client.departure import leave_coop
from highstreet.client.vouch_watch import watching_vouches
from highstreet.client.vouches import known_vouches


@pytest.fixture
def shops(coop: Any, tmp_path: Path, limits: StoreLimits) -> Iterator[list[Store]]:
    with stores_of(coop, tmp_path, limits, "Corner Shop", "Mill Lane", "Old Mill") as found:
        yield found


class Terminal:
    """Types commands, and what they ask for."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._patch = capsys, monkeypatch

    def __call__(self, store: Store, *words: str, typed: str = "") -> tuple[int, str, str]:
        self._patch.setattr("sys.stdin", io.StringIO(typed))
        self._capsys.readouterr()
        status = main(["store", *words, "--home", str(store.home.root)])
        told = self._capsys.readouterr()
        return status, told.out, told.err


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(capsys, monkeypatch)


def test_two_scripts_vouch_with_three_commands(terminal: Terminal, shops: list[Store]) -> None:
    corner, mill, _ = shops
    with watching_vouches(mill.home, threading.Event(), every_seconds=0.05):
        status, code, _ = terminal(corner, "vouch", "mill lane", "--show-code")
        assert status == 0
        assert re.fullmatch(r"[0-9]{6}\n", code)
        status, reply, err = terminal(mill, "vouch", "Corner Shop", "-", "--show-code", typed=code)
        assert status == 0, err
        assert re.fullmatch(r"[0-9]{6}\n", reply)
        status, _, err = terminal(corner, "vouch", "Mill Lane", "-", typed=reply)
        assert status == 0, err
    assert "This shop vouches for Mill Lane now" in err
    assert len(known_vouches(corner.home)) == 2
    status, _, err = terminal(corner, "vouch", "Mill Lane")
    assert status == 0
    assert "Nothing is left to do" in err
    assert "Nobody waits" in terminal(mill, "vouch")[1]
    assert "Nothing is left to do" in terminal(mill, "vouch", "Corner Shop")[2]


def test_an_owner_is_led_through_the_call(terminal: Terminal, shops: list[Store]) -> None:
    corner, mill, _ = shops
    with watching_vouches(mill.home, threading.Event(), every_seconds=0.05):
        status, out, err = terminal(corner, "vouch", "Mill Lane")  # nobody types: it stops at the question
    assert status == 130
    assert "read this to Mill Lane" in err
    assert 'highstreet store vouch "Corner Shop"' in err
    (code,) = re.findall(r"\b[0-9]{3}-[0-9]{3}\b", out)
    assert known_vouches(corner.home) == []
    waiting = terminal(mill, "vouch")[1]
    assert "Corner Shop: waits for you, to type the code they read out." in waiting
    wrong = "000-000" if code != "000-000" else "111-111"
    status, out, err = terminal(mill, "vouch", "Corner Shop", typed=f"what?\n{wrong}\n{code}\n")
    assert status == 0, err
    assert "six digits" in err
    assert "put another key in place" in err
    assert "2 tries" in err
    (reply,) = re.findall(r"\b[0-9]{3}-[0-9]{3}\b", out)
    assert "waits for them, to type" in terminal(mill, "vouch")[1]
    assert reply in terminal(mill, "vouch", "Corner Shop")[1]  # once more, when it was not heard
    status, out, err = terminal(corner, "vouch", "Mill Lane", typed=f"{reply}\n")
    assert status == 0, err
    assert code in out  # it goes on with the same exchange
    assert "Nobody waits" in terminal(corner, "vouch")[1]


def test_a_scripts_second_side_is_not_shown_its_code_before_it_gave_the_others(
    terminal: Terminal, shops: list[Store]
) -> None:
    corner, mill, _ = shops
    with watching_vouches(mill.home, threading.Event(), every_seconds=0.05):
        assert terminal(corner, "vouch", "Mill Lane", "--show-code")[0] == 0
        status, out, err = terminal(mill, "vouch", "Corner Shop", "--show-code")
    assert (status, out) == (1, "")
    assert "after theirs was typed" in err


def test_three_wrong_codes_are_the_last(terminal: Terminal, shops: list[Store]) -> None:
    corner, mill, _ = shops
    with watching_vouches(mill.home, threading.Event(), every_seconds=0.05):
        code = terminal(corner, "vouch", "Mill Lane", "--show-code")[1].strip()
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert [terminal(mill, "vouch", "Corner Shop", "-", typed=wrong)[0] for _ in range(3)] == [1, 1, 1]
    status, _, err = terminal(mill, "vouch", "Corner Shop")
    assert status == 1
    assert "3 codes with Corner Shop did not fit within a day" in err
    assert "Nothing was signed" in err
    assert known_vouches(mill.home) == []


def test_a_store_that_does_not_answer_is_said_and_gone_on_with(
    terminal: Terminal, shops: list[Store]
) -> None:
    corner, mill, _ = shops
    status, _, err = terminal(corner, "vouch", "Mill Lane", "--wait-seconds", "0")
    assert status == 1
    assert "has not answered" in err
    assert "it goes on from here" in err
    assert "waits for their store's answer" in terminal(corner, "vouch")[1]
    status, _, err = terminal(mill, "vouch", "Old Mill", "123456", "--wait-seconds", "0")
    assert status == 1
    assert mill.desk.exchange_with(mill.sees(shops[2])) is None  # a code alone begins nothing


@pytest.mark.parametrize(("name", "said"), [("Nobody", "No member is called"), ("corner shop", "this store")])
def test_a_name_that_is_none_is_said(terminal: Terminal, shops: list[Store], name: str, said: str) -> None:
    status, _, err = terminal(shops[0], "vouch", name)
    assert status == 1
    assert said in err


def test_what_is_no_code_is_not_counted(terminal: Terminal, shops: list[Store]) -> None:
    corner, mill, _ = shops
    status, _, err = terminal(corner, "vouch", "Mill Lane", "hello")
    assert status == 1
    assert "six digits" in err
    assert corner.desk.tries_left(corner.sees(mill)) == 3


def test_members_are_shown_with_what_to_do(terminal: Terminal, shops: list[Store]) -> None:
    corner, mill, old = shops
    out = " ".join(terminal(corner, "members")[1].split())
    assert "0 of 2 other shops count here" in out
    assert "Next: call" in out
    for one, other in ((corner, mill), (corner, old), (mill, old)):
        compare(one, other)
    plain = json.loads(terminal(corner, "members", "--json")[1])
    assert {each["name"] for each in plain["members"] if each["counts"]} == {
        "Corner Shop",
        "Mill Lane",
        "Old Mill",
    }
    assert plain["counting_me"] == 2
    assert plain["to_call"] == []
    out = " ".join(terminal(corner, "members")[1].split())
    assert "2 of 2 other shops count here, and this shop counts for 2" in out
    assert "Next" not in out


def test_help_tells_how_a_call_goes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "vouch", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Read out the code you see" in shown
    assert "never through the co-op's own server" in shown


def test_a_vouch_is_taken_back_with_one_command_that_says_what_it_does(
    terminal: Terminal, shops: list[Store]
) -> None:
    corner, mill, old = shops
    for one, other in ((corner, mill), (corner, old), (mill, old)):
        compare(one, other)
    status, _, err = terminal(corner, "vouch", "Mill Lane", "--withdraw", typed="n\n")
    assert status != 0
    assert "it cannot be undone" in err
    assert corner.counted() == ["Corner Shop", "Mill Lane", "Old Mill"]
    status, _, err = terminal(corner, "vouch", "Mill Lane", "--withdraw", typed="y\n")
    assert status == 0, err
    assert "does not vouch for Mill Lane any more" in err
    assert corner.counted() == ["Corner Shop", "Old Mill"]
    out = " ".join(terminal(corner, "members")[1].split())
    assert "struck out" in out
    assert "1 of 1 other shops count here" in out
    assert "Careful: for some members this shop does not count" in " ".join(
        terminal(mill, "members")[1].split()
    )
    plain = json.loads(terminal(corner, "members", "--json")[1])
    assert [each["name"] for each in plain["members"] if each["is_struck_out"]] == ["Mill Lane"]
    assert plain["to_call"] == []
    status, _, err = terminal(corner, "vouch", "Mill Lane", "--withdraw", "--yes")
    assert status == 1
    assert "nothing to take back" in err
    status, _, err = terminal(corner, "vouch", "Mill Lane")
    assert status == 1
    assert "for good" in err


@pytest.mark.parametrize(
    "words",
    [
        ("--withdraw",),
        ("Mill Lane", "123456", "--withdraw"),
        ("Mill Lane", "--withdraw", "--replaces", "Old Mill"),
        ("Mill Lane", "--replaces", "Old Mill", "--another-shop"),
        ("Mill Lane", "--replaces", "Nobody"),
        ("Mill Lane", "--replaces", "Corner Shop"),
    ],
)
def test_what_does_not_go_together_is_said_and_nothing_is_signed(
    terminal: Terminal, shops: list[Store], words: tuple[str, ...]
) -> None:
    status, _, err = terminal(shops[0], "vouch", *words)
    assert status == 1
    assert err
    assert known_vouches(shops[0].home) == []


def test_a_shop_that_comes_back_is_vouched_for_in_the_place_of_the_old_one(
    coop: Any, terminal: Terminal, shops: list[Store], tmp_path: Path, limits: StoreLimits
) -> None:
    corner, mill, _ = shops
    compare(corner, mill)
    before = mill.member_id
    leave_coop(mill.home)
    with stores_of(coop, tmp_path / "again", limits, "Mill Lane") as (again,):
        with watching_vouches(again.home, threading.Event(), every_seconds=0.05):
            status, _, err = terminal(corner, "vouch", "Mill Lane", "--show-code")
            assert status == 1
            assert before in err
            assert "--replaces" in err
            named = ("--replaces", "mill lane")
            status, code, err = terminal(corner, "vouch", "Mill Lane", "--show-code", *named)
            assert status == 0, err
            status, reply, err = terminal(again, "vouch", "Corner Shop", "-", "--show-code", typed=code)
            assert status == 0, err
            status, _, err = terminal(corner, "vouch", "Mill Lane", "-", *named, typed=reply)
            assert status == 0, err
        assert f"was a member as Mill Lane ({before})" in err
        assert [
            each.replaces for each in known_vouches(corner.home) if each.subject_id == again.member_id
        ] == [(before,)]
        assert corner.counted() == ["Corner Shop", "Mill Lane"]


def test_what_a_member_was_before_can_be_said_later(terminal: Terminal, shops: list[Store]) -> None:
    corner, mill, old = shops
    compare(corner, mill)
    compare(corner, old)
    status, _, err = terminal(corner, "vouch", "Mill Lane", "--replaces", old.member_id)
    assert status == 0, err
    assert corner.counted() == ["Corner Shop", "Mill Lane"]
