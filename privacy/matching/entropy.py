"""Fresh secret bytes, from a source that is an argument: the operating system's, but for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from highstreet.privacy.matching.errors import InvalidMatchingError

__all__ = ["Entropy", "drawn", "drawn_below", "drawn_sample"]

T = TypeVar("T")

#: Returns so many fresh bytes; anything but `os.urandom` is for tests and test vectors.
Entropy = Callable[[int], bytes]


def drawn(entropy: Entropy, count: int) -> bytes:
    """Return exactly `count` bytes.

    Raises:
        InvalidMatchingError: the source gave another number; nothing is made of them.
    """
    bytes_ = entropy(count)
    if len(bytes_) != count:
        raise InvalidMatchingError("The source of randomness gave too few bytes; nothing was made.")
    return bytes_


def drawn_below(entropy: Entropy, bound: int) -> int:
    """Return a number exactly uniform on 0 .. bound - 1: numbers of its length are drawn until one fits."""
    size = max(1, (bound - 1).bit_length())
    while True:
        number = int.from_bytes(drawn(entropy, (size + 7) // 8), "little") & ((1 << size) - 1)
        if number < bound:
            return number


def drawn_sample(entropy: Entropy, items: Sequence[T], size: int) -> list[T]:
    """Return `size` distinct places' items in random order, every choice and order equally likely.

    Source: Fisher and Yates; Durstenfeld 1964, Algorithm 235, stopped after `size` steps.
    """
    pool = list(items)
    for place in range(size):
        other = place + drawn_below(entropy, len(pool) - place)
        pool[place], pool[other] = pool[other], pool[place]
    return pool[:size]
