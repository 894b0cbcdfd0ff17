"""Text from outside as a terminal may show it: what could move a cursor or reorder a line is spelled out."""

from __future__ import annotations

__all__ = ["letters_in", "printable"]

#: Letters of Hangul that stand for none, and show as blanks.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")


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


def letters_in(text: str) -> int:
    r"""Return how many letters and digits of any script can be seen in a text.

    >>> letters_in("Käse 4"), letters_in("\u2800\u3164 ...")
    (5, 0)
    """
    return sum(sign.isalnum() and sign not in _FILLERS for sign in text)


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
