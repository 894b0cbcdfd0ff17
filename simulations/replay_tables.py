"""The tables of a replay as rows of text: one source for Markdown, HTML and the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from highstreet.models.comparison import Estimate
from highstreet.simulations.summary import FEW_PURCHASES, RIVALS, Row, Summary

__all__ = ["Table", "tables_of_summary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A titled table of text with an explanation."""

    title: str
    words: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table as Markdown with its title and explanation."""
        lines = [f"## {self.title}", "", self.words, "", _line(self.head), _line(["---"] * len(self.head))]
        return "\n".join([*lines, *(_line(row) for row in self.rows), ""])


def tables_of_summary(summary: Summary) -> tuple[Table, ...]:
    """Return every table that has rows."""
    tables = (
        _quality(summary),
        *(_paired(summary, rival) for rival in RIVALS),
        _by_size(summary),
        _worse(summary),
        _privacy(summary),
    )
    return tuple(table for table in tables if table.rows)


def _quality(summary: Summary) -> Table:
    metrics = (
        "all/ndcg10",
        "all/recall20",
        "novel/ndcg10",
        "novel/recall20",
        "all-without2/ndcg10",
        "novel-without2/ndcg10",
    )
    rows = [
        (
            row.condition.title,
            str(row.seeds),
            *(_mean(row, metric) for metric in metrics),
            f"{row.seconds:.0f}",
        )
        for row in summary.rows
    ]
    return Table(
        title="Quality",
        words=(
            "Full ranking, mean over (shop, customer) pairs. In brackets the standard error clustered by "
            "person; behind the slash, with several seeds, the standard deviation over seeds. Without 2: the "
            "two best-selling products left out."
        ),
        head=(
            "condition",
            "seeds",
            "all NDCG@10",
            "all R@20",
            "novel NDCG@10",
            "novel R@20",
            "all NDCG@10 without 2",
            "novel NDCG@10 without 2",
            "seconds",
        ),
        rows=tuple(rows),
    )


def _mean(row: Row, metric: str) -> str:
    estimate, deviation = row.means[metric], row.seed_deviation[metric]
    seeds = "" if np.isnan(deviation) else f" / {_small(deviation)}"
    return f"{_small(estimate.mean)} ({_small(estimate.standard_error)}{seeds})"


def _paired(summary: Summary, rival: str) -> Table:
    rows = [
        (
            row.condition.title,
            _signed(row.against[rival]["all/ndcg10"]),
            _signed(row.against[rival]["novel/ndcg10"]),
            _signed(row.against[rival]["all-without2/ndcg10"]),
            _signed(row.against[rival]["novel-without2/ndcg10"]),
        )
        for row in summary.rows
        if rival in row.against and row.condition.kind != "opponent"
    ]
    return Table(
        title=f"Against {rival.replace('-', ' ')}",
        words=(
            "Paired differences of NDCG@10 with 95 % intervals, clustered by person, the spread over seeds "
            "included where there are several. An asterisk: the whole interval is above zero; a minus sign "
            "behind it: below."
        ),
        head=("condition", "all", "novel", "all without 2", "novel without 2"),
        rows=tuple(rows),
    )


def _by_size(summary: Summary) -> Table:
    coop = [row for row in summary.rows if row.by_size]
    rows = []
    for row in coop:
        for metric in row.by_size:
            subset = metric.split("/")[0]
            for label, estimate in row.by_size[metric].items():
                rows.append(
                    (row.condition.title, subset, f"shops of {label}", _signed(estimate), str(estimate.units))
                )
            few = row.few_purchases[metric]
            rows.append(
                (
                    row.condition.title,
                    subset,
                    f"customers with at most {FEW_PURCHASES} purchases",
                    _signed(few),
                    str(few.units),
                )
            )
    return Table(
        title="Where joining pays: co-op minus alone",
        words="Paired differences of NDCG@10, 95 % intervals, by the shop's size and the customer's past.",
        head=("condition", "items", "who", "difference", "pairs"),
        rows=tuple(rows),
    )


def _worse(summary: Summary) -> Table:
    rows = [
        (row.condition.title, *(f"{worse} of {judged}" for worse, judged in row.worse_than_alone.values()))
        for row in summary.rows
        if row.worse_than_alone
    ]
    return Table(
        title="Shops served worse than alone",
        words=(
            "Shops whose customers fare worse than with the shop's own model by more than that shop's "
            "standard error. If both were equally good, about one in six would by chance."
        ),
        head=("condition", "all", "novel"),
        rows=tuple(rows),
    )


def _privacy(summary: Summary) -> Table:
    rows = [(row.condition.title, *row.claims, _noise(row)) for row in summary.rows if row.claims]
    return Table(
        title="What is promised",
        words=(
            "Both guarantees of each private condition, for the whole programme. With the noise in the sum, "
            "every shop adds a share of it, and the shares of the floor, less those of the colluders, make "
            "what is promised; what more shops add is surplus: noise in the figures above that no guarantee "
            "counts on. Contributions, boxes, agreements, answers and openings of the secure sum were made, "
            "sealed, opened and checked as in a real co-op; left out were the inspection of boxes before a "
            "set is agreed to, signed requests, attestations, and records on disk."
        ),
        head=("condition", "a customer", "a person", "noise in a round's sum"),
        rows=tuple(rows),
    )


def _noise(row: Row) -> str:
    """Say how the sums came to their noise."""
    found = row.details.get("secure_sum")
    if not isinstance(found, dict):
        return "every shop's own, whole"
    return (
        f"shares of {found['contributors']} shops; floor {found['floor']}, up to {found['colluders']} "
        f"colluding, committee of {found['committee']} of which {found['threshold']} open; "
        f"{found['surplus']:.2f} times what is promised"
    )


def _small(value: float) -> str:
    """A figure below one as the papers print it: .0545."""
    if np.isnan(value):
        return "-"
    text = f"{value:.4f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def _signed(estimate: Estimate) -> str:
    if np.isnan(estimate.low):
        return "-"
    mark = " *" if estimate.low > 0 else " -" if estimate.high < 0 else ""
    return f"{estimate.mean:+.4f} ± {estimate.half_width:.4f}{mark}"


def _line(cells: Iterable[str] | Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
