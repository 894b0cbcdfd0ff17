"""The catalogue of words: a file for each language, all with the same names and placeholders."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field

from highstreet.client.errors import UnknownLanguageError

__all__ = ["LANGUAGES", "Words", "language_of", "words"]

#: Languages there is a file for; the first is the one others are compared with.
LANGUAGES = ("en", "de", "fr")


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    moment: str
    first_day: str
    months: tuple[str, ...] = Field(min_length=12, max_length=12)
    rights_list: tuple[str, ...] = Field(min_length=1)
    purposes: dict[str, str]
    used: dict[str, str]
    states: dict[str, str]
    acts: dict[str, str]
    channels: dict[str, str]
    methods: dict[str, str]
    skip: str
    title: str
    lead: str
    customer: str
    issued: str
    standing: str
    standing_caption: str
    purpose: str
    channel: str
    state: str
    uses: str
    history: str
    history_caption: str
    history_empty: str
    older: str
    odd: str
    odd_entry: str
    odd_long: str
    when: str
    what: str
    how: str
    notice: str
    no_notice: str
    notice_name: str
    until: str
    change: str
    change_text: str
    rights: str
    rights_lead: str
    rights_authority: str
    issuer: str
    country: str
    check: str
    check_text: str
    key: str


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language.

    Attributes:
        language: as in HTML's `lang`.
        text: by name.
    """

    language: str
    text: _File


def language_of(wanted: str) -> str:
    """Return the language there is for a wish such as `de-AT`.

    Raises:
        UnknownLanguageError: there are no words of it.
    """
    language = wanted.strip().casefold().replace("_", "-").split("-")[0]
    if language not in LANGUAGES:
        raise UnknownLanguageError(
            "There are no pages in that language yet.", next_step=f"Languages are: {', '.join(LANGUAGES)}."
        )
    return language


@cache
def words(language: str) -> Words:
    """Return the words of one of `LANGUAGES`."""
    text = resources.files(__package__).joinpath(f"{language}.toml").read_text(encoding="utf-8")
    return Words(language, _File.model_validate(tomllib.loads(text)))
