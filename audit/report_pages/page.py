"""A page of a report: one HTML file that loads and runs nothing; its policy names its own style only."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

__all__ = ["render_page"]


def render_page(template: str, *, package: str = __package__, **values: object) -> str:
    """Return a template of ours with values in it; every text is escaped.

    Args:
        template: its name among the package's templates.
        package: whose templates and style; those beside this module when none is named.
        values: what it shows; drawings as Markup.
    """
    style = _text(package, "report.css")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(plain=_plain, figure=_figure)
    return environment.from_string(_text(package, template)).render(
        style=Markup(style),  # noqa: S704  our own package data
        style_sha256=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        **values,
    )


def _plain(name: str) -> str:
    """Write a name of ours as words."""
    return name.replace("_", " ")


def _figure(value: float | None, digits: int = 3) -> str:
    """Write a figure with some digits after the point; nothing where there is none."""
    return "" if value is None else f"{value:.{digits}f}"


def _text(package: str, name: str) -> str:
    return resources.files(package).joinpath("templates", name).read_text(encoding="utf-8")
