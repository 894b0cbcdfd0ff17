"""Measure private matchings in this process: seconds and bytes of each party's part.

Processor seconds say what the work costs. The table is summed plainly; one contribution to a secure sum is
measured beside it; docs/results/secure-sum.md has the rest of a secure sum.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.privacy.matching import (
    HolderKeys,
    IdentifierKind,
    KeyHolder,
    MatchedStore,
    MatchingContext,
    MatchingStore,
    identifier_input,
)
from highstreet.privacy.secure_sum import (
    CommitteeTerms,
    CountedMembers,
    Member,
    MemberKeys,
    RoundContext,
    choose_committee,
    contribute,
)
from highstreet.privacy.secure_sum.field import MODULUS, centre

T = TypeVar("T")
_COOP = "0" * 32
_PROGRAMME = "0" * 16


class Clock:
    """Processor seconds and bytes of each step, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.sizes: dict[str, int] = {}

    def time(self, name: str, step: Callable[[], T]) -> T:
        """Run a step; note how long it took and how large its message is."""
        start = time.process_time()
        value = step()
        self.seconds.setdefault(name, []).append(time.process_time() - start)
        if isinstance(value, bytes):
            self.sizes[name] = len(value)
        return value

    def table(self) -> str:
        """Return a line per step: median processor seconds and kilobytes of its message."""
        lines = [f"{'step':<34}{'times':>6}{'processor s':>13}{'kB':>10}"]
        for name, seconds in self.seconds.items():
            kilobytes = self.sizes.get(name, 0) / 1e3
            lines.append(f"{name:<34}{len(seconds):>6}{statistics.median(seconds):>13.4f}{kilobytes:>10.1f}")
        return "\n".join(lines)


def _co_op(stores: int, identifiers: int, colluders: int) -> tuple[MatchingContext, dict[str, MemberKeys]]:
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
    context = MatchingContext(
        coop_id=_COOP,
        matching_id=_PROGRAMME,
        request_sha256=os.urandom(32),
        members=members,
        holder_ids=tuple(sorted(keys)[: colluders + 1]),
        colluders=colluders,
        identifiers_per_store=identifiers,
    )
    return context, keys


def _customers(context: MatchingContext) -> dict[str, dict[str, bytes]]:
    """Give every store as many customers as may take part, people shopping in several stores."""
    town = range(max(2, len(context.members) // 4) * context.identifiers_per_store)
    return {
        member.member_id: {
            str(one): identifier_input(IdentifierKind.LOYALTY_NUMBER, str(one))
            for one in random.sample(town, context.identifiers_per_store)
        }
        for member in context.members
    }


def _matched(
    clock: Clock,
    context: MatchingContext,
    keys: dict[str, MemberKeys],
    customers: dict[str, dict[str, bytes]],
) -> dict[str, MatchedStore]:
    holders = {
        one: clock.time("holder: draw a key", partial(KeyHolder.draw, context, one))
        for one in context.holder_ids
    }
    offers = [
        clock.time("holder: offer it", partial(one.offer, keys[name].signing))
        for name, one in holders.items()
    ]
    public = HolderKeys.collect(context, offers)
    matched = {}
    for one, inputs in customers.items():
        store = clock.time("store: draw and blind a list", partial(MatchingStore.draw, context, one, inputs))
        body = clock.time("store: sign the list", partial(store.blinded_list, public, keys[one].signing))
        answers = []
        for name in context.holder_ids:
            answer = partial(holders[name].evaluate, body, public, keys[name].signing)
            prepared = clock.time("holder: evaluate a list", answer)
            holders[name] = prepared.holder
            answers.append(prepared.release(lambda answered: None))
            clock.sizes["holder: evaluate a list"] = len(answers[-1])
        matched[one] = clock.time("store: check answers, make tags", partial(store.match, public, answers))
    return matched


def _contribute(
    clock: Clock, context: MatchingContext, keys: MemberKeys, one: str, store: MatchedStore
) -> None:
    terms = CommitteeTerms(committee_size=5, colluders=context.colluders, floor=3)
    committee = choose_committee(
        context.members,
        coop_id=_COOP,
        programme_id=_PROGRAMME,
        round_number=0,
        roster_sha256=bytes(32),
        terms=terms,
    )
    round_context = RoundContext(
        coop_id=_COOP,
        request_sha256=os.urandom(32),
        coordinator_public_key=Ed25519PrivateKey.generate().public_key().public_bytes_raw(),
        members=context.members,
        committee=committee,
        floor=terms.floor,
        dimension=context.shape.dimension,
    )
    step = partial(contribute, round_context, store.table(), member_id=one, signing_key=keys.signing)
    clock.sizes["store: contribute it"] = len(clock.time("store: contribute it", step).body)


def _run(stores: int, identifiers: int, colluders: int) -> str:
    """Run one matching; check every count."""
    context, keys = _co_op(stores, identifiers, colluders)
    clock, customers = Clock(), _customers(context)
    matched = _matched(clock, context, keys, customers)
    total = np.zeros(context.shape.dimension, dtype=np.int64)
    for store in matched.values():
        total += clock.time("store: make its table", store.table)
    first = next(iter(matched))
    _contribute(clock, context, keys[first], first, matched[first])
    summed = centre((total % MODULUS).astype(np.uint32))
    truth = Counter(person for store in matched.values() for person in store.tags)
    known = 0
    for store in matched.values():
        counts = clock.time("store: read counts", partial(store.counts, summed, contributors=stores)).shops
        known += len(counts)
        if any(truth[person] != k for person, k in counts.items()):
            raise SystemExit("a count is wrong")
    entered = sum(truth.values())
    return (
        f"{stores} stores, {identifiers} identifiers each, {colluders + 1} holders, "
        f"d = {context.shape.dimension:,}, table {4e-6 * context.shape.dimension:.1f} MB; "
        f"{len(truth):,} people; {entered - known} of {entered:,} counts unknown, none wrong\n"
        f"{clock.table()}\n"
    )


def main() -> int:
    """Measure matchings of several sizes and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stores", type=int, nargs="+", default=[6, 20, 108])
    parser.add_argument("--identifiers", type=int, default=200)
    parser.add_argument("--colluders", type=int, default=1)
    asked = parser.parse_args()
    for stores in asked.stores:
        sys.stdout.write(_run(stores, asked.identifiers, asked.colluders) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
