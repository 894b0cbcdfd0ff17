"""Special products: those of a sensitive kind (health, baby, adult, religion), by a list the shop can edit.

Which products are special follows from the catalogue and the list alone, never from customers; the catalogue
itself stays whole, so that what leaves the shop does not tell who agreed to what.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from highstreet.client.errors import StoreConfigError
from highstreet.files import FileAccessError, read_limited
from highstreet.models.shop import Product

__all__ = [
    "SpecialProducts",
    "default_list",
    "is_judged_by_title",
    "read_special_products",
    "special_list_path",
]

_LIMIT_BYTES = 1 << 20
_WORD = re.compile(r"[^\W_]+")


class _Products(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    always: frozenset[str] = Field(default=frozenset(), max_length=100_000)
    never: frozenset[str] = Field(default=frozenset(), max_length=100_000)


class _List(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: Mapping[str, tuple[str, ...]] = Field(max_length=64)
    products: _Products = _Products()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialProducts:
    """Which products are of a sensitive kind.

    Attributes:
        phrases: by kind, each a run of folded words.
        always, never: the shop's own codes, whatever the words.
    """

    phrases: Mapping[str, frozenset[tuple[str, ...]]]
    always: frozenset[str]
    never: frozenset[str]

    def kind_of(self, product: Product) -> str | None:
        """Return the kind a product is of, None for most; of several the first in the list."""
        if product.product_id in self.never:
            return None
        texts = _texts(product)
        for kind, phrases in self.phrases.items():
            if any(_holds(text, phrase) for text in texts for phrase in phrases):
                return kind
        return "named" if product.product_id in self.always else None


def is_judged_by_title(product: Product) -> bool:
    """Whether neither category nor product type says a word, so that the title alone is left to go by."""
    return not (_words(product.category) or _words(product.product_type))


def special_list_path(folder: Path) -> Path:
    """Return where a store keeps its own list."""
    return folder / "special_products.toml"


def default_list() -> str:
    """Return the list that holds where a shop has none of its own."""
    return resources.files("highstreet.client").joinpath("special_products.toml").read_text(encoding="utf-8")


def read_special_products(folder: Path) -> SpecialProducts:
    """Read a store's list; the default where it has none.

    Args:
        folder: of the store.

    Raises:
        StoreConfigError: it cannot be read; nobody's purchases are used then.
    """
    path = special_list_path(folder)
    try:
        text = read_limited(path, limit_bytes=_LIMIT_BYTES).decode() if path.exists() else default_list()
        found = _List.model_validate(tomllib.loads(text))
    except (ValueError, RecursionError, FileAccessError) as error:
        problem = "an entry is not as it should be" if isinstance(error, ValidationError) else str(error)
        raise StoreConfigError(
            f"{path} cannot be used: {problem.rstrip('.')}.",
            next_step="Correct it, or remove it, and the default list holds. No purchases are used before.",
        ) from error
    return SpecialProducts(
        phrases={
            kind: frozenset(_words(phrase) for phrase in phrases) - {()}
            for kind, phrases in found.kinds.items()
        },
        always=found.products.always,
        never=found.products.never,
    )


def _texts(product: Product) -> tuple[tuple[str, ...], ...]:
    """Return what a product is judged by; a title (baby carrots) only where there is nothing else."""
    if is_judged_by_title(product):
        return (_words(product.title),)
    return (_words(product.category), _words(product.product_type))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


def _holds(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    length = len(phrase)
    return any(words[start : start + length] == phrase for start in range(len(words) - length + 1))
