"""What a release's manifest says about bias: the released sums, the verdict on them, and an override.

The verdict is there for people to read. Whoever holds the release computes it again from the model's own
arrays and the charter (`check_report`), and takes nobody's word for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from highstreet.audit.bias_figures import NoisySums
from highstreet.audit.bias_gate import CellFinding, Finding, Outcome, Verdict, judge
from highstreet.audit.bias_override import Override, OverrideFormat, check_override
from highstreet.audit.charter import Charter
from highstreet.audit.errors import BiasGateError
from highstreet.audit.weights import customer_weight
from highstreet.models.bias_rows import bias_coordinates
from highstreet.models.programme import measured_parts
from highstreet.models.state import SharedState

__all__ = ["BiasReport", "BiasReportFormat", "PreviousSums", "check_report", "released_sums", "report_on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousSums:
    """What the release before had measured.

    Attributes:
        number: of that release.
        sums: as in its own report.
    """

    number: int
    sums: NoisySums


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasReport:
    """The section on bias of a manifest.

    Attributes:
        sums: released by this release's bias phase; None: it had none.
        previous: of the release before; None: there is none, or it measured nothing.
        verdict: by the charter's rules.
        override: with which the release is out although a rule keeps it back.
    """

    sums: NoisySums | None
    previous: PreviousSums | None
    verdict: Verdict
    override: Override | None = None

    def to_dict(self) -> dict[str, object]:
        """Return plain values, as they are signed."""
        previous = self.previous
        return {
            "sums": _sums_to_dict(self.sums),
            "previous": None
            if previous is None
            else {"number": previous.number, "sums": _sums_to_dict(previous.sums)},
            "verdict": [_finding_to_dict(finding) for finding in self.verdict.findings],
            "override": None if self.override is None else self.override.to_dict(),
        }


def released_sums(charter: Charter, state: SharedState) -> NoisySums | None:
    """Return what a release's bias phase measured, for whole customers; None where the charter has none."""
    parts = measured_parts(charter.plan)
    if not parts or "bias/sums" not in state:
        return None
    return NoisySums.of(
        bias_coordinates(parts),
        [float(value) for value in state["bias/sums"]],
        stddev=float(state["bias/stddev"].item()),
        weight=customer_weight(charter.privacy),
    )


def report_on(
    charter: Charter, state: SharedState, *, number: int, previous: PreviousSums | None
) -> BiasReport:
    """Judge a candidate as it would be released.

    Args:
        charter: with the rules.
        state: the candidate's.
        number: that the release would have; 1 is compared with nothing.
        previous: what the release before measured.
    """
    sums = released_sums(charter, state)
    before = None if previous is None else previous.sums
    verdict = judge(charter.bias_limits, sums, previous=before, is_first=number == 1)
    return BiasReport(sums=sums, previous=previous, verdict=verdict)


def check_report(
    report: BiasReport | None,
    charter: Charter,
    state: SharedState,
    *,
    number: int,
    wanted: Override,
    known_previous: PreviousSums | None,
) -> None:
    """Return only when a release keeps the charter's rules by its own numbers, or is overridden rightly.

    Args:
        report: of its manifest.
        charter: as agreed to.
        state: the model itself, whose hash was signed.
        number: of the release.
        wanted: names the release; see `bias_override.check_override`.
        known_previous: what the release before measured, by the manifest that this one names by its hash;
            None: there is none, or it measured nothing.

    Raises:
        BiasGateError: naming what does not fit, or the rules that keep it back; or there is an override and
            none of them does.
        OverrideError: the override is none.
    """
    if report is None:
        _refuse_silence(charter, state)
        return
    before = report.previous
    if before is not None and before.number != number - 1:
        raise BiasGateError("The release compares itself with another one than the one before.")
    if before != known_previous:
        raise BiasGateError("The release gives other figures of the one before than that one itself.")
    own = report_on(charter, state, number=number, previous=before)
    if report.sums != own.sums:
        raise BiasGateError("The release's figures on bias are not those of its model.")
    if not own.verdict.is_alike(report.verdict):
        raise BiasGateError("The release's verdict on bias is not what its figures say.")
    if own.verdict.is_pass:
        if report.override is not None:
            raise BiasGateError("The release says it was overridden, and nothing keeps it back.")
        return
    if report.override is None:
        raise BiasGateError(
            f"The release is out although it does not keep the rules on bias: "
            f"{', '.join(own.verdict.blocking)}."
        )
    check_override(report.override, charter.bias_limits, own.verdict, wanted=wanted)


def _refuse_silence(charter: Charter, state: SharedState) -> None:
    """Return only when there is nothing to say about bias."""
    if charter.bias_limits.rules:
        raise BiasGateError("The release says nothing about bias, and the charter has rules on it.")
    if released_sums(charter, state) is not None:
        raise BiasGateError("The release says nothing about bias, and its model was measured.")


def _sums_to_dict(sums: NoisySums | None) -> dict[str, object] | None:
    return None if sums is None else {"stddev": float(sums.stddev), "values": dict(sums.values)}


def _finding_to_dict(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "outcome": finding.outcome.value,
        "groups": [
            {
                "group": cell.cell,
                "outcome": cell.outcome.value,
                "value": float(cell.value),
                "low": float(cell.low),
                "high": float(cell.high),
            }
            for cell in finding.cells
        ],
        "withheld": list(finding.withheld),
    }


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


#: A sum in a state is at most 1e13 (`models.expected_state`), and a weight at least 1/1000.
_MOST = 1e17
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_./+]{0,255}$")]
_Sum = Annotated[float, Field(ge=-_MOST, le=_MOST)]


class _SumsFormat(_Strict):
    stddev: float = Field(ge=0, le=_MOST)
    values: Mapping[_Name, _Sum] = Field(max_length=2048)

    def to_sums(self) -> NoisySums:
        return NoisySums(values=dict(self.values), stddev=self.stddev)


class _PreviousFormat(_Strict):
    number: int = Field(ge=1, le=2**31)
    sums: _SumsFormat


class _GroupFormat(_Strict):
    group: _Name
    outcome: Outcome
    value: float
    low: float
    high: float

    def to_cell(self) -> CellFinding:
        return CellFinding(
            cell=self.group, outcome=self.outcome, value=self.value, low=self.low, high=self.high
        )


class _FindingFormat(_Strict):
    rule: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    outcome: Outcome
    groups: list[_GroupFormat] = Field(max_length=64)
    withheld: list[_Name] = Field(max_length=64)

    def to_finding(self) -> Finding:
        return Finding(
            rule=self.rule,
            outcome=self.outcome,
            cells=tuple(group.to_cell() for group in self.groups),
            withheld=tuple(self.withheld),
        )


class BiasReportFormat(_Strict):
    """The section at the edge."""

    sums: _SumsFormat | None
    previous: _PreviousFormat | None
    verdict: list[_FindingFormat] = Field(max_length=32)
    override: OverrideFormat | None

    def to_report(self) -> BiasReport:
        """Return it as data."""
        before = self.previous
        return BiasReport(
            sums=None if self.sums is None else self.sums.to_sums(),
            previous=None
            if before is None
            else PreviousSums(number=before.number, sums=before.sums.to_sums()),
            verdict=Verdict(findings=tuple(finding.to_finding() for finding in self.verdict)),
            override=None if self.override is None else self.override.to_override(),
        )
