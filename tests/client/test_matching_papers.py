"""Papers of matchings: what left once leaves as it was, whenever the power went off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from highstreet.client.matching_papers import MatchingPapers

DRIVER = Path(__file__).with_name("papers_kill_driver.py")
KEPT = 4


def _hash(number: int) -> bytes:
    return bytes([number]) * 32


def test_the_first_reply_stays_and_the_latest_four_are_kept(tmp_path: Path) -> None:
    papers = MatchingPapers(tmp_path / "papers")
    assert papers.table(_hash(1)) is None
    for number in range(1, 7):
        assert papers.keep_table(_hash(number), b"reply %d" % number) == b"reply %d" % number
        os.utime(papers._table(_hash(number)), ns=(0, number))  # some file systems count in ticks
        assert papers.keep_table(_hash(number), b"another") == b"reply %d" % number
    kept = [number for number in range(1, 7) if papers.table(_hash(number)) is not None]
    assert kept == [3, 4, 5, 6]


def test_a_deadline_that_is_not_known_is_over(tmp_path: Path) -> None:
    papers = MatchingPapers(tmp_path / "papers")
    assert papers.deadline(_hash(1)) == 0
    papers.keep_deadline(_hash(1), 77)
    papers.keep_deadline(_hash(1), 88)
    assert papers.deadline(_hash(1)) == 77
    papers._deadline(_hash(1)).write_bytes(b"soon")
    assert papers.deadline(_hash(1)) == 0


def test_deadlines_stay_of_the_matchings_that_are_named(tmp_path: Path) -> None:
    papers = MatchingPapers(tmp_path / "papers")
    papers.keep_deadlines([_hash(1)])  # nothing there yet
    for number in (1, 2, 3):
        papers.keep_deadline(_hash(number), 70 + number)
    papers.keep_table(_hash(2), b"reply")
    papers.keep_deadlines([_hash(2), _hash(9)])
    assert [papers.deadline(_hash(number)) for number in (1, 2, 3)] == [0, 72, 0]
    assert papers.table(_hash(2)) == b"reply"


def _check_after_kills(folder: Path, kills: int, seed: int, *how: str) -> dict[str, int]:
    """Kill real processes, then look for anything let out that contradicts something else that was."""
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), str(kills), str(seed), *how],
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
    assert all(values != {"0"} for (kind, _), values in said.items() if kind == "deadline")
    papers = folder / "papers"
    assert len(list(papers.glob("*.table"))) <= KEPT
    assert len(list(papers.glob(".*.tmp"))) <= 1  # what the last life was writing
    MatchingPapers(papers).keep_table(b"n" * 32, b"new")
    assert list(papers.glob(".*.tmp")) == []
    over = sum(kind == "over" for kind, _ in said)
    return {"let out": len(out), "matchings": over}


@pytest.mark.system
def test_after_eighty_kills_no_paper_contradicts_what_left(tmp_path: Path) -> None:
    seen = _check_after_kills(tmp_path, 80, 3)
    assert seen["let out"] > 100
    assert seen["matchings"] >= 20


@pytest.mark.system
def test_a_reply_that_leaves_before_it_is_kept_would_be_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="table"):
        _check_after_kills(tmp_path, 80, 5, "careless")
