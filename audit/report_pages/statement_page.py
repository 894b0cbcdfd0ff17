"""The page of a statement: what its signed file says, for people to read, with drawings of the figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from highstreet.audit.report_pages.interval_chart import Lane, interval_chart
from highstreet.audit.report_pages.page import render_page
from highstreet.audit.statement import Statement

__all__ = ["statement_page"]


def statement_page(statement: Statement, *, file_name: str) -> str:
    """Return the page. Every text is escaped; there is no script and nothing to load.

    Args:
        statement: what is said.
        file_name: of the signed file beside the page.
    """
    said: dict[str, Any] = dict(statement.says())
    return render_page(
        "statement.html",
        statement=statement,
        said=said,
        file_name=file_name,
        charts=[_rule_chart(place, rule) for place, rule in enumerate(said["bias"]["rules"])],
        quality_chart=_quality_chart(said["quality"]),
        attacks=_attacks(said["audit"]),
    )


def _rule_chart(place: int, rule: Mapping[str, Any]) -> Markup | None:
    if not rule["cells"]:
        return None
    lanes = [
        Lane(
            label=cell["group"].replace("_", " "),
            value=cell["value"],
            low=cell["low"],
            high=cell["high"],
            mark={"pass": "circle", "fail": "square"}.get(cell["outcome"], "diamond"),
        )
        for cell in rule["cells"]
    ]
    against = "" if rule["compared_with"] == "nothing" else f" less {rule['compared_with']}"
    return interval_chart(
        f"rule-{place}",
        f"Values of the rule {rule['name'].replace('_', ' ')} with their intervals",
        lanes,
        limit=rule["limit"],
        axis=f"{rule['metric'].replace('_', ' ')}{against}",
    )


def _quality_chart(figures: Sequence[Mapping[str, Any]]) -> Markup | None:
    if not figures:
        return None
    lanes = [
        Lane(
            label=each["ranked_by"].removeprefix("the ")
            + (", new" if "new" in each["products"] else ", all"),
            value=each["value"],
            low=each["low"],
            high=each["high"],
            mark="square" if each["ranked_by"].startswith("popularity") else "circle",
        )
        for each in figures
    ]
    return interval_chart("quality", "Quality with 95 % intervals", lanes, axis="NDCG@10 on days held out")


def _attacks(audit: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return for each claim and way to travel the highest bound that any attack proved."""
    highest: dict[tuple[float, str], dict[str, Any]] = {}
    for each in () if audit is None else audit["bounds"]:
        claimed = math.inf if each["claimed"] is None else each["claimed"]
        kept = highest.get((claimed, each["path"]))
        tried = 1 if kept is None else kept["tried"] + 1
        best = each if kept is None or _bound(each) > _bound(kept) else kept
        highest[(claimed, each["path"])] = {**best, "tried": tried}
    return [highest[key] for key in sorted(highest)]


def _bound(found: Mapping[str, Any]) -> float:
    return math.inf if found["bound"] is None else float(found["bound"])
