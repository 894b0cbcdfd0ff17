"""What a sceptic would try on the secure sums of a run: reading a contribution, finding one, asking twice."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from scipy.stats import chi2

from highstreet.privacy.secure_sum.field import to_bytes
from highstreet.privacy.secure_sum.keystream import expand_seed
from highstreet.protos.rounds_pb2 import SignedRequest
from highstreet.simulations.demo.evidence import SentContribution
from highstreet.simulations.demo.sceptic import attempt
from highstreet.simulations.errors import SimulationsError
from highstreet.simulations.report.record import Check, RoundSum

__all__ = ["Uniformity", "check_sums", "stored_values", "uniformity"]

#: Chance that truly random bytes fail one of the two tests.
_FALSE_ALARM = 1e-6
_GAINED_LIMIT = 4
_BYTE_VALUES = 256
_LEAST_BYTES = 64 * _BYTE_VALUES
_PROBE_BYTES = 32
_PROBES_A_BOX = 3
_PAGES = ("", "-wal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniformity:
    """What two tests say of whether bytes can be told from uniformly random ones.

    Histogram: Pearson's statistic over the 256 byte values follows chi-squared with 255 degrees of freedom,
    above `limit` with a chance of 1e-6. Compression: a lossless code maps fewer than 256^(1-k) of all strings
    of one length to strings k bytes shorter or more, so 4 bytes gained have a chance below 256^-3 < 1e-7. The
    histogram sees a share that is not sealed; compression sees a sum that is neither sealed nor shared.

    Attributes:
        size: number of bytes.
        statistic, limit: of the histogram.
        gained: bytes that zlib at its best saves.
    """

    size: int
    statistic: float
    limit: float
    gained: int

    @property
    def is_random(self) -> bool:
        """Whether neither test tells the bytes from random ones."""
        return self.statistic <= self.limit and self.gained < _GAINED_LIMIT

    def __str__(self) -> str:
        """Say what was measured."""
        told = "as good as random" if self.is_random else "told from random"
        gained = f"zlib saves {self.gained:,} bytes" if self.gained > 0 else "zlib saves nothing"
        return (
            f"{told}: chi-squared {self.statistic:,.0f} (at most {self.limit:.0f}), {gained}, "
            f"of {self.size:,} bytes"
        )


def uniformity(content: bytes) -> Uniformity:
    """Test bytes.

    Raises:
        SimulationsError: too few for the tests to see anything.
    """
    if len(content) < _LEAST_BYTES:
        raise SimulationsError(f"{len(content)} bytes are too few to tell anything from their histogram.")
    counts = np.bincount(np.frombuffer(content, dtype=np.uint8), minlength=_BYTE_VALUES)
    expected = len(content) / _BYTE_VALUES
    return Uniformity(
        size=len(content),
        statistic=float(((counts - expected) ** 2 / expected).sum()),
        limit=float(chi2.isf(_FALSE_ALARM, _BYTE_VALUES - 1)),
        gained=len(content) - len(zlib.compress(content, 9)),
    )


def check_sums(
    contributions: Sequence[SentContribution], sums: Sequence[RoundSum], *, database: Path
) -> list[Check]:
    """Try all.

    Args:
        contributions: everything all shops sent in the programme.
        sums: its closed rounds.
        database: the coordinator's, after them; it is only read.
    """
    boxes = [box for each in contributions for box in each.boxes]

    def read_a_contribution() -> tuple[bool, str]:
        sealed = uniformity(b"".join(boxes))
        return sealed.is_random, str(sealed)

    def read_an_unsealed_one() -> tuple[bool, str]:
        bare = uniformity(_unsealed(max(map(len, boxes))))
        return not bare.is_random, str(bare)

    return [
        attempt(
            "Reading what a shop sent: byte histogram and compression of every sealed box",
            "cannot be told from random bytes",
            read_a_contribution,
        ),
        attempt(
            "The same two tests on a share that is not sealed, as a control",
            "told from random bytes",
            read_an_unsealed_one,
        ),
        attempt(
            "Looking for any shop's part of a sum in the coordinator's database, after the rounds",
            "nothing but the sums",
            lambda: _search(contributions, database),
        ),
        attempt(
            "Having two sums of one round opened, to take their difference, by the ledgers of all shops",
            "one set a round, of contributions the shops' own ledgers hold, agreed to by enough members",
            lambda: _one_set_a_round(sums),
        ),
    ]


def _search(contributions: Sequence[SentContribution], database: Path) -> tuple[bool, str]:
    """Look for pieces of every box in all tables; requests of the rounds, surely there, are the control."""
    stored = list(stored_values(database))
    asked = {hashlib.sha256(request).digest() for value in stored if (request := _request_in(value))}
    missing = {each.request_sha256 for each in contributions} - asked
    if missing or not contributions:
        return (
            False,
            f"the search is blind: {len(missing)} requests of rounds that must be there were not found",
        )
    probes = list(_probes(contributions))
    found = _count_found(probes, b"\x00".join(stored))
    left = _count_found(probes, b"".join(path.read_bytes() for path in _files(database) if path.exists()))
    words = (
        f"none of {len(probes)} pieces of {len(contributions)} contributions in any table; the "
        f"{len(asked)} requests, as a control, were found"
    )
    if left:
        words += f"; {left} pieces of sealed boxes lie in pages of the file that are free to be written over"
    return found == 0, words if found == 0 else f"{found} of {len(probes)} pieces were found"


def stored_values(database: Path) -> Iterator[bytes]:
    """Yield every text and blob of every table; the database is only read."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            for row in connection.execute(f'SELECT * FROM "{name}"'):  # noqa: S608  the database's own names
                yield from (value for value in row if isinstance(value, bytes))
                yield from (value.encode() for value in row if isinstance(value, str))


