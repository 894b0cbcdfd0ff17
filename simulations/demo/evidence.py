"""What exactly left a shop: the very replies its ledger kept, opened and searched for names."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from highstreet.protos import rounds_pb2
from highstreet.simulations.report.record import Contribution, RoundSent

__all__ = ["SentReply", "contribution", "names_in_files", "rounds_sent", "sent_replies"]

_SHOWN_VALUES = 768
_SHORTEST_NAME_BYTES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SentReply:
    """One signed reply as it left, and what it says.

    Attributes:
        signed: the bytes that were sent.
        round: index of the phase.
        values: the integers in it; empty for a refusal.
        refusal: its code's name; empty for an answer.
    """

    signed: bytes
    round: int
    values: np.ndarray
    refusal: str


def sent_replies(ledger: Path) -> list[SentReply]:
    """Return every reply a store's ledger holds, in order; the ledger is only read."""
    with closing(sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT reply FROM replies ORDER BY sequence").fetchall()
    return [_open(bytes(row[0])) for row in rows]


def rounds_sent(replies: Iterable[SentReply], phases: Mapping[int, str]) -> tuple[RoundSent, ...]:
    """Say for each reply in which round it left and how big it was."""
    return tuple(
        RoundSent(
            round=reply.round,
            phase=phases.get(reply.round, "?"),
            outcome=reply.refusal.removeprefix("REFUSAL_").lower() or "answered",
            reply_bytes=len(reply.signed),
        )
        for reply in replies
    )


def contribution(
    store: str,
    replies: list[SentReply],
    *,
    phase: tuple[int, str],
    noise: tuple[float, float],
    names: set[bytes],
) -> Contribution | None:
    """Describe the reply of one phase, and look for names in the bytes of all replies.

    Args:
        store: the shop's name.
        replies: all it sent.
        phase: index and name of the phase to show.
        noise: the grid step, and the noise's standard deviation, both in the unit of the update.
        names: what to look for.
    """
    shown = next((reply for reply in replies if reply.round == phase[0] and reply.values.size), None)
    if shown is None:
        return None
    everything = b"\n".join(reply.signed for reply in replies)
    step, stddev = noise
    return Contribution(
        store=store,
        round=phase[0],
        phase=phase[1],
        reply_bytes=len(shown.signed),
        dimension=int(shown.values.size),
        values=tuple(int(value) for value in shown.values[:_SHOWN_VALUES]),
        grid_step=step,
        noise_stddev_steps=stddev / step,
        names_searched=len(names),
        names_found=sum(name in everything for name in names),
    )


def names_in_files(paths: Iterable[Path], *, limit: int = 20_000) -> set[bytes]:
    """Return the codes and names in a shop's files: every text cell of products and customers.

    Cells shorter than five bytes are left out: random bytes hold them by chance.
    """
    found: set[bytes] = set()
    for cell in _cells(paths):
        if len(cell) >= _SHORTEST_NAME_BYTES and len(found) < limit:
            found.add(cell)
    return found


def _cells(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = csv.reader(file)
            next(rows, None)
            for row in rows:
                yield from (cell.strip().encode() for cell in row if cell.strip())


def _open(signed: bytes) -> SentReply:
    envelope = rounds_pb2.SignedReply.FromString(signed)
    reply = rounds_pb2.RoundReply.FromString(envelope.reply)
    refused = reply.WhichOneof("outcome") == "refusal"
    return SentReply(
        signed=signed,
        round=reply.round,
        values=np.frombuffer(b"" if refused else reply.values, dtype="<i4"),
        refusal=rounds_pb2.RefusalCode.Name(reply.refusal) if refused else "",
    )
