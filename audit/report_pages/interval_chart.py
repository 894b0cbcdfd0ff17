"""A chart of figures with their intervals: a lane each, a dot, a whisker, and the limit they are held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from highstreet.audit.report_pages.svg import Drawing, Scale, ticks

__all__ = ["Lane", "interval_chart"]

_LANE, _TOP, _BOTTOM, _LEFT, _RIGHT, _WIDTH = 26.0, 30.0, 34.0, 190.0, 70.0, 660.0
_MARGIN = 0.06
_LONGEST_LABEL = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One figure.

    Attributes:
        label: of whom or what.
        value, low, high: the figure and its interval.
        mark: `circle`, `square` or `diamond`; tells kinds apart without colour.
    """

    label: str
    value: float
    low: float
    high: float
    mark: str = "circle"


def interval_chart(
    key: str, title: str, lanes: Sequence[Lane], *, limit: float | None = None, axis: str
) -> Markup:
    """Draw the lanes over one axis.

    Args:
        key: unique in the page.
        title: what is drawn; read out, with all figures, in place of the drawing.
        lanes: at least one, in the order to draw.
        limit: drawn as a dashed line; None: there is none.
        axis: what the axis shows.
    """
    height = _TOP + _LANE * len(lanes) + _BOTTOM
    drawing = Drawing(key=key, title=title, description=_words(lanes, limit), width=_WIDTH, height=height)
    scale, bottom = _scale(lanes, limit), height - _BOTTOM
    for tick in ticks(scale.low, scale.high):
        drawing.line(scale(tick), _TOP, scale(tick), bottom, cls="zero" if tick == 0 else "grid")
        drawing.text(scale(tick), _TOP - 8, f"{tick:g}", cls="muted", anchor="middle")
    for place, lane in enumerate(lanes):
        middle = _TOP + _LANE * (place + 0.5)
        drawing.text(_LEFT - 10, middle + 4, _shortened(lane.label), anchor="end")
        drawing.line(scale(lane.low), middle, scale(lane.high), middle, cls="whisker")
        drawing.mark(scale(lane.value), middle, shape=lane.mark, cls="dot")
        drawing.text(
            _WIDTH - 4,
            middle + 4,
            f"{lane.value:+.3f}" if limit is not None else f"{lane.value:.3f}",
            cls="number",
            anchor="end",
        )
    if limit is not None:
        drawing.line(scale(limit), _TOP - 4, scale(limit), bottom + 4, cls="limit")
        drawing.text(scale(limit), bottom + 16, f"limit {limit:g}", cls="limit-text", anchor="middle")
    drawing.text(4, height - 4, axis, cls="muted")
    return drawing.markup()


def _scale(lanes: Sequence[Lane], limit: float | None) -> Scale:
    edges = [edge for lane in lanes for edge in (lane.low, lane.value, lane.high)]
    edges += [0.0] if limit is None else [0.0, limit]
    low, high = min(edges), max(edges)
    margin = _MARGIN * (high - low or 0.1)
    return Scale(low=low - margin, high=high + margin, start=_LEFT, end=_WIDTH - _RIGHT)


def _shortened(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"


def _words(lanes: Sequence[Lane], limit: float | None) -> str:
    figures = "; ".join(
        f"{lane.label} {lane.value:.3f}, interval {lane.low:.3f} to {lane.high:.3f}" for lane in lanes
    )
    return f"{figures}." if limit is None else f"{figures}. The limit is {limit:g}."
