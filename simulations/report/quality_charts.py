"""Charts of ranking quality: every method with its interval by store, the co-op's gain by store size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from markupsafe import Markup

from highstreet.audit.report_pages.svg import Drawing, Scale, ticks
from highstreet.simulations.report.record import Estimate, Evaluation, Method, StoreRecord

__all__ = ["Subset", "estimate_of", "gain_by_size", "quality_by_store"]

Subset = Literal["all_items", "novel"]

_MARKS = {"baseline": "circle", "alone": "square", "coop": "diamond"}
_LANE, _HEAD, _LEFT, _RIGHT, _WIDTH = 19.0, 27.0, 178.0, 58.0, 560.0
_SUBSET_WORDS = {"all_items": "all later purchases", "novel": "products new to the customer"}


def estimate_of(item: object, subset: Subset) -> Estimate | None:
    """Return a method's or a gain's figure for one subset."""
    found = getattr(item, subset)
    return found if isinstance(found, Estimate) else None


def quality_by_store(groups: Sequence[tuple[str, Evaluation]], subset: Subset) -> Markup:
    """Draw one row per method in one block per store, dot and 95 % interval.

    Args:
        groups: heading and figures of each block, in the order they are drawn.
        subset: which later purchases are predicted.
    """
    lanes = sum(len(evaluation.methods) for _, evaluation in groups)
    height = 34 + lanes * _LANE + len(groups) * _HEAD + 26
    drawing = Drawing(
        key=f"quality-{subset.replace('_', '-')}",
        title=f"Ranking quality by store, {_SUBSET_WORDS[subset]}",
        description=_quality_words(groups, subset),
        width=_WIDTH,
        height=height,
    )
    scale = Scale(low=0.0, high=_top(groups, subset), start=_LEFT, end=_WIDTH - _RIGHT)
    _grid(drawing, scale, top=22, bottom=height - 26)
    y = 24.0
    for heading, evaluation in groups:
        y += _HEAD
        drawing.text(4, y - 9, heading, cls="heading")
        for method in evaluation.methods:
            _lane(drawing, scale, method, subset, y)
            y += _LANE
    drawing.text(_LEFT, height - 6, "NDCG@10, full ranking, 95 % interval", cls="muted")
    return drawing.markup()


def gain_by_size(stores: Sequence[StoreRecord], against: str, subset: Subset) -> Markup:
    """Draw the co-op's paired gain over another method against the number of customers of each store."""
    points = [
        (store, gain)
        for store in stores
        if store.evaluation
        for item in store.evaluation.gains
        if item.against == against and (gain := estimate_of(item, subset)) is not None
    ]
    drawing = Drawing(
        key=f"gain-{against.replace('_', '-')}-{subset.replace('_', '-')}",
        title=f"Gain from the co-op by store size, {_SUBSET_WORDS[subset]}",
        description=_gain_words(points),
        width=_WIDTH,
        height=300,
    )
    if not points:
        drawing.text(20, 40, "No figures.", cls="muted")
        return drawing.markup()
    edges = [
        edge for _, gain in points for edge in (gain.low, gain.high, gain.value, 0.0) if edge is not None
    ]
    low, high = min(edges), max(edges)
    margin = 0.08 * (high - low or 0.01)
    upright = Scale(low=low - margin, high=high + margin, start=250, end=24)
    widest = max(store.customers for store, _ in points)
    across = Scale(low=0, high=widest * 1.12, start=64, end=_WIDTH - 20)
    for tick in ticks(upright.low, upright.high):
        drawing.line(64, upright(tick), _WIDTH - 20, upright(tick), cls="zero" if tick == 0 else "grid")
        drawing.text(58, upright(tick) + 4, f"{tick:+.3f}" if tick else "0", cls="muted", anchor="end")
    for tick in ticks(0, widest * 1.1):
        drawing.text(across(tick), 268, f"{tick:g}", cls="muted", anchor="middle")
    for index, (store, gain) in enumerate(sorted(points, key=lambda point: point[0].customers)):
        x, y = across(store.customers), upright(gain.value)
        if gain.low is not None and gain.high is not None:
            drawing.line(x, upright(gain.low), x, upright(gain.high), cls="whisker coop")
        drawing.mark(x, y, shape="diamond", cls="coop")
        drawing.text(x, 16 if index % 2 else 30, store.name, cls="label", anchor="middle")
    drawing.text(
        64, 290, "customers of the store; above the line the co-op helps, below it harms", cls="muted"
    )
    return drawing.markup()


def _top(groups: Sequence[tuple[str, Evaluation]], subset: Subset) -> float:
    found = [
        max(figure.value, figure.high or 0.0)
        for _, evaluation in groups
        for method in evaluation.methods
        if (figure := estimate_of(method, subset)) is not None
    ]
    return max([*found, 0.01]) * 1.02


def _grid(drawing: Drawing, scale: Scale, *, top: float, bottom: float) -> None:
    for tick in ticks(scale.low, scale.high):
        drawing.line(scale(tick), top, scale(tick), bottom, cls="grid")
        drawing.text(scale(tick), top - 7, f"{tick:g}", cls="muted", anchor="middle")


def _lane(drawing: Drawing, scale: Scale, method: Method, subset: Subset, y: float) -> None:
    middle = y + _LANE / 2 - 3
    drawing.text(_LEFT - 10, middle + 4, method.label, cls=f"label {method.role}-text", anchor="end")
    figure = estimate_of(method, subset)
    if figure is None:
        drawing.text(_LEFT + 4, middle + 4, "nothing to predict", cls="muted")
        return
    if figure.low is not None and figure.high is not None:
        drawing.line(scale(figure.low), middle, scale(figure.high), middle, cls=f"whisker {method.role}")
    drawing.mark(scale(figure.value), middle, shape=_MARKS[method.role], cls=method.role)
    drawing.text(_WIDTH - 4, middle + 4, f"{figure.value:.3f}", cls="figure", anchor="end")


def _quality_words(groups: Sequence[tuple[str, Evaluation]], subset: Subset) -> str:
    parts = []
    for heading, evaluation in groups:
        figures = [
            f"{method.label} {figure.value:.3f}"
            for method in evaluation.methods
            if (figure := estimate_of(method, subset)) is not None
        ]
        parts.append(f"{heading}: {', '.join(figures) or 'nothing to predict'}.")
    return " ".join(parts)


def _gain_words(points: Sequence[tuple[StoreRecord, Estimate]]) -> str:
    return " ".join(
        f"{store.name}, {store.customers} customers: {gain.value:+.4f}"
        + (
            f" ({gain.low:+.4f} to {gain.high:+.4f})."
            if gain.low is not None and gain.high is not None
            else "."
        )
        for store, gain in points
    )
