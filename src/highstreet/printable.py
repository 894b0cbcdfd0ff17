"""Text from outside as a terminal may show it: what could move a cursor or reorder a line is spelled out."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""Return a text with every character that does not simply print written as its escape.

    Control characters (C0, DEL and C1), line ends, marks that change the direction of writing, and
    characters without a width are such; letters of any script are not.

    >>> printable("Käse\x1b[2K\u202e")
    'Käse\\x1b[2K\\u202e'
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _escape(sign) for sign in text)


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
