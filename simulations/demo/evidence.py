"""What exactly left a shop: its own log of messages, and the very contributions its ledger kept."""

from __future__ import annotations

import csv
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from highstreet.client.round_log import RoundNote
from highstreet.privacy.shared_noise import DistributedMechanism
from highstreet.protos import rounds_pb2, secure_sum_pb2
from highstreet.simulations.report.record import Contribution, RoundSent

__all__ = [
    "SentContribution",
    "agreed_sets",
    "contribution",
    "names_in_files",
    "rounds_sent",
    "sent_contributions",
]

_SHOWN_BYTES = 768
_SHORTEST_NAME_BYTES = 5
#: What of the noise each kind of message carries.
_NOISE = {
    "contribution": "yes: this shop's share of it",
    "inspection": "no data in it",
    "agreement": "no data in it",
    "share of the sum": "yes: the shares of all contributors",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentContribution:
    """One contribution as it left.

    Attributes:
        signed: the bytes that were sent.
        round: index of the phase.
        request_sha256: of the round's request.
        header_sha256: names the contribution in the set whose sum was opened.
        boxes: one for each committee member, sealed to it.
        dimension: coordinates of the vector shared out in them.
    """

    signed: bytes
    round: int
    request_sha256: bytes
    header_sha256: bytes
    boxes: tuple[bytes, ...]
    dimension: int


def sent_contributions(ledger: Path) -> list[SentContribution]:
    """Return every contribution a store's ledger holds, in order; the ledger is only read."""
    rows = _rows(ledger, "SELECT reply FROM replies ORDER BY sequence")
    return [opened for (reply,) in rows if (opened := _open(bytes(reply))) is not None]


def agreed_sets(ledger: Path) -> dict[int, bytes]:
    """Return for each round the one set of contributors the store agreed to, as a committee member."""
    rows = _rows(ledger, "SELECT phase, set_sha256 FROM agreements ORDER BY sequence")
    return {int(phase): bytes(set_sha256) for phase, set_sha256 in rows}


def rounds_sent(notes: Iterable[RoundNote]) -> tuple[RoundSent, ...]:
    """Say for each message that left what it was, how big, and what of the noise it carried."""
    return tuple(
        RoundSent(
            round=note.round,
            phase=note.phase or "?",
            what=note.what or "refusal",
            outcome=note.reason or note.outcome,
            reply_bytes=note.reply_bytes,
            request_bytes=note.request_bytes,
            sha256=note.reply_sha256,
            noise=_NOISE.get(note.what, "no data in it") if note.outcome == "sent" else "no data in it",
        )
        for note in notes
    )


def contribution(
    store: str,
    contributions: Sequence[SentContribution],
    *,
    phase: tuple[int, str],
    mechanism: DistributedMechanism,
    names: set[bytes],
) -> Contribution | None:
    """Describe the contribution to one phase, and look for names in the bytes of all of them.

    Args:
        store: the shop's name.
        contributions: all it sent.
        phase: index and name of the phase to show.
        mechanism: of that phase.
        names: what to look for.
    """
    shown = next((each for each in contributions if each.round == phase[0]), None)
    if shown is None:
        return None
    everything = b"\n".join(each.signed for each in contributions)
    largest = max(len(box) for box in shown.boxes)
    return Contribution(
        store=store,
        round=phase[0],
        phase=phase[1],
        reply_bytes=len(shown.signed),
        dimension=shown.dimension,
        boxes=tuple(len(box) for box in shown.boxes),
        shown=tuple(next(box for box in shown.boxes if len(box) == largest)[:_SHOWN_BYTES]),
        grid_step=mechanism.grid_step,
        share_stddev_steps=2.0**mechanism.share_log2_stddev,
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


def _rows(ledger: Path, query: str) -> list[tuple[bytes, ...]]:
    with closing(sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def _open(signed: bytes) -> SentContribution | None:
    reply = rounds_pb2.RoundReply.FromString(rounds_pb2.SignedReply.FromString(signed).reply)
    if reply.WhichOneof("outcome") != "contribution":
        return None
    message = secure_sum_pb2.Contribution.FromString(reply.contribution)
    header = secure_sum_pb2.ContributionHeader.FromString(message.header)
    return SentContribution(
        signed=signed,
        round=reply.round,
        request_sha256=reply.request_sha256,
        header_sha256=hashlib.sha256(message.header).digest(),
        boxes=tuple(message.boxes),
        dimension=header.dimension,
    )
