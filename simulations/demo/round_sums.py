"""The sums of a run: who was in each, who opened it, and how much noise it carries."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import combinations
from pathlib import Path

from highstreet.audit.charter import Charter
from highstreet.audit.requests import mechanism_of
from highstreet.audit.sums import committee_terms
from highstreet.models.plan import PhasePlan
from highstreet.privacy.mechanism import GaussianMechanism
from highstreet.privacy.secure_sum.announced_set import set_sha256
from highstreet.simulations.demo.evidence import agreed_sets, sent_contributions
from highstreet.simulations.report.record import RoundSum

__all__ = ["recomputed_contributors", "round_sums"]


def round_sums(charter: Charter, *, database: Path, ledgers: Sequence[Path]) -> tuple[RoundSum, ...]:
    """Return the closed rounds of the last programme, from the coordinator's database and all ledgers.

    Args:
        charter: in force.
        database: the coordinator's; it is only read.
        ledgers: of all shops; they are only read.
    """
    terms, shops = committee_terms(charter.rounds), len(ledgers)
    agreed = [agreed_sets(ledger) for ledger in ledgers]
    contributions = [each for ledger in ledgers for each in sent_contributions(ledger)]
    found = []
    for row in _closed_rounds(database):
        phase, contributors = charter.plan.phases[row["round"]], int(row["contributors"])
        sets = [each[phase.index] for each in agreed if phase.index in each]
        headers = [each.header_sha256 for each in contributions if each.round == phase.index]
        mechanism = mechanism_of(phase, charter, participants=shops)
        found.append(
            RoundSum(
                round=phase.index,
                phase=phase.name,
                contributors=contributors,
                floor=charter.rounds.cohort_floor,
                colluders=charter.rounds.colluders,
                committee=terms.seats(shops),
                threshold=terms.threshold(terms.seats(shops)),
                agreed=len(sets),
                sets=len(set(sets)),
                set_sha256=bytes(row["set_sha256"]).hex(),
                recomputed=recomputed_contributors(
                    headers, bytes(row["set_sha256"]), floor=charter.rounds.cohort_floor
                ),
                answers=int(row["answers"]),
                is_checked=bool(row["is_checked"]),
                noise_stddev=mechanism.noise_stddev(contributors=contributors),
                noise_stddev_per_shop=_stddev_of_whole_noises(phase, contributors),
            )
        )
    return tuple(found)


def recomputed_contributors(headers: Sequence[bytes], announced: bytes, *, floor: int) -> int:
    """Return how many of these contributions make the announced set; 0 when no choice of them does."""
    for count in range(len(headers), floor - 1, -1):
        if any(set_sha256(chosen) == announced for chosen in combinations(headers, count)):
            return count
    return 0


def _closed_rounds(database: Path) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(
            "SELECT round, contributors, set_sha256, answers, is_checked FROM rounds JOIN programmes"
            " USING (programme_id) WHERE closed_at IS NOT NULL"
            " AND number = (SELECT max(number) FROM programmes) ORDER BY round"
        ).fetchall()


def _stddev_of_whole_noises(phase: PhasePlan, contributors: int) -> float:
    """Return the noise in the same sum if every shop hid its own part by itself."""
    alone = GaussianMechanism(
        dimension=phase.dimension,
        clipping_norm=phase.clipping_norm,
        noise_multiplier=phase.noise_multiplier,
    )
    return alone.noise_stddev * math.sqrt(contributors)
