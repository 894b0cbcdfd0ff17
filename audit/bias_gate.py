"""The bias gate: whether a candidate release keeps each rule of the charter, by released sums alone.

For each group of a rule the interval of its value lies on the right side of the limit (pass), on the wrong
side (fail), or on both (undetermined). A rule passes when all its groups do. What fails or is undetermined
blocks the release. The coordinator and every store run this on the same numbers; nobody has to be believed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from highstreet.audit.bias_figures import NoisySums, figures_of
from highstreet.audit.bias_intervals import Interval
from highstreet.audit.bias_rules import BiasLimits, BiasRule, Comparison, Direction

__all__ = ["CellFinding", "Finding", "Outcome", "Verdict", "judge"]

#: How far two machines may round the same figure apart.
_ROUNDING = 1e-9


class Outcome(StrEnum):
    """What became of a rule."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    UNDETERMINED = "undetermined"
    #: There is no release before the first one to compare it with.
    NOT_APPLICABLE = "not_applicable"

    @property
    def blocks(self) -> bool:
        """Whether it keeps a release back."""
        return self in {Outcome.FAIL, Outcome.UNDETERMINED}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFinding:
    """What was found of one group.

    Attributes:
        cell: see `audit.bias_figures.CellFigure`.
        outcome: of it.
        value, low, high: the rule's value and its interval.
    """

    cell: str
    outcome: Outcome
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one rule.

    Attributes:
        rule: its name.
        outcome: of all groups together.
        cells: each group judged.
        withheld: groups too small to be judged.
    """

    rule: str
    outcome: Outcome
    cells: tuple[CellFinding, ...] = ()
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found of every rule of a charter, in its order."""

    findings: tuple[Finding, ...]

    @property
    def blocking(self) -> tuple[str, ...]:
        """The names of the rules that keep the release back."""
        return tuple(finding.rule for finding in self.findings if finding.outcome.blocks)

    @property
    def is_pass(self) -> bool:
        """Whether nothing keeps the release back."""
        return not self.blocking

    def is_alike(self, other: Verdict) -> bool:
        """Whether both say the same: every word, and figures but for what machines may round otherwise."""
        return len(self.findings) == len(other.findings) and all(
            _are_alike(mine, theirs) for mine, theirs in zip(self.findings, other.findings, strict=True)
        )


def judge(
    limits: BiasLimits, sums: NoisySums | None, *, previous: NoisySums | None, is_first: bool
) -> Verdict:
    """Judge a candidate by every rule.

    Args:
        limits: of the charter.
        sums: that the candidate's bias phase released; None: it measured nothing, and every rule is
            undetermined.
        previous: of the release before; None: it has none, or measured nothing.
        is_first: whether there is no release before.
    """
    return Verdict(findings=tuple(_find(rule, limits, sums, previous, is_first) for rule in limits.rules))


def _are_alike(mine: Finding, theirs: Finding) -> bool:
    def words(finding: Finding) -> list[object]:
        cells = [(cell.cell, cell.outcome) for cell in finding.cells]
        return [finding.rule, finding.outcome, finding.withheld, cells]

    def numbers(finding: Finding) -> list[float]:
        return [number for cell in finding.cells for number in (cell.value, cell.low, cell.high)]

    return words(mine) == words(theirs) and all(
        math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
        for one, other in zip(numbers(mine), numbers(theirs), strict=True)
    )


def _find(
    rule: BiasRule, limits: BiasLimits, sums: NoisySums | None, previous: NoisySums | None, is_first: bool
) -> Finding:
    if rule.comparison is Comparison.PREVIOUS and is_first:
        return Finding(rule=rule.name, outcome=Outcome.NOT_APPLICABLE)
    if sums is None or (rule.comparison is Comparison.PREVIOUS and previous is None):
        return Finding(rule=rule.name, outcome=Outcome.UNDETERMINED)
    try:
        figures = figures_of(rule, sums, previous=previous, minimum_group=limits.minimum_group)
    except KeyError:  # measured something else
        return Finding(rule=rule.name, outcome=Outcome.UNDETERMINED)
    cells = tuple(
        CellFinding(
            cell=figure.cell,
            outcome=_side(figure.interval, rule),
            value=figure.interval.value,
            low=figure.interval.low,
            high=figure.interval.high,
        )
        for figure in figures.cells
    )
    outcome = _together([cell.outcome for cell in cells])
    return Finding(rule=rule.name, outcome=outcome, cells=cells, withheld=figures.withheld)


def _side(interval: Interval, rule: BiasRule) -> Outcome:
    """Say on which side of the limit an interval lies; its very edge may touch the limit."""
    if rule.direction is Direction.AT_LEAST:
        if interval.low >= rule.limit:
            return Outcome.PASS
        return Outcome.FAIL if interval.high < rule.limit else Outcome.UNDETERMINED
    if interval.high <= rule.limit:
        return Outcome.PASS
    return Outcome.FAIL if interval.low > rule.limit else Outcome.UNDETERMINED


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the worst outcome; a rule of which nothing could be judged is undetermined."""
    if not outcomes or (Outcome.UNDETERMINED in outcomes and Outcome.FAIL not in outcomes):
        return Outcome.UNDETERMINED
    return Outcome.FAIL if Outcome.FAIL in outcomes else Outcome.PASS
