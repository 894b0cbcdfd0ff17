"""The page of a personal record: one HTML file that a person can read, and that loads nothing."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, StrictUndefined

from highstreet.client.personal_record import PersonalRecord

__all__ = ["record_page"]


def record_page(record: PersonalRecord) -> str:
    """Return the page. Every text is escaped; there is no script and nothing to load."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = resources.files("highstreet.client").joinpath("templates/personal_record.html")
    return environment.from_string(text.read_text(encoding="utf-8")).render(record=record.to_dict())
