"""What an audit found, as data: bounds on epsilon and readings of transcripts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Bound", "Noise", "Reading", "Verdict"]


#: Part of its ceiling that an audit must reach when the noise is off.
_AT_CEILING = 0.9


class Noise(StrEnum):
    """How much of the promised noise was added."""

    AS_CLAIMED = "as claimed"
    OFF = "off"


class Verdict(StrEnum):
    """What a bound says of the claims it was held against."""

    BELOW = "below the claim"
    ABOVE = "ABOVE THE CLAIM"
    FOUND = "leak found"
    AT_CEILING = "leak found as far as this audit can see"
    TOO_SMALL = "too few trials to find anything"
    MISSED = "LEAK NOT FOUND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A lower bound on epsilon that an attack proves.

    Attributes:
        audit: how it was attacked and how it was concluded.
        path: how sums travelled.
        claimed: epsilon claimed; infinity with the noise off.
        noise: what was really added.
        estimate: best guess at epsilon, without confidence; None where the method gives none.
        bound: lower bound on epsilon, at the confidence of the whole table.
        ceiling: the most this audit could have proven had the attacker always been right; None when
            unlimited.
        canaries: made-up customers in one run.
        runs: of the programme.
        seconds: it took; one run's time is shown with each conclusion drawn from it.
        note: what else is to be known.
        promised: epsilon promised to whoever is attacked, where that is not a customer of one shop.
    """

    audit: str
    path: str
    claimed: float
    noise: Noise
    estimate: float | None
    bound: float
    ceiling: float | None
    canaries: int
    runs: int
    seconds: float
    note: str = ""
    promised: float | None = None

    @property
    def held_against(self) -> float:
        """The epsilon that the bound must not exceed."""
        return self.claimed if self.promised is None else self.promised

    def verdict(self, claims: tuple[float, ...]) -> Verdict:
        """Hold the bound against the claim; with the noise off, against every claim of the table."""
        if self.noise is Noise.AS_CLAIMED:
            return Verdict.BELOW if self.bound <= self.held_against else Verdict.ABOVE
        if self.bound > max(claims):
            return Verdict.FOUND
        if self.ceiling == 0:
            return Verdict.TOO_SMALL
        at_ceiling = self.ceiling is not None and self.bound >= _AT_CEILING * self.ceiling
        return Verdict.AT_CEILING if at_ceiling else Verdict.MISSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How well something was read from transcripts.

    Attributes:
        what: was guessed.
        transcript: it was read from.
        claimed: epsilon of the programme; infinity with the noise off.
        accuracy, low, high: part of guesses that were right, with its 95 % interval.
        chance: accuracy without the transcript.
        limit: accuracy nobody can exceed under the claim.
        guesses: made.
        seconds: it took.
    """

    what: str
    transcript: str
    claimed: float
    accuracy: float
    low: float
    high: float
    chance: float
    limit: float
    guesses: int
    seconds: float

    @property
    def verdict(self) -> str:
        """Say in words where the accuracy lies."""
        if math.isinf(self.claimed):
            return "read" if self.low > self.chance else "NOT READ"
        if self.low > self.limit:
            return "ABOVE THE LIMIT"
        return "chance" if self.low <= self.chance else "above chance, within the claim"
