"""Kills real processes while they keep papers of matchings, and writes down what they had let out.

Run as `python papers_kill_driver.py FOLDER KILLS SEED [careless]`. Each life goes on with the matching where
the last one was cut off: it keeps the deadline, and the table's reply, of which it makes another each time,
as after a crash the shares of a table are drawn anew. Half of the lives end at a random line of the code that
keeps papers, the others by SIGKILL from outside after a random time. The careless ones let the reply out
before it is kept, to show that this would be seen.
"""

# ruff: noqa: S311 - chance decides where to kill, and hides nothing
from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path

from matching_kill_driver import kill_after, let_out, live_and_die

from highstreet import files
from highstreet.client import matching_papers
from highstreet.client.matching_papers import MatchingPapers

TRACED = {matching_papers.__file__, files.__file__}


def request(number: int) -> bytes:
    """The hash that names a matching."""
    return hashlib.sha256(b"request %d" % number).digest()


def live(folder: Path, lines: int | None, *, careless: bool) -> None:
    """Go through matchings until killed; of each the latest reply and the one before are asked for again."""
    papers = MatchingPapers(folder / "papers")
    if lines is not None:
        kill_after(lines, TRACED)
    for number in range(_begun(folder), 10_000):
        papers.keep_deadline(request(number), random.randrange(1, 10**9))
        let_out(folder, "deadline", number, str(papers.deadline(request(number))))
        for asked in (number, max(0, number - 1), number):
            mine = os.urandom(random.choice((10, 1_000, 100_000)))
            if careless and papers.table(request(asked)) is None:
                let_out(folder, "table", asked, hashlib.sha256(mine).hexdigest())
            left = papers.keep_table(request(asked), mine)
            let_out(folder, "table", asked, hashlib.sha256(left).hexdigest())
        let_out(folder, "over", number, "")


def _begun(folder: Path) -> int:
    """The first matching that is not over, as far as anybody was told."""
    log = folder / "out.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(json.loads(line)[0] == "over" for line in lines)


def main(folder: Path, kills: int, seed: int, *, careless: bool) -> None:
    """Live and die `kills` times, then print how the lives ended."""
    chance = random.Random(seed)
    ends: Counter[str] = Counter()
    while ends["killed"] < kills and not ends["failed"]:
        by_line = careless or chance.random() < 0.5
        lines = chance.randrange(1, 400) if by_line else None
        after_seconds = None if by_line else chance.random() * 0.1
        random.seed(chance.random())
        ends[live_and_die(lambda: live(folder, lines, careless=careless), after_seconds)] += 1  # noqa: B023
    sys.stdout.write(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), careless="careless" in sys.argv)
