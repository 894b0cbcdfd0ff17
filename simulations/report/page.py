"""The report page: a record rendered into one HTML file that loads nothing from anywhere."""

from __future__ import annotations

import json
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from highstreet.simulations.report import audit_charts, quality_charts, run_charts
from highstreet.simulations.report.published import NOISE_IN_THE_SUM
from highstreet.simulations.report.record import Evaluation, RoundSent, RunRecord
from highstreet.simulations.report.verdict import direction, verdict

__all__ = ["render"]

_CHARTED_PURPOSE = "coop_learning"
_KINDS = ("contribution", "inspection", "agreement", "share of the sum")


def render(record: RunRecord) -> str:
    """Return the whole page. Every text of the record is escaped; styles and drawings are inline."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_text),
    )
    environment.filters.update(
        bytes=_bytes,
        signed=_signed,
        interval=_interval,
        seconds=_seconds,
        direction=direction,
        sized=_thousands,
    )
    template = environment.get_template("report.html")
    return template.render(
        record=record,
        style=Markup(_text("report.css")),  # noqa: S704  our own package data
        verdict=verdict(record),
        charts=_charts(record),
        purposes=sorted({answer.purpose for store in record.stores for answer in store.consents}),
        manifest=json.dumps(record.release.manifest, indent=2, sort_keys=True) if record.release else "",
        passed=sum(check.passed for check in record.checks),
        sent_total=sum(sent.reply_bytes for store in record.stores for sent in store.rounds),
        rounds=_rounds(record),
        messages=sum(len(store.rounds) for store in record.stores),
        same_size=_same_size(record),
        published=NOISE_IN_THE_SUM,
    )


def _charts(record: RunRecord) -> dict[str, Markup | list[Markup]]:
    groups = [(_heading(store.name, store.customers), store.evaluation) for store in record.stores]
    measured: list[tuple[str, Evaluation]] = [(head, found) for head, found in groups if found is not None]
    if record.pooled is not None:
        measured.append(("All shops together", record.pooled))
    charts: dict[str, Markup | list[Markup]] = {
        "consent": run_charts.consent_bars(record.stores, _CHARTED_PURPOSE),
        "budget": run_charts.budget_bars(record.claims),
        "bytes": run_charts.bytes_by_store(record.stores),
        "timeline": run_charts.timeline(record.steps),
    }
    if measured:
        charts["quality_novel"] = quality_charts.quality_by_store(measured, "novel")
        charts["quality_all"] = quality_charts.quality_by_store(measured, "all_items")
        charts["gain_novel"] = quality_charts.gain_by_size(record.stores, "alone", "novel")
        charts["gain_all"] = quality_charts.gain_by_size(record.stores, "alone", "all_items")
    if record.contribution is not None:
        charts["contribution"] = run_charts.contribution_picture(record.contribution)
    if record.audit is not None and record.audit.withdrawal is not None:
        charts["cohorts"] = audit_charts.attested_cohorts(record.audit.withdrawal)
    if record.audit is not None and record.audit.gate is not None:
        charts["gate"] = list(audit_charts.gate_charts(record.audit.gate))
    return charts


def _rounds(record: RunRecord) -> list[tuple[int, str, str, list[str]]]:
    """One row per round and kind of message: number, phase, kind, and per store what it sent."""
    keys = sorted(
        {(sent.round, sent.phase, sent.what) for store in record.stores for sent in store.rounds},
        key=lambda key: (key[0], key[1], _KINDS.index(key[2]) if key[2] in _KINDS else len(_KINDS)),
    )
    rows = []
    for key in keys:
        cells = []
        for store in record.stores:
            found = [sent for sent in store.rounds if (sent.round, sent.phase, sent.what) == key]
            cells.append(", ".join(map(_size_and_outcome, found)) or "nothing")
        rows.append((*key, cells))
    return rows


def _size_and_outcome(sent: RoundSent) -> str:
    return f"{sent.reply_bytes:,}" + ("" if sent.outcome == "sent" else f" ({sent.outcome})")


def _same_size(record: RunRecord) -> bool:
    """Whether every store's contributions have the same sizes, round by round."""
    sizes = {
        tuple((sent.round, sent.reply_bytes) for sent in store.rounds if sent.what == _KINDS[0])
        for store in record.stores
    }
    return len(sizes) == 1


def _heading(name: str, customers: int) -> str:
    return f"{name}, {customers} customers"


def _text(name: str) -> str:
    return resources.files("highstreet.simulations.report").joinpath("templates", name).read_text("utf-8")


def _bytes(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.2f} GiB"


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _thousands(value: int) -> str:
    return f"{value:,}"


def _seconds(value: float) -> str:
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{value:.1f} s"


def _interval(estimate: object) -> str:
    value, low, high = (getattr(estimate, name, None) for name in ("value", "low", "high"))
    if value is None:
        return "–"
    return f"{value:.4f}" if low is None or high is None else f"{value:.4f} ({low:.4f} to {high:.4f})"
