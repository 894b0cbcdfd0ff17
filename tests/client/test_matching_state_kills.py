"""Matching state outlives its process: killed anywhere, nothing let out contradicts anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from highstreet.client.errors import MatchingOverError
from tests.client.drawn_matching import open_state
from tests.client.made_up_context import OWN, matching_context

DRIVER = Path(__file__).with_name("matching_kill_driver.py")


def _check_after_kills(folder: Path, kills: int, seed: int, *how: str) -> dict[str, int]:
    """Kill real processes, then look for anything let out that contradicts something else that was."""
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), str(kills), str(seed), *how],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=True,
    )
    assert json.loads(done.stdout) == {"killed": kills}, done.stderr
    out = [json.loads(line) for line in (folder / "out.log").read_text().splitlines()]
    said = defaultdict(set)
    for kind, matching, value in out:
        said[kind, matching].add(value)
    contradictory = [place for place, values in said.items() if len(values) > 1]
    assert not contradictory, contradictory
    with open_state(folder / "matching.db") as state:  # whole, after every one of the kills
        over = [matching for kind, matching in said if kind == "over"]
        for matching in over:
            with pytest.raises(MatchingOverError):
                state.holder(matching_context(matching), OWN)
        assert len(state.under_way()) <= 1
        for request in state.under_way():
            under_way = next(n for n in range(10_000) if matching_context(n).request_sha256 == request)
            holder = state.holder(matching_context(under_way), OWN)
            if holder is not None and said["key", under_way]:
                assert said["key", under_way] == {holder.secret_key.hex()}
    return {"let out": len(out), "matchings": len(over)}


@pytest.mark.system
def test_after_eighty_kills_nothing_let_out_contradicts_anything_else(tmp_path: Path) -> None:
    seen = _check_after_kills(tmp_path, 80, 3)
    assert seen["let out"] > 100
    assert seen["matchings"] >= 5


@pytest.mark.system
def test_what_is_let_out_before_it_is_kept_would_be_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="answer to"):
        _check_after_kills(tmp_path, 400, 5, "careless")
