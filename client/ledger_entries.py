"""What the ledger is asked and what it answers, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from highstreet.privacy.releases import GaussianRelease

__all__ = [
    "AnsweredRound",
    "ExposedRound",
    "LedgerEvent",
    "OpenedRound",
    "Participation",
    "RoundKey",
    "Spending",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundKey:
    """Which request of which phase of which programme.

    Attributes:
        programme_id: of one training programme, the same for all its phases.
        phase: index of the phase.
        request_sha256: SHA-256 of the request's bytes, 32 bytes.
    """

    programme_id: str
    phase: int
    request_sha256: bytes


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One event of the ledger, as the store's log tells of it: nothing of customers, not even how many.

    Attributes:
        sequence: its number, from 1 on.
        event: `spend`, `reply`, `agreement` or `restoration`.
        chain: of the ledger's chain up to it, 32 bytes.
        programme_id, phase, request_sha256: of a spend or an agreement, else None.
        day: of a spend or a restoration, in days since 1970, else None.
        noise_multiplier, sampling_rate: of a spend, else None.
    """

    sequence: int
    event: str
    chain: bytes
    programme_id: str | None
    phase: int | None
    request_sha256: bytes | None
    day: int | None
    noise_multiplier: float | None
    sampling_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRound:
    """A round that is paid for and may now be computed, over these customers and no others.

    Attributes:
        key: of the round.
        customers: ids from the cohort whose exposure is on record; sample from these.
        epsilon: what a customer who took part in every release of the period has now lost, at the budget's
            delta; nobody has lost more.
        is_again: the spend was on record already; nothing was spent this time.
    """

    key: RoundKey
    customers: tuple[str, ...]
    epsilon: float
    is_again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRound:
    """A round answered before: send these bytes again."""

    key: RoundKey
    reply: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What the ledger knows of the period that ends today.

    Attributes:
        rounds: paid for in the period.
        replies: of those, how many were answered.
        customers: exposed at least once.
        releases: all of them; for printing claims. Of single customers less would be said than is so:
            somebody who was erased and came back has two names here.
        programmes: whose phases those rounds are.
        counted_epsilon: loss of one who took part in every release of the period, whoever that may be: what
            the next round is judged by. At the budget's delta.
    """

    rounds: int
    replies: int
    customers: int
    releases: tuple[GaussianRelease, ...]
    programmes: frozenset[str]
    counted_epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedRound:
    """A round that one customer was charged for, drawn in its sample or not.

    Attributes:
        programme_id, phase: which round of which training.
        day: on which it was paid for, in days since 1970-01-01.
        noise_multiplier, sampling_rate: of the sum.
        is_answered: whether the shop's reply was given out.
    """

    programme_id: str
    phase: int
    day: int
    noise_multiplier: float
    sampling_rate: float
    is_answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Participation:
    """Who of some customers was charged for which rounds, by one ledger.

    Attributes:
        rounds: every round that was paid for, oldest first, by its digest in the ledger's chain: a copy of
            the ledger has the same.
        of_customers: of each customer asked about, the digests of the rounds they were charged for.
        latest_day: of a spend or a restoration, in days since 1970-01-01; 0 before the first.
        is_restored: whether spends from before the ledger may be forgotten.
    """

    rounds: Mapping[bytes, ExposedRound]
    of_customers: tuple[frozenset[bytes], ...]
    latest_day: int
    is_restored: bool
