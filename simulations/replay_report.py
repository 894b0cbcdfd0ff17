"""The report of a replay: Markdown to read, JSON to compute with, one self-contained HTML page to look at."""

from __future__ import annotations

import json
import math
import os
import platform
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from highstreet.audit.report_pages.svg import Drawing, Scale, ticks
from highstreet.models.comparison import Estimate
from highstreet.simulations.person_weights import STORES_PER_PERSON
from highstreet.simulations.replay_tables import Table, tables_of_summary
from highstreet.simulations.report_files import write_whole
from highstreet.simulations.summary import Row, Summary

__all__ = ["RunFacts", "machine", "write_reports"]

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1c2733;max-width:64rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;font-size:.85rem;margin:1rem 0}th,td{border:1px solid #d5dce3;padding:.3rem
.5rem} th{background:#f1f4f7;text-align:left}td:not(:first-child){white-space:nowrap}.wide{overflow-x:auto}
svg{width:100%;height:auto}.axis{stroke:#9aa7b4;stroke-width:1}.interval{stroke:#1c2733;stroke-width:1.5}
.coop{fill:#0b6e4f}.alone{fill:#b5651d}.opponent{fill:#5b6b7b}.label{font:12px
system-ui,sans-serif;fill:#1c2733}
@media(prefers-color-scheme:dark){body{background:#12181f;color:#e6edf3}th{background:#1d2630}
th,td{border-color:#334152}.label{fill:#e6edf3}.interval{stroke:#e6edf3}}
"""
_SHAPES = {"coop": "diamond", "alone": "square", "opponent": "circle"}
_LEFT, _RIGHT, _ROW = 450.0, 820.0, 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a reader must know to check a figure.

    Attributes:
        data: name of the data set.
        note: where it comes from.
        split: weeks fitted on and predicted.
        shops, customers, judged, products: sizes.
        link: how shops recognise each other's products.
        scenario: who trained and who is judged.
        in_more_shops: persons who shop in more of the shops that train than the claims for persons cover.
        command: that was run.
        commit: of the code now; results also name their own.
        machine: it ran on.
        finished_at: UTC.
    """

    data: str
    note: str
    split: str
    shops: int
    customers: int
    judged: int
    products: int
    link: str
    scenario: str
    in_more_shops: int
    command: str
    commit: str
    machine: str
    finished_at: str

    def lines(self) -> list[str]:
        """Return the facts as sentences, one a line."""
        return [
            f"Data: {self.note}.",
            f"Split: {self.split}. {self.shops} shops, {self.customers} (shop, customer) pairs, "
            f"{self.judged} of them judged, {self.products} products, all of them ranked.",
            f"Shops recognise each other's products by {self.link}.",
            self.scenario,
            *self._uncovered(),
            f"Command: `{self.command}`",
            f"Commit: {self.commit}. Machine: {self.machine}. Finished: {self.finished_at}.",
        ]

    def _uncovered(self) -> list[str]:
        if not self.in_more_shops:
            return []
        return [
            f"Persons who shop in more than {STORES_PER_PERSON} of the shops that train: "
            f"{self.in_more_shops}. What is said of a person in up to {STORES_PER_PERSON} shops is not said "
            "of them; where the unit is a person, nothing of theirs is trained on."
        ]


def machine() -> str:
    """Name the processor, cores and Python of this machine."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def write_reports(folder: Path, slug: str, facts: RunFacts, summary: Summary) -> list[Path]:
    """Write slug.md, slug.json and slug.html into the folder; return the paths."""
    tables = tables_of_summary(summary)
    contents = {
        ".md": _markdown(facts, summary, tables),
        ".json": json.dumps(_plain(facts, summary), indent=1),
        ".html": _html(facts, summary, tables),
    }
    return write_whole(folder, {f"{slug}{ending}": content for ending, content in contents.items()})


def _title(facts: RunFacts) -> str:
    return f"Replay: {facts.data}, {facts.split}"


def _markdown(facts: RunFacts, summary: Summary, tables: tuple[Table, ...]) -> str:
    commits = f"Results were computed at: {', '.join(summary.commits)}."
    head = [f"# {_title(facts)}", "", *(f"- {line}" for line in (*facts.lines(), commits)), ""]
    return "\n".join([*head, *(table.markdown() for table in tables)])


def _plain(facts: RunFacts, summary: Summary) -> dict[str, object]:
    rows = [{**asdict(row), "condition": asdict(row.condition)} for row in summary.rows]
    return {"facts": asdict(facts), "commits": list(summary.commits), "rows": [_finite(row) for row in rows]}


def _finite(value: object) -> object:
    """JSON has no NaN: null instead."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _html(facts: RunFacts, summary: Summary, tables: tuple[Table, ...]) -> str:
    charts = [
        _forest(
            key,
            f"NDCG@10, {words}",
            [(row.condition.title, str(row.condition.kind), row.means[metric]) for row in summary.rows],
        )
        for key, metric, words in (
            ("all", "all/ndcg10", "all purchases"),
            ("novel", "novel/ndcg10", "novel purchases only"),
        )
    ]
    charts += [_gain_by_size(row, place) for place, row in enumerate(summary.rows) if row.by_size]
    body = "".join(f"<p>{escape(line)}</p>" for line in facts.lines())
    pictures = "".join(f"<figure>{chart.markup()}</figure>" for chart in charts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(_title(facts))}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{escape(_title(facts))}</h1>{body}{pictures}"
        f"{''.join(map(_html_table, tables))}</body></html>\n"
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


def _gain_by_size(row: Row, place: int) -> Drawing:
    entries = [
        (f"{metric.split('/')[0]}, shops of {label}", "coop", estimate)
        for metric, buckets in row.by_size.items()
        for label, estimate in buckets.items()
    ]
    return _forest(f"size{place}", f"Gain over alone by shop size: {row.condition.title}", entries)


def _forest(key: str, title: str, entries: list[tuple[str, str, Estimate]]) -> Drawing:
    """Means with 95 % intervals, one line each."""
    shown = [entry for entry in entries if math.isfinite(entry[2].low)]
    low = min((estimate.low for _, _, estimate in shown), default=0.0)
    high = max((estimate.high for _, _, estimate in shown), default=1.0)
    scale = Scale(low=min(low, 0.0), high=max(high, 0.0) * 1.02, start=_LEFT, end=_RIGHT)
    height = 60.0 + _ROW * len(shown)
    words = "; ".join(f"{name} {estimate.mean:.4f}" for name, _, estimate in shown)
    drawing = Drawing(key=key, title=title, description=words, width=_RIGHT + 80, height=height)
    drawing.text(0, 16, title)
    for tick in ticks(scale.low, scale.high):
        drawing.line(scale(tick), 28, scale(tick), height - 22)
        drawing.text(scale(tick), height - 6, f"{tick:g}", anchor="middle")
    for index, (name, kind, estimate) in enumerate(shown):
        y = 40 + index * _ROW
        drawing.text(0, y + 4, name)
        drawing.line(scale(estimate.low), y, scale(estimate.high), y, cls="interval")
        drawing.mark(scale(estimate.mean), y, shape=_SHAPES[kind], cls=kind)
        drawing.text(_RIGHT + 8, y + 4, f"{estimate.mean:.4f}")
    return drawing
