"""Kills real processes at random points of the ledger's work and writes down what they had computed and sent.

Run as `python ledger_kill_driver.py FOLDER KILLS SEED [careless]`. Each life is a process of its own that
goes on with the rounds where the last one was cut off. Half of the lives end at a random line of the ledger's
code, counted by a trace function; the others by SIGKILL from outside after a random time, which also falls
into the middle of a disk write. The careless ones send before they store, to show that this would be seen.
"""

# ruff: noqa: S311 - chance decides where to kill, and hides nothing
from __future__ import annotations

import hashlib
import json
import os
import random
import select
import signal
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from types import FrameType

from highstreet.client import ledger, ledger_file, ledger_rows, private_database
from highstreet.client.errors import RoundRepeatedError
from highstreet.client.ledger import AnsweredRound, Ledger, RoundKey
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.errors import BudgetExhaustedError
from highstreet.privacy.gaussian import ClosedFormAccountant
from highstreet.privacy.releases import customer_release

TRACED = {
    ledger.__file__,
    ledger_file.__file__,
    ledger_rows.__file__,
    private_database.__file__,
    sys.modules["highstreet.files"].__file__,
}
CUSTOMERS = [f"customer {i}" for i in range(12)]
RELEASE = customer_release(noise_multiplier=20.0)
LIMITS = SpendingLimits(
    budget=Budget(epsilon=20.0, delta=1e-5, period_days=365), least_noise_multiplier=1.0, most_rounds=10**6
)
LINES_A_ROUND = 420


def write_down(folder: Path, name: str, entry: dict[str, object]) -> None:
    """Append to a log as durably as a network would have carried it away."""
    descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, json.dumps(entry).encode() + b"\n")
    os.fsync(descriptor)
    os.close(descriptor)


def kill_after(folder: Path, lines: int) -> None:
    """Kill this process once that many lines of the ledger's code have run from now on."""
    left = lines

    def tracer(frame: FrameType, event: str, _: object) -> object:
        nonlocal left
        if frame.f_code.co_filename not in TRACED:
            return None
        left -= event == "line"
        if left <= 0:
            write_down(folder, "kills.log", {"line": f"{frame.f_code.co_name}:{frame.f_lineno}"})
            os.kill(os.getpid(), signal.SIGKILL)
        return tracer

    sys.settrace(tracer)


def live(folder: Path, first: int, lines: int | None, *, careless: bool, opening: bool) -> None:
    """Answer rounds until killed or until the budget is spent; some of them twice.

    The lines up to the end are counted from the opening of the ledger on, or from after it.
    """
    if lines is not None and opening:
        kill_after(folder, lines)
    book = Ledger.open(folder / "ledger.db", accountant=ClosedFormAccountant())
    if lines is not None and not opening:
        kill_after(folder, lines)
    for phase in range(first, first + 1000):
        for asked in {phase, random.randrange(phase + 1)}:
            answer(folder, book, asked, careless=careless)


def answer(folder: Path, book: Ledger, phase: int, *, careless: bool) -> None:
    """One round as the store service does it: open, compute, store, send."""
    request = hashlib.sha256(f"request {phase}".encode()).digest()
    key = RoundKey(programme_id="killed", phase=phase, request_sha256=request)
    cohort = CUSTOMERS[phase % 3 :]
    opened = book.open_round(key, release=RELEASE, cohort=cohort, limits=LIMITS, today=date(2026, 1, 1))
    if isinstance(opened, AnsweredRound):
        reply = opened.reply
    else:
        entry = {"phase": phase, "customers": opened.customers, "is_again": opened.is_again}
        write_down(folder, "computed.log", entry)
        reply = os.urandom(48)
        if careless:
            write_down(folder, "sent.log", {"phase": phase, "reply": reply.hex()})
        reply = book.store_reply(key, reply)
    write_down(folder, "sent.log", {"phase": phase, "reply": reply.hex()})
    agree(folder, book, key, careless=careless)


def agree(folder: Path, book: Ledger, key: RoundKey, *, careless: bool) -> None:
    """Agree as a committee member does; the coordinator tries sets of its choice, again and again."""
    wanted = bytes([random.randrange(3)]) * 32
    entry = {"phase": key.phase, "set": wanted.hex()}
    if careless:
        write_down(folder, "agreed.log", entry)
    try:
        book.agree(key, wanted)
    except RoundRepeatedError:
        agreed = book.agreed_set(key)
        assert agreed is not None
        assert agreed != wanted
        return
    write_down(folder, "agreed.log", entry)


def next_phase(folder: Path) -> int:
    """Return the first phase of which nothing was ever sent."""
    place = folder / "sent.log"
    lines = place.read_text().splitlines() if place.exists() else []
    return max((json.loads(line)["phase"] for line in lines), default=-1) + 1


def main(folder: Path, kills: int, seed: int, *, careless: bool) -> None:
    """Live and die `kills` times, then print how the lives ended."""
    chance = random.Random(seed)
    ends: Counter[str] = Counter()
    while ends["killed"] < kills and not ends["budget spent"]:
        by_line = careless or chance.random() < 0.5
        lines = chance.randrange(1, 2 * LINES_A_ROUND) if by_line else None
        after_seconds = None if by_line else chance.random() * 0.12
        opening = chance.random() < 0.3
        first = next_phase(folder)
        random.seed(chance.random())
        child = os.fork()
        if child == 0:
            status = 1
            try:
                live(folder, first, lines, careless=careless, opening=opening)
            except BudgetExhaustedError:
                status = 0
            finally:
                os._exit(status)
        if after_seconds is not None:
            watch = os.pidfd_open(child)
            if not select.select([watch], [], [], after_seconds)[0]:
                os.kill(child, signal.SIGKILL)
            os.close(watch)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            ends["killed"] += 1
        else:
            ends["budget spent" if os.WEXITSTATUS(status) == 0 else "failed"] += 1
            if ends["failed"]:
                break
    sys.stdout.write(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), careless="careless" in sys.argv)
