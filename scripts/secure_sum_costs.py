"""Measure one round of the secure sum in this process: seconds and bytes of each party's part.

Two times are given: the processor's, which say what the work costs, and the clock's, which on a busy machine
hold its waiting as well.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.privacy.secure_sum import (
    CommitteeSeat,
    CommitteeTerms,
    CountedMembers,
    Member,
    MemberKeys,
    Opening,
    RoundContext,
    choose_committee,
    contribute,
)

T = TypeVar("T")
_COORDINATOR = Ed25519PrivateKey.generate()


class Clock:
    """Seconds and bytes of each step, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.processor_seconds: dict[str, list[float]] = {}
        self.sizes: dict[str, list[int]] = {}

    def time(self, name: str, step: Callable[[], T]) -> T:
        """Run a step; note how long it took and how large its message is."""
        start, processor = time.perf_counter(), time.process_time()
        value = step()
        self.processor_seconds.setdefault(name, []).append(time.process_time() - processor)
        self.seconds.setdefault(name, []).append(time.perf_counter() - start)
        if isinstance(value, bytes):
            self.sizes.setdefault(name, []).append(len(value))
        return value

    def table(self) -> str:
        """Return a line per step: median seconds of processor and clock, mean megabytes of its message."""
        lines = [f"{'step':<30}{'times':>6}{'processor s':>13}{'clock s':>9}{'MB':>10}"]
        for name, seconds in self.seconds.items():
            lines.append(
                f"{name:<30}{len(seconds):>6}{statistics.median(self.processor_seconds[name]):>13.3f}"
                f"{statistics.median(seconds):>9.3f}{statistics.mean(self.sizes.get(name, [0])) / 1e6:>10.4f}"
            )
        return "\n".join(lines)


def _co_op(
    stores: int, seats: int, colluders: int, dimension: int
) -> tuple[RoundContext, dict[str, MemberKeys]]:
    keys = {
        os.urandom(8).hex(): MemberKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())
        for _ in range(stores)
    }
    members = CountedMembers(
        Member(
            member_id=one,
            signing_public_key=own.signing.public_key().public_bytes_raw(),
            encryption_public_key=own.encryption.public_key().public_bytes_raw(),
        )
        for one, own in keys.items()
    )
    terms = CommitteeTerms(committee_size=seats, colluders=colluders, floor=3)
    committee = choose_committee(
        members,
        coop_id="0" * 32,
        programme_id="0" * 16,
        round_number=0,
        roster_sha256=bytes(32),
        terms=terms,
    )
    context = RoundContext(
        coop_id="0" * 32,
        request_sha256=os.urandom(32),
        coordinator_public_key=_COORDINATOR.public_key().public_bytes_raw(),
        members=members,
        committee=committee,
        floor=terms.floor,
        dimension=dimension,
    )
    return context, keys


def _run(context: RoundContext, keys: dict[str, MemberKeys]) -> Clock:
    """Run a round in which everybody contributes; check the sum."""
    clock, opening, headers = Clock(), Opening(context), {}
    total = np.zeros(context.dimension, dtype=np.int64)
    for one, own in keys.items():
        vector = np.random.default_rng().integers(-(2**20), 2**20, size=context.dimension)
        total += vector
        share = partial(contribute, context, vector, member_id=one, signing_key=own.signing)
        made = clock.time("store: contribute", share)
        headers[one] = made.header_sha256
        clock.sizes.setdefault("store: contribute", []).append(len(made.body))
        clock.time("coordinator: check one", partial(opening.add_contribution, made.body))
    opening.announce(_COORDINATOR)
    seats = {
        member.member_id: CommitteeSeat(
            context=context, member_id=member.member_id, own_header_sha256=headers[member.member_id]
        )
        for member in context.committee.members
    }
    for one, seat in seats.items():
        request = clock.time("coordinator: ask to agree", partial(opening.agreement_request, one))
        agreed = clock.time("member: agree", partial(seat.agree, request, keys[one]))
        agreement = agreed.release(lambda announced: None)
        clock.sizes.setdefault("member: agree", []).append(len(agreement))
        clock.time("coordinator: take an agreement", partial(opening.add_agreement, agreement))
    for number, (one, seat) in enumerate(seats.items(), start=1):
        kind = "seed seat" if number < context.committee.threshold else "vector seat"
        request = clock.time(f"coordinator: ask, {kind}", partial(opening.sum_request, one))
        prepared = clock.time(f"member: answer, {kind}", partial(seat.prepare, request, keys[one]))
        answer = prepared.release(lambda announced: None)
        clock.sizes.setdefault(f"member: answer, {kind}", []).append(len(answer))
        clock.time("coordinator: take an answer", partial(opening.add_answer, answer))
        if opening.missing_answers == 0:
            clock.time("coordinator: open", opening.open)
    if not np.array_equal(opening.open().values, total):
        raise SystemExit("the sum is wrong")
    return clock


def main() -> int:
    """Measure one round and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stores", type=int, default=20)
    parser.add_argument("--seats", type=int, default=5)
    parser.add_argument("--colluders", type=int, default=1)
    parser.add_argument("--dimension", type=int, default=1_000_000)
    asked = parser.parse_args()
    context, keys = _co_op(asked.stores, asked.seats, asked.colluders, asked.dimension)
    clock = _run(context, keys)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    sys.stdout.write(
        f"{asked.stores} stores, d = {asked.dimension:,}, m = {len(context.committee.members)}, "
        f"t = {context.committee.threshold}; all parties in one process, {peak:,.0f} MB at the peak\n"
        f"{clock.table()}\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
