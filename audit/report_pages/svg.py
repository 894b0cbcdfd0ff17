"""A drawing in SVG with a text alternative; text is escaped, colours come from the page's stylesheet."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape

from markupsafe import Markup

__all__ = ["Drawing", "Scale", "ticks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear map from values to positions in the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of a value; values outside are drawn at the edge."""
        if self.high <= self.low:
            return self.start
        share = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Return round values that span low to high, about `count` of them.

    >>> ticks(0.0, 0.4)
    [0.0, 0.1, 0.2, 0.3, 0.4]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(count - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in (1, 2, 2.5, 5, 10) if nice * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


@dataclass(slots=True)
class Drawing:
    """Shapes collected into one `<svg>`; `title` and `description` are read out in its place.

    Attributes:
        key: unique in the page; the ids of title and description are made from it.
        title: what the drawing shows, in a few words.
        description: what one learns from it, figures included.
        width: in pixels of the drawing's own grid; the page scales it.
        height: the same.
    """

    key: str
    title: str
    description: str
    width: float
    height: float
    _parts: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, *, cls: str = "axis") -> None:
        """Draw a straight line."""
        self._parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{escape(cls)}"/>'
        )

    def rect(
        self, x: float, y: float, width: float, height: float, *, cls: str, opacity: float | None = None
    ) -> None:
        """Draw a filled box."""
        faint = "" if opacity is None else f' fill-opacity="{opacity:.2f}"'
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" '
            f'class="{escape(cls)}"{faint}/>'
        )

    def text(self, x: float, y: float, words: str, *, cls: str = "label", anchor: str = "start") -> None:
        """Write words; they are escaped."""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{escape(cls)}" text-anchor="{escape(anchor)}">'
            f"{escape(words)}</text>"
        )

    def mark(self, x: float, y: float, *, shape: str, cls: str, size: float = 4.5) -> None:
        """Draw a marker: `circle`, `square` or `diamond`, so that no meaning hangs on colour alone."""
        if shape == "circle":
            self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" class="{escape(cls)}"/>')
            return
        if shape == "square":
            self.rect(x - size, y - size, 2 * size, 2 * size, cls=cls)
            return
        reach = size * 1.4
        points = f"{x},{y - reach} {x + reach},{y} {x},{y + reach} {x - reach},{y}"
        self._parts.append(f'<polygon points="{points}" class="{escape(cls)}"/>')

    def markup(self) -> Markup:
        """Return the finished `<svg>` element."""
        key = escape(self.key)
        return Markup(  # noqa: S704  every text above went through escape
            f'<svg viewBox="0 0 {self.width:.0f} {self.height:.0f}" role="img" '
            f'aria-labelledby="{key}-title {key}-desc" preserveAspectRatio="xMinYMin meet">'
            f'<title id="{key}-title">{escape(self.title)}</title>'
            f'<desc id="{key}-desc">{escape(self.description)}</desc>'
            f"{''.join(self._parts)}</svg>"
        )
