"""A ledger outlives its process: killed anywhere, nothing is under-counted and nothing sent twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.made_up_ledger import reopen

DRIVER = Path(__file__).with_name("ledger_kill_driver.py")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def check_after_kills(folder, kills, seed, *how):
    """Kill real processes, then hold what they computed and sent against the ledger."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), str(kills), str(seed), *how],
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=True,
    )
    ends = json.loads(done.stdout)
    assert ends["killed"] == kills
    assert "failed" not in ends, done.stderr

    book = reopen(folder / "ledger.db")  # whole, after every one of the kills
    rows = book._connection.execute("SELECT phase, sequence FROM rounds").fetchall()
    charged = {
        phase: {
            c
            for (c,) in book._connection.execute(
                "SELECT customer FROM exposures WHERE sequence = ?", (number,)
            )
        }
        for phase, number in rows
    }
    stored = dict(
        book._connection.execute("SELECT phase, reply FROM replies JOIN rounds ON round = rounds.sequence")
    )
    computed, sent = lines(folder / "computed.log"), lines(folder / "sent.log")
    assert len(charged) == len(rows)  # no phase was paid for twice
    for entry in computed:  # whatever was computed had been paid for, for everybody in it
        assert {book._commit_to(name) for name in entry["customers"]} <= charged[entry["phase"]]
    for entry in sent:  # and only one reply was ever sent for a phase
        assert bytes.fromhex(entry["reply"]) == stored.get(entry["phase"])
    sets = {
        phase: set_sha256.hex()
        for phase, set_sha256 in book._connection.execute("SELECT phase, set_sha256 FROM agreements")
    }
    agreed = lines(folder / "agreed.log")
    for entry in agreed:  # and only one set of contributors was ever agreed to
        assert entry["set"] == sets[entry["phase"]]
    book.close()
    again = sum(entry["is_again"] for entry in computed)
    return {
        "agreed": len(agreed),
        "killed inside": len(lines(folder / "kills.log")),
        "sent": len(sent),
        "spent in an earlier life": again,
    }


@pytest.mark.system
def test_after_sixty_kills_nothing_is_under_counted_and_nothing_sent_twice_with_other_bytes(tmp_path):
    seen = check_after_kills(tmp_path, kills=60, seed=3)
    assert seen["killed inside"] >= 12
    assert seen["sent"] >= 12
    assert seen["agreed"] >= 12
    assert seen["spent in an earlier life"] >= 1  # the gap between spend and reply was hit


@pytest.mark.system
def test_sending_before_storing_would_be_caught_by_the_same_check(tmp_path):
    with pytest.raises(AssertionError):
        check_after_kills(tmp_path, 60, 3, "careless")


@pytest.mark.system
@pytest.mark.slow
def test_after_a_thousand_kills_nothing_is_under_counted_and_nothing_sent_twice_with_other_bytes(tmp_path):
    seen = check_after_kills(tmp_path, kills=1000, seed=11)
    assert seen["killed inside"] >= 300
    assert seen["spent in an earlier life"] >= 40  # the gap between spend and reply was hit
