"""TC strings written bit by bit after IAB's specification, independently of the library that reads them."""

from __future__ import annotations

import base64
from collections.abc import Collection
from datetime import UTC, datetime

__all__ = ["segment", "tc_string"]

#: Purposes 1 to 10 for everybody.
ALL = tuple(range(1, 11))


def segment(bits: str) -> str:
    padded = bits + "0" * (-len(bits) % 8)
    data = bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8))
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def tc_string(
    *,
    vendors: Collection[int] = ALL,
    own: Collection[int] | None = None,
    day: datetime = datetime(2026, 10, 1, tzinfo=UTC),
    version: int = 2,
) -> str:
    text = segment(core_bits(vendors=vendors, day=day, version=version))
    return text if own is None else f"{text}.{segment(publisher_bits(own))}"


def core_bits(
    *,
    vendors: Collection[int] = ALL,
    day: datetime = datetime(2026, 10, 1, tzinfo=UTC),
    version: int = 2,
) -> str:
    deciseconds = round(day.timestamp() * 10)
    return "".join(
        (
            _number(version, 6),
            _number(deciseconds, 36),  # created
            _number(deciseconds, 36),  # last updated
            _number(300, 12),  # of the banner: number,
            _number(1, 12),  # version,
            _number(1, 6),  # screen,
            _number(3, 6) + _number(13, 6),  # language
            _number(120, 12),  # version of the list of vendors
            _number(4, 6),  # version of the policies
            "1",  # for this service only
            "0",  # standard texts
            _number(0, 12),  # special features
            _purposes(vendors),
            _purposes(()),  # legitimate interests
            "0",  # purpose 1 is asked
            _number(3, 6) + _number(4, 6),  # country of the publisher
            _number(3, 16) + "0" + "101",  # vendors agreed to, as bits
            _number(9, 16)
            + "1"
            + _number(2, 12)
            + "0"
            + _number(4, 16)
            + "1"
            + _number(6, 16)
            + _number(9, 16),
            _number(1, 12) + _number(2, 6) + _number(1, 2) + _number(1, 12) + "0" + _number(7, 16),
        )
    )


def publisher_bits(own: Collection[int], *, custom: int = 2) -> str:
    return _number(3, 3) + _purposes(own) + _purposes(()) + _number(custom, 6) + "10" * custom


def _number(value: int, bits: int) -> str:
    return format(value, f"0{bits}b")


def _purposes(agreed: Collection[int]) -> str:
    return "".join("1" if purpose in agreed else "0" for purpose in range(1, 25))
