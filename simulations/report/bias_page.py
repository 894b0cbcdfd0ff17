"""The page of the lab's findings on bias: pictures first, then every table; one file that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from highstreet.audit.report_pages.page import render_page
from highstreet.simulations.bias_findings import ALONE, PURCHASES, WITHOUT, Finding, Kind
from highstreet.simulations.bias_judging import QUALITY
from highstreet.simulations.bias_tables import METRIC_WORDS, called
from highstreet.simulations.replay_tables import Table
from highstreet.simulations.report.bias_charts import chart_of_groups, chart_of_products, chart_of_shops

__all__ = ["bias_page"]

_Chart = tuple[str, Markup]


def bias_page(
    *, title: str, facts: Sequence[str], findings: Sequence[Finding], tables: Sequence[Table]
) -> str:
    """Return the page; every text is escaped, there is no script and nothing to load.

    Args:
        title: of the page.
        facts: what a reader must know, a sentence each.
        findings: what is drawn.
        tables: what is shown as numbers, the first one before the pictures.
    """
    return render_page(
        "bias.html",
        package="highstreet.simulations.report",
        title=title,
        facts=facts,
        tables=tables,
        charts=_charts(findings),
    )


def _charts(findings: Sequence[Finding]) -> list[_Chart]:
    charts = []
    for place, metric in enumerate(QUALITY[::-1]):
        for kind, against, words, axis in (
            (Kind.CHANGE, WITHOUT, "what privacy changes", "less no privacy; left of zero: served worse"),
            (Kind.CHANGE_OF_GAP, WITHOUT, "whom privacy hits otherwise than the others", _GAP_AXIS),
            (Kind.CHANGE, ALONE, "what joining changes", "less each shop alone; left of zero: served worse"),
            (Kind.GAP, "", "each group less everybody else", "left of zero: served worse than the others"),
        ):
            here = [each for each in findings if _is(each, kind, metric, against)]
            if here:
                heading = f"{METRIC_WORDS[metric]}: {words}"
                key = f"{kind.value.replace('_', '-')}-{against or 'none'}-{place}"
                charts.append((heading, chart_of_groups(key, heading, here, axis=axis)))
    return [*charts, *_of_products(findings), *_of_shops(findings)]


_GAP_AXIS = "group less everybody else, less the same without privacy; left of zero: its lag has grown"


def _is(each: Finding, kind: Kind, metric: str, against: str) -> bool:
    of = each.of
    is_weighted = of.condition.endswith("-weighted")
    return (of.kind, of.metric, of.against) == (kind, metric, against) and not is_weighted


def _of_products(findings: Sequence[Finding]) -> list[_Chart]:
    here = [
        each
        for each in findings
        if each.of.kind is Kind.LEVEL
        and each.of.metric not in QUALITY
        and (each.of.metric, each.of.condition) != ("miscalibration", PURCHASES)
    ]
    if not here:
        return []
    heading = "Which products the lists of ten show"
    return [(heading, chart_of_products("products", heading, here, axis="share of exposure, or coefficient"))]


def _of_shops(findings: Sequence[Finding]) -> list[_Chart]:
    """One picture for each private condition: shops' customers, on products new to them."""
    shops = [each for each in findings if each.of.kind is Kind.SHOP and each.of.metric == QUALITY[1]]
    charts = []
    for place, condition in enumerate(dict.fromkeys(each.of.condition for each in shops)):
        here = [each for each in shops if each.of.condition == condition]
        heading = f"Shops, {called(condition)} less their own model alone: {METRIC_WORDS[QUALITY[1]]}"
        axis = "difference, with its 95 % interval, cut where the picture ends"
        charts.append((heading, chart_of_shops(f"shops-{place}", heading, here, axis=axis)))
    return charts
