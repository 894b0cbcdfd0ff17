"""Charts of bias: groups down, conditions side by side as dots with intervals; shops from worst to best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from highstreet.audit.report_pages.svg import Drawing, Scale, ticks
from highstreet.simulations.bias_findings import ALONE, PURCHASES, WITHOUT, Finding
from highstreet.simulations.bias_tables import called

__all__ = ["chart_of_groups", "chart_of_products", "chart_of_shops"]

_WIDTH, _LEFT, _RIGHT = 860.0, 220.0, 14.0
_TOP, _BOTTOM, _HEAD, _STEP, _GAP = 56.0, 30.0, 22.0, 11.0, 9.0
_SHOP_LANE, _SHOP_MARGIN = 5.0, 1.3
_STYLES = {
    ALONE: ("square", "alone"),
    WITHOUT: ("circle", "baseline"),
    PURCHASES: ("circle", "no"),
    "popularity": ("square", "baseline"),
}
_SHAPES = ("diamond", "circle", "square")

_Style = tuple[str, str]


def chart_of_groups(key: str, title: str, findings: Sequence[Finding], *, axis: str) -> Markup:
    """Draw one block per attribute, a lane per group, a dot and its 95 % interval per condition.

    Args:
        key: unique in the page.
        title: what is drawn.
        findings: of one kind and metric, in the order to draw.
        axis: what the axis shows.
    """
    styles = _styles(findings)
    blocks: dict[str, dict[str, list[Finding]]] = {}
    for each in findings:
        blocks.setdefault(each.of.attribute, {}).setdefault(each.of.cell, []).append(each)
    lane = _STEP * len(styles) + _GAP
    lanes = sum(map(len, blocks.values()))
    height = _TOP + lane * lanes + _HEAD * len(blocks) + _BOTTOM
    drawing, scale = _drawn(key, title, findings, height, axis)
    _legend(drawing, styles)
    y = _TOP
    for attribute, cells in blocks.items():
        drawing.text(4, y + 15, attribute.replace("_", " "), cls="heading")
        y += _HEAD
        for here in cells.values():
            drawing.text(_LEFT - 10, y + lane / 2 + 4, here[0].of.cell_in_words, anchor="end")
            _lane(drawing, scale, here, styles, y)
            y += lane
    return drawing.markup()


def chart_of_products(key: str, title: str, findings: Sequence[Finding], *, axis: str) -> Markup:
    """Draw a lane per figure of what lists show, a dot and its interval per condition."""
    styles = _styles(findings)
    by_metric: dict[str, list[Finding]] = {}
    for each in findings:
        by_metric.setdefault(each.of.metric, []).append(each)
    lane = _STEP * len(styles) + _GAP
    drawing, scale = _drawn(key, title, findings, _TOP + lane * len(by_metric) + _BOTTOM, axis)
    _legend(drawing, styles)
    for place, (metric, here) in enumerate(by_metric.items()):
        y = _TOP + place * lane
        drawing.text(_LEFT - 10, y + lane / 2 + 4, metric.replace("_", " "), anchor="end")
        _lane(drawing, scale, here, styles, y)
    return drawing.markup()


def chart_of_shops(key: str, title: str, findings: Sequence[Finding], *, axis: str) -> Markup:
    """Draw every shop's change with its interval, the lowest first; no shop is named."""
    ordered = sorted(findings, key=lambda each: each.mean)
    height = _TOP + _SHOP_LANE * len(ordered) + _BOTTOM
    # Intervals of two or three customers are wider than all figures: they are cut where the picture ends.
    edges = [_SHOP_MARGIN * each.mean for each in ordered]
    drawing, scale = _drawn(key, title, ordered, height, axis, edges=edges)
    for place, each in enumerate(ordered):
        y = _TOP + (place + 0.5) * _SHOP_LANE
        side = "below" if each.high < 0 else "above" if each.low > 0 else "baseline"
        drawing.line(scale(each.low), y, scale(each.high), y, cls="grid")
        drawing.mark(scale(each.mean), y, shape=_shape_of(each), cls=side, size=2.2)
    drawing.text(4, _TOP + 10, "most loss", cls="muted")
    drawing.text(4, height - _BOTTOM, "most gain", cls="muted")
    words = "square: 95 % interval below zero; diamond: above; circle: zero inside"
    drawing.text(_LEFT, 14, words, cls="muted")
    return drawing.markup()


def _shape_of(each: Finding) -> str:
    return "square" if each.high < 0 else "diamond" if each.low > 0 else "circle"


def _styles(findings: Sequence[Finding]) -> dict[str, _Style]:
    """Give each condition a shape and a colour; co-ops with privacy have one colour and differ in shape."""
    styles: dict[str, _Style] = {}
    shapes = iter(_SHAPES * len(findings))
    for name in dict.fromkeys(each.of.condition for each in findings):
        styles[name] = _STYLES[name] if name in _STYLES else (next(shapes), "coop")
    return styles


def _drawn(
    key: str,
    title: str,
    findings: Sequence[Finding],
    height: float,
    axis: str,
    *,
    edges: Sequence[float] = (),
) -> tuple[Drawing, Scale]:
    """Begin a drawing: its grid over all intervals, or over `edges`, zero among them, and its axis."""
    words = "; ".join(
        f"{each.of.group}, {called(each.of.condition)}: {each.mean:.4f} ({each.low:.4f} to {each.high:.4f})"
        for each in findings
    )
    drawing = Drawing(key=key, title=title, description=words, width=_WIDTH, height=height)
    ends = edges or [end for each in findings for end in (each.low, each.high)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    margin = 0.03 * (high - low or 0.01)
    scale = Scale(low=low - margin * (low < 0), high=high + margin, start=_LEFT, end=_WIDTH - _RIGHT)
    bottom = height - _BOTTOM
    for tick in ticks(scale.low, scale.high):
        drawing.line(scale(tick), _TOP - 4, scale(tick), bottom, cls="zero" if tick == 0 else "grid")
        drawing.text(scale(tick), _TOP - 10, f"{tick:g}", cls="muted", anchor="middle")
    drawing.text(_LEFT, height - 8, axis, cls="muted")
    return drawing, scale


def _legend(drawing: Drawing, styles: Mapping[str, _Style]) -> None:
    x = _LEFT
    for name, (shape, colour) in styles.items():
        drawing.mark(x + 4, 12, shape=shape, cls=colour)
        drawing.text(x + 14, 16, called(name))
        x += 34 + 7 * len(called(name))


def _lane(
    drawing: Drawing, scale: Scale, here: Sequence[Finding], styles: Mapping[str, _Style], y: float
) -> None:
    order = list(styles)
    for each in here:
        shape, colour = styles[each.of.condition]
        middle = y + _GAP / 2 + _STEP * (order.index(each.of.condition) + 0.5)
        drawing.line(scale(each.low), middle, scale(each.high), middle, cls=f"whisker {colour}")
        drawing.mark(scale(each.mean), middle, shape=shape, cls=colour)
