"""The lab's tables of bias: findings side by side, as rows of text for Markdown and HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from highstreet.simulations.bias_findings import (
    ALONE,
    PURCHASES,
    WITHOUT,
    Finding,
    Kind,
    Subject,
)
from highstreet.simulations.bias_judging import BIAS_METRICS, QUALITY, VARIANTS
from highstreet.simulations.replay_tables import Table

__all__ = ["METRIC_WORDS", "bias_tables", "called", "in_short"]

#: Quality in words, as titles of tables and pictures have it.
METRIC_WORDS = {
    "all/ndcg10": "NDCG@10 over all products",
    "novel/ndcg10": "NDCG@10 over products new to the customer",
}
_MARKS = (
    "One asterisk: zero is outside this interval; of so many figures one in twenty is by chance. Two: "
    "outside the wider one too that all groups of the column share."
)

_Wanted = Callable[[Subject], bool]


def bias_tables(findings: Sequence[Finding]) -> tuple[Table, ...]:
    """Return every table that has rows."""
    tables = [
        _losers(findings),
        *_of_quality(findings),
        _shops(findings),
        *_of_products(findings),
        *_prices(findings),
    ]
    return tuple(table for table in tables if table.rows and len(table.head) > 1)


def called(condition: str) -> str:
    """Name a condition in few words.

    >>> called("epsilon-3-in-sum-weighted"), called("no-privacy")
    ('epsilon 3, weighted', 'no privacy')
    """
    name = condition.removesuffix("-weighted").removesuffix("-in-sum").replace("-", " ")
    return name + (", weighted" if condition.endswith("-weighted") else "")


def in_short(finding: Finding, *, signed: bool) -> str:
    """Write a figure with its interval, and whether it can be told from zero where that is asked.

    Args:
        finding: the figure.
        signed: a difference, with a sign and marks; else a plain figure.
    """
    figure = f"{finding.mean:+.4f}" if signed else f"{finding.mean:.4f}"
    mark = ""
    if signed and (finding.low > 0 or finding.high < 0):
        mark = " **" if finding.stands else " *"
    return f"{figure} ± {finding.half_width:.4f}{mark}"


def _losers(findings: Sequence[Finding]) -> Table:
    """Who is served worse or better than under the condition compared with, beyond chance."""
    changes = [each for each in findings if each.of.kind is Kind.CHANGE and each.of.metric in QUALITY]
    gaps = [each for each in findings if each.of.kind is Kind.CHANGE_OF_GAP]
    rows = []
    for like in dict.fromkeys((each.of.condition, each.of.against, each.of.metric) for each in changes):
        here = [each for each in changes if _key(each) == like]
        groups = [each for each in here if each.of.attribute]
        everybody = [in_short(each, signed=True) for each in here if not each.of.attribute]
        apart = [each for each in gaps if _key(each) == like]
        lowest = min(groups, key=lambda each: each.mean, default=None)
        rows.append(
            (
                f"{called(like[0])} less {called(like[1])}",
                METRIC_WORDS[like[2]],
                everybody[0] if everybody else "-",
                _names([each for each in groups if each.stands and each.mean < 0]),
                _names([each for each in groups if each.stands and each.mean > 0]),
                _names([each for each in apart if each.stands]),
                "-" if lowest is None else f"{lowest.of.group}: {in_short(lowest, signed=True)}",
            )
        )
    return Table(
        title="Who loses, who gains",
        words=(
            "Groups are named where zero is outside the interval that all groups of the row share, at one "
            "miss in twenty. Hit otherwise than the others: what changes for the group differs from what "
            "changes for everybody else. The lowest of many figures is low by chance too. Nobody named is no "
            "proof that nobody loses: the widths of the intervals below say what could be seen."
        ),
        head=("compared", "figure", "everybody", "lose", "gain", "hit otherwise than the others", "lowest"),
        rows=tuple(rows),
    )


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.of.condition, finding.of.against, finding.of.metric


def _names(findings: Sequence[Finding]) -> str:
    return ", ".join(f"{each.of.group} ({each.mean:+.4f})" for each in findings) or "nobody"


def _of_quality(findings: Sequence[Finding]) -> Iterator[Table]:
    for metric in QUALITY[::-1]:
        words = METRIC_WORDS[metric]
        yield _by_group(
            [each for each in findings if each.of.kind is Kind.LEVEL and each.of.metric == metric],
            title=f"{words}, by group",
            words="Mean over (shop, customer) pairs that have something to find, with its 95 % interval.",
            signed=False,
        )
        for against, named in ((WITHOUT, "no privacy"), (ALONE, "each shop alone")):
            yield _change(findings, metric, against, f"{words}: less {named}")
        yield _by_group(
            [each for each in findings if each.of.kind is Kind.GAP and each.of.metric == metric],
            title=f"{words}: each group less everybody else",
            words=f"Below zero, the group is served worse than the others. {_MARKS}",
        )
        for against, named in ((WITHOUT, "without privacy"), (ALONE, "alone")):
            yield _by_group(
                _chosen(findings, lambda of: of.kind is Kind.CHANGE_OF_GAP, metric, against),
                title=f"{words}: each group less everybody else, less the same {named}",
                words=f"Below zero, the group's lag behind the others has grown. {_MARKS}",
            )
        weighted = [each for each in findings if each.of.condition.endswith("-weighted")]
        for kind, named in ((Kind.CHANGE, ""), (Kind.CHANGE_OF_GAP, ", group less everybody else")):
            chosen = [each for each in weighted if each.of.kind is kind and each.of.metric == metric]
            yield _by_group(
                chosen,
                title=f"Group-weighted objective: {words}{named}",
                words=f"Less the same training without weights. {_MARKS}",
            )


def _change(findings: Sequence[Finding], metric: str, against: str, title: str) -> Table:
    return _by_group(
        _chosen(findings, lambda of: of.kind is Kind.CHANGE, metric, against),
        title=title,
        words=f"Paired, pair by pair and seed by seed. Below zero, the group is served worse. {_MARKS}",
    )


def _chosen(findings: Sequence[Finding], wanted: _Wanted, metric: str, against: str) -> list[Finding]:
    return [
        each
        for each in findings
        if wanted(each.of) and each.of.metric == metric and each.of.against == against
    ]


def _by_group(findings: Sequence[Finding], *, title: str, words: str, signed: bool = True) -> Table:
    """Groups down, conditions across."""
    conditions = list(dict.fromkeys(each.of.condition for each in findings))
    rows = []
    for group in dict.fromkeys(each.of.group for each in findings):
        here = {each.of.condition: each for each in findings if each.of.group == group}
        one = next(iter(here.values()))
        texts = [in_short(here[name], signed=signed) if name in here else "-" for name in conditions]
        rows.append((group, f"{one.units:,}", f"{one.persons:,}", *texts))
    head = ("group", "pairs", "persons", *map(called, conditions)) if conditions else ()
    return Table(title=title, words=words, head=head, rows=tuple(rows))


def _shops(findings: Sequence[Finding]) -> Table:
    rows = []
    for metric in QUALITY:
        shops = [each for each in findings if each.of.kind is Kind.SHOP and each.of.metric == metric]
        for condition in dict.fromkeys(each.of.condition for each in shops):
            here = [each for each in shops if each.of.condition == condition]
            worst = min(here, key=lambda each: each.mean)
            surely = min(here, key=lambda each: each.high)
            rows.append(
                (
                    METRIC_WORDS[metric],
                    called(condition),
                    str(len(here)),
                    f"{sum(each.high < 0 for each in here)} ({_stand(here, above=False)})",
                    f"{sum(each.low > 0 for each in here)} ({_stand(here, above=True)})",
                    f"{in_short(worst, signed=True)}, {worst.units} pairs",
                    f"{in_short(surely, signed=True)}, {surely.units} pairs",
                )
            )
    return Table(
        title="Shops against their own model alone",
        words=(
            "Shops with at least two persons judged. Worse, better: the shop's 95 % interval lies below, "
            "above zero; if joining changed nothing, about one shop in forty would on either side. In "
            "brackets: beyond chance for all shops together. The lowest figure of many is low by chance too, "
            "above all in shops of few customers; the one that is most surely worse has the lowest upper end."
        ),
        head=("figure", "condition", "shops", "worse", "better", "lowest", "most surely worse"),
        rows=tuple(rows),
    )


def _stand(shops: Sequence[Finding], *, above: bool) -> int:
    return sum(each.stands and (each.mean > 0) is above for each in shops)


def _of_products(findings: Sequence[Finding]) -> Iterator[Table]:
    products = [each for each in findings if each.of.metric not in QUALITY and each.of.kind is not Kind.PRICE]
    tables = (
        ("", "Which products the lists of ten show", "Shares of exposure; definitions in docs/bias.md. "),
        (WITHOUT, "Which products the lists show: less no privacy", f"Paired. {_MARKS} "),
        (ALONE, "Which products the lists show: less each shop alone", f"Paired. {_MARKS} "),
        (PURCHASES, "Which products the lists show: less what customers bought", f"Paired. {_MARKS} "),
    )
    for against, title, words in tables:
        here = [each for each in products if each.of.against == against and not _is_void(each.of)]
        conditions = list(dict.fromkeys(each.of.condition for each in here))
        rows = []
        for metric in BIAS_METRICS:
            of_metric = {each.of.condition: each for each in here if each.of.metric == metric}
            texts = [
                in_short(of_metric[name], signed=bool(against)) if name in of_metric else "-"
                for name in conditions
            ]
            rows += [(metric.replace("_", " "), *texts)] if of_metric else []
        head = ("figure", *map(called, conditions))
        yield Table(title=title, words=words.strip(), head=head, rows=tuple(rows))


def _is_void(of: Subject) -> bool:
    """Whether it says nothing: purchases are calibrated to themselves."""
    return of.metric == "miscalibration" and PURCHASES in {of.condition, of.against}


def _prices(findings: Sequence[Finding]) -> Iterator[Table]:
    prices = [each for each in findings if each.of.kind is Kind.PRICE]
    metrics = tuple(dict.fromkeys(each.of.metric for each in prices))
    rows = []
    for condition in dict.fromkeys(each.of.condition for each in prices):
        for variant in VARIANTS[1:]:
            here = {
                each.of.metric: each
                for each in prices
                if (each.of.condition, each.of.variant) == (condition, variant)
            }
            texts = [in_short(here[metric], signed=True) if metric in here else "-" for metric in metrics]
            rows.append((called(condition), variant.replace("_", " "), *texts))
    yield Table(
        title="Mitigation by re-ranking: effect, and price in NDCG@10",
        words=(
            "Less the same lists as they are, paired. Calibration by half (strength .5); a fifth of the "
            f"exposure to small suppliers. {_MARKS}"
        ),
        head=(
            "condition",
            "re-ranking",
            *(METRIC_WORDS.get(each, each.replace("_", " ")) for each in metrics),
        ),
        rows=tuple(rows),
    )
