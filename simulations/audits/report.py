"""The report of the audits: Markdown to read, JSON to compute with, a self-contained HTML page to look at."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from highstreet.audit.report_pages.svg import Drawing, Scale, ticks
from highstreet.simulations.audits.bench import alpha_of_one
from highstreet.simulations.audits.findings import Bound, Noise, Reading
from highstreet.simulations.audits.sizes import CLAIMS, CONFIDENCE
from highstreet.simulations.conditions import DELTA
from highstreet.simulations.replay_tables import Table
from highstreet.simulations.report_files import write_whole

__all__ = ["AuditFacts", "write_audit_report"]

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1c2733;max-width:72rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;font-size:.85rem;margin:1rem 0}th,td{border:1px solid #d5dce3;padding:.3rem
.5rem} th{background:#f1f4f7;text-align:left}.wide{overflow-x:auto}svg{width:100%;height:auto}
.axis{stroke:#9aa7b4;stroke-width:1}.claim{stroke:#b5651d;stroke-width:2}.interval{stroke:#5b6b7b;stroke-width:1.5}
.bound{fill:#0b6e4f}.estimate{fill:#5b6b7b}.label{font:12px system-ui,sans-serif;fill:#1c2733}
@media(prefers-color-scheme:dark){body{background:#12181f;color:#e6edf3}th{background:#1d2630}
th,td{border-color:#334152}.label{fill:#e6edf3}}
"""
_LEFT, _RIGHT, _ROW = 740.0, 1080.0, 22.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFacts:
    """What a reader must know to check a figure.

    Attributes:
        command: that was run.
        commit: of the code.
        machine: it ran on.
        finished_at: UTC.
        size: how much was run, in words.
    """

    command: str
    commit: str
    machine: str
    finished_at: str
    size: str

    def lines(self) -> list[str]:
        """Return the facts as sentences, one a line."""
        return [
            "Made-up shops; the stores' and the coordinator's own code; noise from the operating system, "
            "as in a real store.",
            self.size,
            f"Every claim is over the whole programme with delta {DELTA:g}, for a customer of one shop added "
            f"or removed. Where a person in several shops is attacked, what is promised to that person is in "
            f"the column beside. All lower bounds hold together with {CONFIDENCE:.0%} confidence "
            f"({1 - alpha_of_one():.4%} each).",
            f"Command: `{self.command}`",
            f"Commit: {self.commit}. Machine: {self.machine}. Finished: {self.finished_at}.",
        ]


def write_audit_report(
    folder: Path, facts: AuditFacts, bounds: Sequence[Bound], readings: Sequence[Reading]
) -> list[Path]:
    """Write audit.md, audit.json and audit.html into the folder; return the paths."""
    tables = (
        _summary(bounds),
        *(_bounds(bounds, claim) for claim in (*CLAIMS, math.inf)),
        _readings(readings),
    )
    shown = tuple(table for table in tables if table.rows)
    contents = {
        ".md": _markdown(facts, shown),
        ".json": json.dumps(_plain(facts, bounds, readings), indent=1),
        ".html": _html(facts, shown, bounds),
    }
    return write_whole(folder, {f"audit{ending}": content for ending, content in contents.items()})


def _summary(bounds: Sequence[Bound]) -> Table:
    """One row per audit and path: the bound at every claim, and with the noise off."""
    claims = (*CLAIMS, math.inf)
    kinds = dict.fromkeys((each.audit, each.path) for each in bounds)
    rows = []
    for audit, path in kinds:
        cells = []
        for claim in claims:
            found = [b for b in bounds if (b.audit, b.path, b.claimed) == (audit, path, claim)]
            cells.append(_held(found[0]) if found else "-")
        rows.append((audit, path, *cells))
    return Table(
        title="Audited lower bounds on epsilon",
        words=(
            "Each column is a programme calibrated to that epsilon; the last is the same code with the noise "
            "switched off. A sound mechanism stays below its claim in every row; where somebody else than a "
            "customer of one shop is attacked, below what is promised to them, which is said beside (of ...)."
        ),
        head=("audit", "path", *(f"claimed {claim:g}" for claim in CLAIMS), "noise off"),
        rows=tuple(rows),
    )


def _bounds(bounds: Sequence[Bound], claim: float) -> Table:
    rows = [
        (
            each.audit,
            each.path,
            _number(each.estimate),
            _number(each.bound),
            _number(each.held_against),
            "unlimited" if each.ceiling is None else _number(each.ceiling),
            str(each.verdict(CLAIMS)),
            str(each.canaries),
            str(each.runs),
            f"{each.seconds:.0f}",
            each.note,
        )
        for each in bounds
        if each.claimed == claim
    ]
    title = f"Claimed epsilon {claim:g}" if math.isfinite(claim) else "Noise off"
    return Table(
        title=title,
        words=(
            "The ceiling is what the audit would have proven had every guess been right. Conclusions from "
            "one run share its time." + ("" if math.isfinite(claim) else " Found: above every claim here.")
        ),
        head=(
            "audit",
            "path",
            "estimate",
            "lower bound",
            "promised",
            "ceiling",
            "verdict",
            "canaries",
            "runs",
            "seconds",
            "note",
        ),
        rows=tuple(rows),
    )


