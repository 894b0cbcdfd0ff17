"""What the coordinator's book holds of programmes and rounds, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

__all__ = [
    "Announced",
    "NamedPhase",
    "OpenRound",
    "Outcome",
    "Programme",
    "ProgrammeKind",
    "ProgrammeState",
    "Stage",
    "StoredReply",
]


class NamedPhase(Protocol):
    """A phase as a round is named after it."""

    @property
    def index(self) -> int:
        """Its number, from 0."""

    @property
    def name(self) -> str:
        """Its name."""


class ProgrammeState(StrEnum):
    """Where a programme stands."""

    REQUESTED = "requested"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class ProgrammeKind(StrEnum):
    """What is run: a training that ends in a release, or a matching that ends with counts in the stores."""

    TRAINING = "training"
    MATCHING = "matching"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """One programme, from request to release.

    Attributes:
        programme_id, number, state: which, and where it stands.
        kind: what is run.
        charter_sha256: of the charter it was requested under.
        as_of_day: the public day before which purchases count in all its phases, days since 1970-01-01.
        counts_from: id of the matching whose counts all its phases take; None: they take none.
    """

    programme_id: str
    number: int
    state: ProgrammeState
    charter_sha256: bytes
    as_of_day: int
    kind: ProgrammeKind = ProgrammeKind.TRAINING
    counts_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRound:
    """A round that was asked: the very bytes every store gets, whenever they are sent.

    Attributes:
        programme_id, round: which.
        signed_request: a `SignedRequest`.
        state: the model state that goes with it.
        opened_at: unix seconds.
    """

    programme_id: str
    round: int
    signed_request: bytes
    state: bytes
    opened_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReply:
    """An answer that was accepted."""

    member_id: str
    reply: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """The one set of contributors whose sum a round opens.

    Attributes:
        at: unix seconds.
        contributors: member ids, in order.
        set_sha256: names the set.
    """

    at: int
    contributors: tuple[str, ...]
    set_sha256: bytes


class Stage(StrEnum):
    """What the committee is asked for."""

    AGREEMENT = "agreement"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a round's sum came about; all of it may be shown.

    Attributes:
        contributors: number of stores in the sum.
        answers: number of committee members whose answers opened or checked it.
        wrong: number of answers among them that contradict all others.
        is_checked: whether a single wrong answer would have been noticed.
    """

    contributors: int
    answers: int
    wrong: int
    is_checked: bool
