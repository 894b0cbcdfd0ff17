"""Results of privacy audits as `highstreet lab audit` writes them (audit.json), read as data from outside.

They are about the code of one commit, not about a release: attacks on whole programmes that were run to try
whether the mechanism keeps what it claims. A statement carries them with the commit that they are of.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from highstreet.audit.errors import StatementError

__all__ = ["AUDIT_LIMIT_BYTES", "AuditResults", "AuditResultsFormat", "BoundFound", "ReadingFound"]

AUDIT_LIMIT_BYTES = 1 << 20
_NEXT_STEP = "Give the audit.json that `highstreet lab audit` wrote, such as docs/results/audit.json."
_AS_CLAIMED = "as claimed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundFound:
    """A lower bound on epsilon that an attack proved.

    Attributes:
        audit: how it was attacked and concluded.
        path: how sums travelled.
        claimed: epsilon that was claimed; None where the noise was switched off to try the audit itself.
        bound: lower bound, at the confidence of the whole table; None: beyond all bounds, a certain leak.
        estimate: best guess without confidence; None where the method gives none.
        canaries, runs: how many made-up customers in one run, and how many runs.
        verdict: what the audit says of it.
    """

    audit: str
    path: str
    claimed: float | None
    bound: float | None
    estimate: float | None
    canaries: int
    runs: int
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingFound:
    """How well something was read from what is sent.

    Attributes:
        what: was guessed.
        transcript: it was read from.
        claimed: epsilon of the programme; None with the noise off.
        accuracy, low, high: part of the guesses that were right, with its interval.
        chance: accuracy without the transcript.
        verdict: what the audit says of it.
    """

    what: str
    transcript: str
    claimed: float | None
    accuracy: float
    low: float
    high: float
    chance: float
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResults:
    """All that one run of the audits found.

    Attributes:
        commit: of the code that was audited.
        command: that ran it.
        finished_at: when.
        file_sha256: of the file as it was read, hex.
        delta, confidence: of every bound.
        bounds, readings: what was found.
    """

    commit: str
    command: str
    finished_at: str
    file_sha256: str
    delta: float
    confidence: float
    bounds: tuple[BoundFound, ...]
    readings: tuple[ReadingFound, ...]

    @classmethod
    def from_file_bytes(cls, data: bytes) -> AuditResults:
        """Read an audit.json.

        Raises:
            StatementError: too large, or not what `highstreet lab audit` writes.
        """
        if len(data) > AUDIT_LIMIT_BYTES:
            raise StatementError("The audit's results are too large.", next_step=_NEXT_STEP)
        try:
            found = _File.model_validate(json.loads(data))
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(str(part) for part in problem["loc"])
            raise StatementError(
                f"The audit's results cannot be read: {place}: {problem['msg']}.", next_step=_NEXT_STEP
            ) from error
        except (ValueError, RecursionError) as error:
            raise StatementError("The audit's results are not JSON.", next_step=_NEXT_STEP) from error
        return cls(
            commit=found.facts.commit,
            command=found.facts.command,
            finished_at=found.facts.finished_at,
            file_sha256=hashlib.sha256(data).hexdigest(),
            delta=found.delta,
            confidence=found.confidence,
            bounds=tuple(each.to_bound() for each in found.bounds),
            readings=tuple(each.to_reading() for each in found.readings),
        )


def _printing(text: str) -> str:
    """Refuse controls and marks of writing direction."""
    if not text.isprintable():
        raise ValueError("a character that does not print")
    return text


_TEXT = Annotated[str, Field(max_length=500), AfterValidator(_printing)]
_SHARE = Annotated[float, Field(ge=0, le=1)]
_COUNT = Annotated[int, Field(ge=0, le=2**53)]


class _Outside(BaseModel):
    """What others write; entries that a statement does not show are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=True)


class _Facts(_Outside):
    command: _TEXT
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}(-dirty)?$")]
    finished_at: _TEXT


class _Bound(_Outside):
    audit: _TEXT
    path: _TEXT
    claimed: float = Field(ge=0)
    noise: _TEXT
    estimate: float | None = None
    bound: float = Field(ge=0)
    canaries: _COUNT
    runs: _COUNT
    verdict: _TEXT

    @model_validator(mode="after")
    def _a_claim_is_finite(self) -> Self:
        if self.noise == _AS_CLAIMED and not math.isfinite(self.claimed):
            raise ValueError("noise as claimed, and no claim")
        return self

    def to_bound(self) -> BoundFound:
        return BoundFound(
            audit=self.audit,
            path=self.path,
            claimed=_finite(self.claimed) if self.noise == _AS_CLAIMED else None,
            bound=_finite(self.bound),
            estimate=_finite(self.estimate),
            canaries=self.canaries,
            runs=self.runs,
            verdict=self.verdict,
        )


class _Reading(_Outside):
    what: _TEXT
    transcript: _TEXT
    claimed: float = Field(ge=0)
    accuracy: _SHARE
    low: _SHARE
    high: _SHARE
    chance: _SHARE
    verdict: _TEXT

    def to_reading(self) -> ReadingFound:
        return ReadingFound(**{**self.model_dump(), "claimed": _finite(self.claimed)})


class _File(_Outside):
    facts: _Facts
    delta: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0, lt=1)
    bounds: list[_Bound] = Field(max_length=2000)
    readings: list[_Reading] = Field(max_length=2000)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _BoundFormat(_Strict):
    audit: _TEXT
    path: _TEXT
    claimed: float | None
    bound: float | None = Field(ge=0)
    estimate: float | None
    canaries: _COUNT
    runs: _COUNT
    verdict: _TEXT


class _ReadingFormat(_Strict):
    what: _TEXT
    transcript: _TEXT
    claimed: float | None
    accuracy: _SHARE
    low: _SHARE
    high: _SHARE
    chance: _SHARE
    verdict: _TEXT


class AuditResultsFormat(_Strict):
    """Results as a statement carries them, at the edge."""

    commit: str = Field(pattern=r"^[0-9a-f]{7,64}(-dirty)?$")
    command: _TEXT
    finished_at: _TEXT
    file_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    delta: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0, lt=1)
    bounds: list[_BoundFormat] = Field(max_length=2000)
    readings: list[_ReadingFormat] = Field(max_length=2000)

    def to_results(self) -> AuditResults:
        """Return them as data."""
        plain = self.model_dump(exclude={"bounds", "readings"})
        return AuditResults(
            **plain,
            bounds=tuple(BoundFound(**each.model_dump()) for each in self.bounds),
            readings=tuple(ReadingFound(**each.model_dump()) for each in self.readings),
        )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