def _readings(readings: Sequence[Reading]) -> Table:
    return Table(
        title="What can be read from one store's bytes",
        words=(
            "Accuracy with its 95 % interval. Chance is what is right without the transcript; the limit is "
            "what the claim of that phase allows the best attacker there can be."
        ),
        head=("what", "transcript", "claimed", "accuracy", "chance", "limit", "guesses", "found", "seconds"),
        rows=tuple(
            (
                each.what,
                each.transcript,
                "no noise" if math.isinf(each.claimed) else f"{each.claimed:g}",
                f"{each.accuracy:.3f} ({each.low:.3f} to {each.high:.3f})",
                f"{each.chance:.3f}",
                f"{each.limit:.3f}",
                str(each.guesses),
                each.verdict,
                f"{each.seconds:.0f}",
            )
            for each in readings
        ),
    )


def _held(bound: Bound) -> str:
    """Return the bound, with what it must not exceed where that is not the claim of its column."""
    promised, claimed = _number(bound.held_against), _number(bound.claimed)
    own = bound.noise is Noise.AS_CLAIMED and promised != claimed
    return _number(bound.bound) + (f" (of {promised})" if own else "")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else "unlimited"


def _markdown(facts: AuditFacts, tables: Sequence[Table]) -> str:
    head = ["# Privacy audits", "", *(f"- {line}" for line in facts.lines()), ""]
    return "\n".join([*head, *(table.markdown() for table in tables)])


def _plain(facts: AuditFacts, bounds: Sequence[Bound], readings: Sequence[Reading]) -> dict[str, object]:
    return {
        "facts": asdict(facts),
        "delta": DELTA,
        "confidence": CONFIDENCE,
        "bounds": [_finite({**asdict(each), "verdict": each.verdict(CLAIMS)}) for each in bounds],
        "readings": [_finite({**asdict(each), "verdict": each.verdict}) for each in readings],
    }


def _finite(row: dict[str, object]) -> dict[str, object]:
    """JSON has no infinity: the word instead."""
    return {
        key: "infinity" if isinstance(value, float) and math.isinf(value) else value
        for key, value in row.items()
    }


def _html(facts: AuditFacts, tables: Sequence[Table], bounds: Sequence[Bound]) -> str:
    body = "".join(f"<p>{escape(line)}</p>" for line in facts.lines())
    charts = "".join(
        f"<figure>{_chart(claim, [b for b in bounds if b.claimed == claim]).markup()}</figure>"
        for claim in CLAIMS
        if any(b.claimed == claim for b in bounds)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Privacy audits</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>Privacy audits</h1>{body}{charts}{''.join(map(_html_table, tables))}</body></html>\n"
    )


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return (
        f"<h2>{escape(table.title)}</h2><p>{escape(table.words)}</p>"
        f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'
    )


def _chart(claim: float, bounds: Sequence[Bound]) -> Drawing:
    """Lower bounds (diamonds) and estimates (circles) as parts of what is promised (upright line at 1)."""
    shown = [each for each in bounds if each.noise is Noise.AS_CLAIMED]
    parts = [
        value / each.held_against
        for each in shown
        for value in (each.bound, each.estimate)
        if value is not None and math.isfinite(value)
    ]
    high = max([1.0, *parts]) * 1.1
    scale = Scale(low=0.0, high=high, start=_LEFT, end=_RIGHT)
    height = 60.0 + _ROW * len(shown)
    title = (
        f"Claimed epsilon {claim:g}: lower bounds (diamonds) and estimates (circles), "
        "as parts of what is promised (line)"
    )
    words = "; ".join(f"{each.audit}, {each.path}: {_held(each)}" for each in shown)
    drawing = Drawing(
        key=f"claim{claim:g}", title=title, description=words, width=_RIGHT + 130, height=height
    )
    drawing.text(0, 16, title)
    for tick in ticks(0.0, high):
        drawing.line(scale(tick), 28, scale(tick), height - 22)
        drawing.text(scale(tick), height - 6, f"{tick:g}", anchor="middle")
    drawing.line(scale(1.0), 24, scale(1.0), height - 22, cls="claim")
    for index, each in enumerate(shown):
        y = 40 + index * _ROW
        drawing.text(0, y + 4, f"{each.audit}; {each.path}")
        drawing.line(scale(0.0), y, scale(each.bound / each.held_against), y, cls="interval")
        if each.estimate is not None and math.isfinite(each.estimate):
            drawing.mark(scale(each.estimate / each.held_against), y, shape="circle", cls="estimate")
        drawing.mark(scale(each.bound / each.held_against), y, shape="diamond", cls="bound")
        drawing.text(_RIGHT + 8, y + 4, _held(each))
    return drawing
