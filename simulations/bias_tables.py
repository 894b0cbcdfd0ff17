"""The lab's tables of bias: who is served how well, which products are shown, what mitigation costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.comparison import Estimate, clustered_mean, paired_difference
from highstreet.models.customer_groups import ATTRIBUTES
from highstreet.simulations.bias_judging import BIAS_METRICS, VARIANTS

__all__ = ["REFERENCE", "BiasTable", "Measured", "bias_tables", "in_markdown"]

#: Groups of fewer persons are withheld.
_FEWEST_PERSONS = 20
#: What the others are compared with.
REFERENCE = "no-privacy"

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """Everything that was run.

    Attributes:
        values: condition -> (seeds, variants, units, metrics).
        titles: condition -> in words.
        persons: (units,), the same person in every shop; intervals are clustered by it.
        groups: attribute -> (units,) cell.
    """

    values: Mapping[str, Values]
    titles: Mapping[str, str]
    persons: NDArray[np.int64]
    groups: Mapping[str, NDArray[np.int64]]

    def column(self, condition: str, metric: str, variant: str = "plain") -> Values:
        """Return (seeds, units) of one metric."""
        whole = self.values[condition]
        return np.asarray(whole[:, VARIANTS.index(variant), :, BIAS_METRICS.index(metric)])


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasTable:
    """One table: plain text in cells."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def bias_tables(found: Measured) -> list[BiasTable]:
    """Return every table that there are results for."""
    tables = [_groups(found, metric) for metric in ("all/ndcg10", "novel/ndcg10")]
    tables += [_gaps(found, metric) for metric in ("all/ndcg10", "novel/ndcg10")]
    return [*tables, _products(found), _prices(found)]


def _cells(found: Measured) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Name each group that is large enough, and say whose it is."""
    for name, column in found.groups.items():
        for index, cell in enumerate(ATTRIBUTES[name].all_cells):
            chosen = column == index
            if len(np.unique(found.persons[chosen])) >= _FEWEST_PERSONS:
                yield f"{name}: {cell}", chosen


def _groups(found: Measured, metric: str) -> BiasTable:
    """Each group's mean, and what privacy changes for it, paired over its customers."""
    rows = []
    for name, chosen in _cells(found):
        texts = [name, f"{int(chosen.sum()):,}"]
        reference = found.column(REFERENCE, metric)[:, chosen] if REFERENCE in found.values else None
        for condition in found.values:
            ours = found.column(condition, metric)[:, chosen]
            text = _number(clustered_mean(ours.mean(axis=0), found.persons[chosen]))
            if reference is not None and condition != REFERENCE:
                text += f" ({_signed(_difference(ours, reference, found.persons[chosen]))})"
            texts.append(text)
        rows.append(tuple(texts))
    return BiasTable(
        title=f"{metric} by group (in brackets: less that without privacy, paired)",
        head=("group", "pairs", *(found.titles[each] for each in found.values)),
        rows=tuple(rows),
    )


def _gaps(found: Measured, metric: str) -> BiasTable:
    """Each group less everybody else."""
    rows = []
    for name, chosen in _cells(found):
        texts = [name]
        for condition in found.values:
            mean = found.column(condition, metric).mean(axis=0)
            ours = clustered_mean(mean[chosen], found.persons[chosen])
            others = clustered_mean(mean[~chosen], found.persons[~chosen])
            error = float(np.hypot(ours.standard_error, others.standard_error))
            texts.append(f"{ours.mean - others.mean:+.4f} ± {1.96 * error:.4f}")
        rows.append(tuple(texts))
    return BiasTable(
        title=f"{metric}: group less everybody else",
        head=("group", *(found.titles[each] for each in found.values)),
        rows=tuple(rows),
    )


def _products(found: Measured) -> BiasTable:
    rows = []
    for metric in BIAS_METRICS[2:]:
        texts = [metric]
        for condition in found.values:
            text = _number(clustered_mean(found.column(condition, metric).mean(axis=0), found.persons))
            if REFERENCE in found.values and condition != REFERENCE:
                ours, theirs = found.column(condition, metric), found.column(REFERENCE, metric)
                text += f" ({_signed(_difference(ours, theirs, found.persons))})"
            texts.append(text)
        rows.append(tuple(texts))
    return BiasTable(
        title="Which products the lists of ten show (in brackets: less that without privacy)",
        head=("figure", *(found.titles[each] for each in found.values)),
        rows=tuple(rows),
    )


def _prices(found: Measured) -> BiasTable:
    """What each mitigation does to its own figure, and what it costs, against the same lists without it."""
    rows = []
    for condition in found.values:
        for variant in VARIANTS[1:]:
            texts = [found.titles[condition], variant]
            for metric in ("miscalibration", "small_suppliers", "all/ndcg10", "novel/ndcg10"):
                ours = found.column(condition, metric, variant)
                plain = found.column(condition, metric)
                texts.append(_signed(paired_difference(ours, plain, found.persons)))
            rows.append(tuple(texts))
    return BiasTable(
        title="Mitigation by re-ranking: effect, and price in NDCG@10",
        head=("condition", "re-ranking", "miscalibration", "small suppliers", "all NDCG", "novel NDCG"),
        rows=tuple(rows),
    )


def _difference(ours: Values, theirs: Values, persons: NDArray[np.int64]) -> Estimate:
    """Pair seeds where both have as many; else over the mean of the seeds."""
    if len(ours) == len(theirs):
        return paired_difference(ours, theirs, persons)
    return paired_difference(ours.mean(axis=0), theirs.mean(axis=0), persons)


def _number(estimate: Estimate) -> str:
    return f"{estimate.mean:.4f} ± {estimate.half_width:.4f}"


def _signed(estimate: Estimate) -> str:
    return f"{estimate.mean:+.4f} ± {estimate.half_width:.4f}"


def in_markdown(tables: Sequence[BiasTable]) -> str:
    """Return the tables as Markdown."""
    lines: list[str] = []
    for table in tables:
        lines += [f"## {table.title}", "", "| " + " | ".join(table.head) + " |"]
        lines += ["|" + "---|" * len(table.head)]
        lines += ["| " + " | ".join(row) + " |" for row in table.rows] + [""]
    return "\n".join(lines)
