"""What a coordinator and a shop type, and what they read: one clear sentence and a next step."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typed_commands import Run, join_by_code

from highstreet.audit.charter import Charter
from highstreet.audit.charter_format import to_toml
from highstreet.audit.invite import Invite
from highstreet.audit.scorecard import scorecard
from highstreet.models.evaluation import METRICS
from highstreet.models.state import SharedState
from highstreet.server.database import connect
from highstreet.server.home import CoopHome
from highstreet.server.releases import Candidate, publish_release


@pytest.fixture
def edited(tmp_path: Path, charter_with: Callable[..., Charter]) -> Path:
    file = tmp_path / "edited.toml"
    file.write_text(to_toml(charter_with()))
    return file


def test_a_co_op_is_made_from_an_edited_charter(run: Run, tmp_path: Path, edited: Path) -> None:
    place = tmp_path / "coop"
    status, out, _ = run(
        "coop", "init", "--home", place, "--charter", edited, "--address", "coop.example.org:7000"
    )
    assert status == 0
    assert "epsilon 1.07, delta 1e-05 for a customer of one shop" in out
    assert "for a person who shops in up to 4 shops" in out
    assert CoopHome.open(place).config().superlink_address == "coop.example.org:7002"
    assert CoopHome.open(place).config().listen == "0.0.0.0"  # noqa: S104  # what a public name means
    status, _, err = run("coop", "init", "--home", place, "--charter", edited)
    assert status == 1
    assert "left as it is" in err


def test_a_co_op_can_promise_to_persons(run: Run, tmp_path: Path, edited: Path) -> None:
    status, text, _ = run("coop", "charter", "default", "--person", 6, "--epsilon", 2)
    assert status == 0
    assert 'privacy_unit = "person"' in text
    assert "shops_per_person = 6" in text
    place = tmp_path / "coop"
    status, out, _ = run("coop", "init", "--home", place, "--person", 6, "--epsilon", 2)
    assert status == 0
    assert (
        "epsilon 2.00, delta 1e-05 for a person who shops in up to 6 shops, each contribution divided" in out
    )
    status, out, _ = run("coop", "charter", "check", "--home", place)
    assert status == 0
    assert "promises epsilon 2 to a person who shops in up to 6 shops" in out
    assert run("coop", "charter", "default", "--person", 0)[0] != 0
    status, _, err = run("coop", "init", "--home", tmp_path / "b", "--charter", edited, "--person", 4)
    assert status == 1
    assert "whom it protects" in err


def test_a_co_op_can_count_a_persons_shops(run: Run, tmp_path: Path, edited: Path) -> None:
    place = tmp_path / "coop"
    words = ("--person", 4, "--match", "email", "--identifiers", 500, "--epsilon", 2)
    status, out, _ = run("coop", "init", "--home", place, *words)
    assert status == 0
    assert "up to 4 shops, each contribution divided by their number (added or removed)" in out
    assert "nothing is added for customers who did not say yes to both coop_learning and matching" in out
    assert "a matching needs at least 4 shops that all count for each other" in out
    status, out, _ = run("coop", "charter", "check", "--home", place)
    assert status == 0
    assert "who have no email on record" in out
    status, text, _ = run("coop", "charter", "default", *words[:4])
    assert status == 0
    for line in ('weighting = "one_over_shops"', "[matching]", "identifiers_per_store = 1000"):
        assert line in text
    for wrong, said in (
        (("--match", "email"), "--person SHOPS"),
        (("--person", 4, "--identifiers", 5), "--match email"),
        (("--charter", edited, "--match", "email"), "whom it protects"),
    ):
        status, _, err = run("coop", "init", "--home", tmp_path / "b", *wrong)
        assert status == 1
        assert said in err


@pytest.mark.parametrize("address", ["nowhere", "host:", ":9440", "host:0", "host:70000", "höst:9440"])
def test_an_address_that_is_none_is_said(run: Run, tmp_path: Path, edited: Path, address: str) -> None:
    words = ("--home", tmp_path / "coop", "--charter", edited, "--address", address)
    status, _, err = run("coop", "init", *words)
    assert status == 1
    assert "HOST:PORT" in err
    assert not (tmp_path / "coop").exists()


def test_charters_are_checked_and_signed(run: Run, coop_home: CoopHome, edited: Path) -> None:
    assert run("coop", "charter", "check", edited)[0] == 0
    assert run("coop", "charter", "sign", edited, "--home", coop_home.root)[0] == 0
    edited.write_text(edited.read_text().replace("noise_multiplier = 5.0", "noise_multiplier = 0.5"))
    status, _, err = run("coop", "charter", "sign", edited, "--home", coop_home.root)
    assert status == 1
    assert "its phases cost" in err
    edited.write_text("[coop")
    status, _, err = run("coop", "charter", "check", edited)
    assert status == 1
    assert "not valid TOML" in err


@pytest.mark.slow
def test_a_printed_charter_is_one_to_start_from(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("coop", "charter", "default", "--epsilon", "2", "--name", "Mill Lane")
    file = tmp_path / "c.toml"
    file.write_text(out)
    assert status == 0
    assert run("coop", "charter", "check", file)[0] == 0


def test_only_the_code_is_on_standard_output(run: Run, coop_home: CoopHome) -> None:
    status, out, err = run("coop", "--home", coop_home.root, "invite", "Corner Shop", "--expires-hours", 2)
    assert status == 0
    assert Invite.from_code(out).address == "127.0.0.1:20000"
    assert "within 2 hours" in err


def test_a_shop_joins_and_is_listed(run: Run, coop: Any, tmp_path: Path) -> None:
    status, out, _ = join_by_code(run, coop, tmp_path, "Corner Shop")
    assert status == 0
    assert "member of Hill Road" in out
    assert "epsilon 1.07" in out
    status, out, _ = run("coop", "members", "--home", coop.home.root)
    assert "Corner Shop" in out


def test_the_code_is_asked_for_without_showing_it(
    run: Run, coop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, code, advice = run("coop", "invite", "Corner Shop", "--home", coop.home.root)
    assert "highstreet store join," in advice
    assert "join CODE" not in advice
    asked: list[dict[str, Any]] = []

    def prompt(_: str, **how: Any) -> str:
        asked.append(how)
        return str(code)

    monkeypatch.setattr("typer.prompt", prompt)
    monkeypatch.setattr("sys.stdin", Terminal())
    status, out, err = run("store", "join", "--home", tmp_path / "store")
    assert status == 0
    assert asked == [{"hide_input": True}]
    assert code.strip() not in out + err


@pytest.mark.parametrize("words", [["-"], []])
def test_a_script_gives_the_code_on_standard_input(
    run: Run, coop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    _, code, _ = run("coop", "invite", "Corner Shop", "--home", coop.home.root)
    monkeypatch.setattr("sys.stdin", io.StringIO(code))
    assert run("store", "join", *words, "--home", tmp_path / "store")[0] == 0


class Terminal(io.StringIO):
    """Standard input with a person at it."""

    def isatty(self) -> bool:
        return True


def test_a_code_used_twice_gets_a_sentence_and_a_next_step(run: Run, coop: Any, tmp_path: Path) -> None:
    _, code, _ = run("coop", "invite", "A", "--home", coop.home.root)
    assert run("store", "join", code.strip(), "--home", tmp_path / "a")[0] == 0
    status, _, err = run("store", "join", code.strip(), "--home", tmp_path / "b")
    assert status == 1
    assert err.strip() == (
        "highstreet: This invitation was used by another store already. Ask the coordinator for a new code."
    )


def test_a_removed_shop_is_out(run: Run, coop: Any, tmp_path: Path) -> None:
    join_by_code(run, coop, tmp_path, "Corner Shop")
    assert run("coop", "remove", "Corner Shop", "--home", coop.home.root)[0] == 0
    _, out, _ = run("coop", "members", "--home", coop.home.root)
    assert "No shop has joined" in out
    status, _, err = run("coop", "remove", "Corner Shop", "--home", coop.home.root)
    assert status == 1
    assert "not a member" in err


def test_a_store_is_made_once(run: Run, tmp_path: Path) -> None:
    assert run("store", "init", "--home", tmp_path / "s")[0] == 0
    status, _, err = run("store", "init", "--home", tmp_path / "s")
    assert status == 1
    assert "already" in err


def test_a_floor_that_goes_with_nothing_is_said(run: Run, tmp_path: Path, edited: Path) -> None:
    words = ("coop", "init", "--home", tmp_path / "coop", "--floor")
    status, _, err = run(*words, 2)
    assert status == 1
    assert "The floor is 2 contributors; it must be at least 3" in err
    status, _, err = run(*words, 4, "--charter", edited)
    assert status == 1
    assert "brings its own epsilon, floor, noise" in err
    assert not (tmp_path / "coop").exists()


def test_the_help_of_init_says_what_the_floor_costs(run: Run) -> None:
    words = " ".join(run("coop", "init", "--help")[1].split())
    assert "the less noise" in words
    assert "nothing is learnt" in words


def test_grpc_is_not_loaded_before_tls_1_3_was_asked_for() -> None:
    look = "import sys, highstreet.server.cli, highstreet.server.tls; print('grpc' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_before_anything_happened_the_lists_say_what_to_do(run: Run, coop_home: CoopHome) -> None:
    assert "coop train" in run("coop", "releases", "--home", coop_home.root)[1]
    assert "coop train" in run("coop", "status", "--home", coop_home.root)[1]
    assert "coop invite" in run("coop", "members", "--home", coop_home.root)[1]


def test_a_release_shows_how_good_it_is_and_how_far_that_can_be_trusted(
    run: Run, coop_home: CoopHome
) -> None:
    sums = dict.fromkeys(METRICS, 100.0) | {"all/customers": 400.0, "novel/customers": 60.0, "stddev": 40.0}
    with closing(connect(coop_home.database)) as connection:
        connection.execute(
            "INSERT INTO programmes (programme_id, number, requested_at, state, charter_sha256)"
            " VALUES ('0a', 1, 0, 'finished', x'00')"
        )
    state = SharedState({"weights": np.ones(4, dtype=np.float32)})
    candidate = Candidate(
        programme_id="0a",
        state=state,
        rounds=2,
        participants=3,
        roster_sha256=bytes(32),
        evaluation=scorecard(sums),
    )
    publish_release(coop_home, candidate, now=datetime.now(UTC))
    _, out, _ = run("coop", "releases", "--home", coop_home.root)
    words = " ".join(out.split())
    assert "400 ± 78" in words
    assert "0.25 (0.05 to 0.47)" in words
    assert "too noisy" in words
    assert "as released" in words


@pytest.mark.parametrize("command", ["status", "members", "releases", "train"])
def test_a_place_without_a_co_op_says_so(run: Run, tmp_path: Path, command: str) -> None:
    status, _, err = run("coop", command, "--home", tmp_path)
    assert status == 1
    assert "There is no co-op in" in err
