"""Kills real processes in the middle of a store's matchings, and writes down what they had let out.

Run as `python matching_kill_driver.py FOLDER KILLS SEED [careless]`. Each life goes on with the matchings
where the last one was cut off, while a hostile coordinator sends other lists and other sums again and again.
Half of the lives end at a random line of the code that keeps the state, the others by SIGKILL from outside
after a random time. The careless ones let an answer out before it is kept, to show that this would be seen.
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
from collections.abc import Callable, Collection
from pathlib import Path
from types import FrameType

from made_up_context import IDS, OWN, matching_context

from highstreet.client import (
    matching_file,
    matching_holder_rows,
    matching_list_rows,
    matching_register,
    matching_state,
    private_database,
)
from highstreet.client.errors import MatchingContradictedError, MatchingOverError
from highstreet.client.matching_state import MatchingState
from highstreet.privacy.matching import (
    AnsweredList,
    MatchedStore,
    MatchingContext,
    MatchingRefusedError,
    MatchingStore,
)

TRACED = {
    matching_state.__file__,
    matching_file.__file__,
    matching_holder_rows.__file__,
    matching_list_rows.__file__,
    matching_register.__file__,
    private_database.__file__,
}
INPUTS = {str(number): b"input %d" % number for number in range(6)}
PERIOD_DAYS = 30


def let_out(folder: Path, kind: str, matching: int, value: str) -> None:
    """Append to a log as durably as a network would have carried it away."""
    descriptor = os.open(folder / "out.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, json.dumps([kind, matching, value]).encode() + b"\n")
    os.fsync(descriptor)
    os.close(descriptor)


def kill_after(lines: int, traced: Collection[str]) -> None:
    """Kill this process once that many lines of the traced files have run."""
    left = lines

    def tracer(frame: FrameType, event: str, _: object) -> object:
        nonlocal left
        if frame.f_code.co_filename not in traced:
            return None
        left -= event == "line"
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return tracer

    sys.settrace(tracer)


def live(folder: Path, lines: int | None, *, careless: bool, opening: bool) -> None:
    """Go through matchings until killed; each is begun, drawn, answered, matched, summed and ended.

    The lines up to the end are counted from the opening of the file on, or from after it.
    """
    if lines is not None and opening:
        kill_after(lines, TRACED)
    with MatchingState.open(folder / "matching.db", vault_id="v") as state:
        if lines is not None and not opening:
            kill_after(lines, TRACED)
        for number in range(10_000):
            context = matching_context(number)
            try:
                state.begin(context, day=number * PERIOD_DAYS, period_days=PERIOD_DAYS)
            except MatchingOverError:
                continue
            one_matching(folder, state, context, number, careless=careless)
            state.destroy(context.request_sha256)
            let_out(folder, "over", number, "")


def one_matching(
    folder: Path, state: MatchingState, context: MatchingContext, number: int, *, careless: bool
) -> None:
    """Let out, in the order of the protocol, what follows from each thing that is kept."""
    holder = state.draw_holder(context, OWN)
    let_out(folder, "key", number, holder.secret_key.hex())
    store = state.draw_store(context, OWN, INPUTS, consent_position=7)
    let_out(folder, "list", number, digest(store.elements, *map(str.encode, store.customers)))
    for member in random.choices(IDS, k=6):
        answer(folder, state, context, number, member, careless=careless)
    matched = state.keep_matched(context, made_up_match(store))
    wanted = bytes([random.randrange(3)]) * 32
    try:
        given = state.give_table(context, wanted)
    except MatchingContradictedError:
        kept = state.table_request(context)
        assert kept not in (None, wanted)
        return
    let_out(folder, "tags", number, digest(*given.tags.values()))
    assert given == matched
    let_out(folder, "table", number, wanted.hex())


def answer(
    folder: Path, state: MatchingState, context: MatchingContext, number: int, member: str, *, careless: bool
) -> None:
    """Answer a list as a holder; the coordinator tries lists and keys of its choice."""
    asked = AnsweredList(
        member_id=member,
        list_sha256=bytes([random.randrange(8)]) * 32,
        keys_sha256=bytes([random.random() < 0.2]) * 32,
    )
    holder = state.holder(context, OWN)
    assert holder is not None
    is_first = member not in holder.answered and holder.keys_sha256 in (None, asked.keys_sha256)
    if careless and is_first:
        let_out(folder, f"answer to {member}", number, asked.list_sha256.hex())
    try:
        state.record_answer(context.request_sha256, asked)
    except MatchingRefusedError:
        return
    let_out(folder, f"answer to {member}", number, asked.list_sha256.hex())
    let_out(folder, "keys", number, asked.keys_sha256.hex())


def made_up_match(store: MatchingStore) -> MatchedStore:
    """Fresh tags each time, as if holders could answer differently: the first are the ones that count."""
    return MatchedStore(
        shape=store.context.shape,
        mask_seed=os.urandom(32),
        made_up_seed=os.urandom(32),
        dummies=store.dummies,
        tags={customer: os.urandom(64) for customer in store.customers},
    )


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def live_and_die(life: Callable[[], None], after_seconds: float | None) -> str:
    """Run a life in a process of its own; `killed`, by itself or after so long, or `failed`."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            life()
            status = 0
        finally:
            os._exit(status)
    if after_seconds is not None:
        watch = os.pidfd_open(child)
        if not select.select([watch], [], [], after_seconds)[0]:
            os.kill(child, signal.SIGKILL)
        os.close(watch)
    _, status = os.waitpid(child, 0)
    return "killed" if os.WIFSIGNALED(status) else "failed"


def main(folder: Path, kills: int, seed: int, *, careless: bool) -> None:
    """Live and die `kills` times, then print how the lives ended."""
    chance = random.Random(seed)
    ends: Counter[str] = Counter()
    while ends["killed"] < kills and not ends["failed"]:
        by_line = careless or chance.random() < 0.5
        lines = chance.randrange(1, 1800) if by_line else None
        after_seconds, opening = chance.random() * 0.15, chance.random() < 0.2
        random.seed(chance.random())
        ends[
            live_and_die(
                lambda: live(folder, lines, careless=careless, opening=opening),  # noqa: B023 - at once
                None if by_line else after_seconds,
            )
        ] += 1
    sys.stdout.write(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), careless="careless" in sys.argv)