def _files(database: Path) -> list[Path]:
    return [database.with_name(database.name + ending) for ending in _PAGES]


def _request_in(value: bytes) -> bytes:
    try:
        return SignedRequest.FromString(value).request
    except DecodeError:
        return b""


def _probes(contributions: Sequence[SentContribution]) -> Iterator[bytes]:
    """Yield pieces from the beginning, middle and end of every box; 32 random bytes are nowhere by chance."""
    for box in (box for each in contributions for box in each.boxes):
        last = len(box) - _PROBE_BYTES
        for start in {last * part // (_PROBES_A_BOX - 1) for part in range(_PROBES_A_BOX)}:
            yield box[start : start + _PROBE_BYTES]


def _count_found(probes: Sequence[bytes], content: bytes) -> int:
    """Count the pieces that occur; all at once by their first 8 bytes, as the content has megabytes."""
    starts = np.unique(np.array([int.from_bytes(probe[:8], "little") for probe in probes], dtype=np.uint64))
    seen: set[int] = set()
    for shift in range(min(8, len(content) // 8)):
        words = np.frombuffer(content, dtype="<u8", offset=shift, count=(len(content) - shift) // 8)
        seen.update(words[np.isin(words, starts)].tolist())
    return sum(int.from_bytes(probe[:8], "little") in seen and probe in content for probe in probes)


def _one_set_a_round(sums: Sequence[RoundSum]) -> tuple[bool, str]:
    wrong = [each.round + 1 for each in sums if not each.is_in_order]
    if wrong or not sums:
        return False, f"not so in rounds {', '.join(map(str, wrong))}" if wrong else "no round was closed"
    least, most = min(each.agreed for each in sums), max(each.agreed for each in sums)
    agreed = f"{least}" if least == most else f"{least} to {most}"
    first = sums[0]
    return True, (
        f"{len(sums)} rounds, one set each; {agreed} of {first.committee} committee members agreed to it, "
        f"{first.threshold} were needed"
    )


def _unsealed(size: int) -> bytes:
    """A fresh share as it is before it is sealed: integers below 2^31 - 1, four bytes each."""
    return to_bytes(expand_seed(os.urandom(32), max(size, _LEAST_BYTES) // 4))
