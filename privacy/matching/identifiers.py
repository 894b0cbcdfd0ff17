"""Identifiers of customers: the one spelling under which two shops mean the same person."""

from __future__ import annotations

import unicodedata
from enum import StrEnum

from highstreet.privacy.matching.errors import InvalidIdentifierError

__all__ = ["LABEL", "IdentifierKind", "identifier_input", "normalise"]

_MAX_TYPED_CHARACTERS = 1024
#: The longest e-mail address (RFC 5321, section 4.5.3.1.3).
_MAX_CHARACTERS = 254
_MAX_PASSES = 4

#: What all stores have evaluated in the first place of their lists; their common mask comes from it.
LABEL = b"highstreet/v1/matching-label\x00group key"


class IdentifierKind(StrEnum):
    """What an identifier is. The charter names one kind for the whole co-op; two kinds never match."""

    EMAIL = "email"
    LOYALTY_NUMBER = "loyalty-number"


def normalise(typed: str) -> str:
    """Return an identifier's one spelling: compatibility forms and case folded, no space at the ends.

    Never two spellings for one: `normalise(normalise(x)) == normalise(x)`. It does not know that some
    providers ignore dots or tags; such addresses are different persons to the matching.

    Raises:
        InvalidIdentifierError: empty, over 254 characters (1,024 before), or with control, invisible,
            private, unassigned or line-breaking characters. The message does not repeat it.

    >>> normalise("  Ａnn@Example.COM ")
    'ann@example.com'
    """
    if len(typed) > _MAX_TYPED_CHARACTERS:
        raise _invalid()
    spelt = typed
    for _ in range(_MAX_PASSES):
        before, spelt = spelt, unicodedata.normalize("NFKC", spelt).strip().casefold()
        if spelt == before:
            break
    else:
        raise _invalid()
    if not 0 < len(spelt) <= _MAX_CHARACTERS or any(map(_is_unseen, spelt)):
        raise _invalid()
    return spelt


def identifier_input(kind: IdentifierKind, typed: str) -> bytes:
    """Return what is hashed for a customer: a domain, the kind and the identifier's one spelling.

    Raises:
        InvalidIdentifierError: see `normalise`.
    """
    return (
        b"highstreet/v1/matching-identifier\x00" + kind.value.encode() + b"\x00" + normalise(typed).encode()
    )


def _is_unseen(character: str) -> bool:
    category = unicodedata.category(character)
    return category.startswith("C") or category in {"Zl", "Zp"}


def _invalid() -> InvalidIdentifierError:
    return InvalidIdentifierError(
        "A customer's identifier is empty, too long or holds characters nobody types; it is not matched.",
        next_step="Correct it in the shop's own system and import again.",
    )
