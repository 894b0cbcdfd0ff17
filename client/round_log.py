"""The log of rounds: one line for each message that left this shop, written before it leaves."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from highstreet.client.home import StoreHome
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.files import access_error, make_private_folder, sync_folder
from highstreet.privacy.secure_sum import SumRefusal
from highstreet.protos.rounds_pb2 import (
    REFUSAL_BUDGET,
    REFUSAL_CHARTER,
    REFUSAL_DEADLINE,
    REFUSAL_MATCHING,
    REFUSAL_PARTICIPANTS,
    REFUSAL_RELEASE,
    REFUSAL_REPEATED,
    REFUSAL_SIGNATURE,
    REFUSAL_STATE,
    REFUSAL_TOO_SOON,
    REFUSAL_UNAVAILABLE,
    REFUSAL_UNREADABLE,
    REFUSAL_VERSION,
    REFUSAL_WRONG_COOP,
)

__all__ = ["RoundNote", "noted", "read_rounds"]

_LIMIT_BYTES = 16 << 20
#: Some 10,000 messages; of this log and of the one before, as many are kept.
_FULL_BYTES = 4 << 20
#: What carries noise, but in a matching, whose tables are exact and masked. The rest holds no sums.
_NOISED = frozenset({Step.CONTRIBUTION, Step.SUM_SHARE})
_WHY = {
    REFUSAL_UNREADABLE: "the message could not be read",
    REFUSAL_VERSION: "it needs another version of Highstreet than is on this computer",
    REFUSAL_SIGNATURE: "it was not signed by this co-op's coordinator",
    REFUSAL_WRONG_COOP: "it came from another co-op",
    REFUSAL_CHARTER: "it follows another charter, roster or schema than this shop agreed to",
    REFUSAL_RELEASE: "it asks for more than the charter or this shop's own limits allow",
    REFUSAL_STATE: "its model is not the announced one",
    REFUSAL_REPEATED: "it was asked for before, in another way, or in too many",
    REFUSAL_DEADLINE: "it came too late",
    REFUSAL_BUDGET: "it does not fit this shop's budget for privacy: see `highstreet store budget`",
    REFUSAL_UNAVAILABLE: "this shop could not take part just then: see store.log in the folder `logs`",
    REFUSAL_PARTICIPANTS: "a member takes part whom this shop has not vouched for: "
    "see `highstreet store members`",
    REFUSAL_MATCHING: "a message of the matching is not in order, or the matching is over here",
    REFUSAL_TOO_SOON: "this shop takes part in one matching a period, and there was one or, as the shop was "
    "restored, may have been; or too many were begun in vain that day",
}
_WHY_NO_SUM = {
    SumRefusal.FLOOR: "it would add up fewer shops than the charter allows",
    SumRefusal.SECOND_SET: "this shop had agreed to add up other shops in that round",
    SumRefusal.OWN_CONTRIBUTION: "it holds another contribution of this shop than the one that was sent",
    SumRefusal.UNKNOWN_CONTRIBUTOR: "it would add up a shop that does not take part",
    SumRefusal.REPEATED_CONTRIBUTOR: "it would add up a shop twice",
    SumRefusal.COORDINATOR_SIGNATURE: "it was not signed by this co-op's coordinator",
    SumRefusal.FEW_AGREEMENTS: "too few other shops had agreed to it",
    SumRefusal.BOX_SEAL: "another shop's part of it could not be opened here",
    SumRefusal.SHARE_RANGE: "another shop's part of it holds numbers that cannot be",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundNote:
    """One message that left.

    Attributes:
        at: unix seconds.
        programme_id, round, phase: which round; empty, 0 and empty when the request could not be read.
        outcome: `sent` or `refused`.
        what: what left (`round_answers.Step`), such as `contribution`, or was refused; empty when
            the message could not be read.
        reason: why it was refused, in plain words; empty otherwise.
        request_bytes, reply_bytes: sizes of what came and what left.
        reply_sha256: of what left, in hex, so that it can be held against what others say they got; empty in
            lines written by earlier versions.
        noise_inside: whether what left carries this shop's share of the noise, or that of all contributors.
    """

    at: int
    programme_id: str
    round: int
    phase: str
    outcome: str
    what: str
    reason: str
    request_bytes: int
    reply_bytes: int
    reply_sha256: str = ""
    noise_inside: bool = False


def noted(answer: Callable[[bytes], RoundAnswer], home: StoreHome) -> Callable[[bytes], RoundAnswer]:
    """Return the same answering function, which writes each message down durably before it returns it.

    Raises:
        FileAccessError: (when answering) it could not be written; so nothing is returned, and nothing leaves.
    """

    def answer_and_note(body: bytes) -> RoundAnswer:
        given = answer(body)
        _append(_file(home), _note(body, given))
        return given

    return answer_and_note


def read_rounds(home: StoreHome) -> list[RoundNote]:
    """Return what left, oldest first, as far as it is kept.

    A line cut off by a crash is passed over: its message never left.
    """
    path = _file(home)
    return [note for each in (_older(path), path) if each.is_file() for note in _notes(each)]


def _notes(path: Path) -> list[RoundNote]:
    notes = []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LIMIT_BYTES))
        for line in file:
            try:
                notes.append(RoundNote(**json.loads(line)))
            except (ValueError, TypeError):
                continue
    return notes


def _note(body: bytes, given: RoundAnswer) -> RoundNote:
    return RoundNote(
        at=time.time_ns() // 1_000_000_000,
        programme_id=given.programme_id,
        round=given.round,
        phase=given.phase,
        outcome="refused" if given.is_refused else "sent",
        what=given.step or "",
        reason=_why(given),
        request_bytes=len(body),
        reply_bytes=len(given.body),
        reply_sha256=hashlib.sha256(given.body).hexdigest(),
        noise_inside=_has_noise(given),
    )


def _has_noise(given: RoundAnswer) -> bool:
    # Imported here: it brings the matching's library, which reading the log does not need.
    from highstreet.audit.matchings import TABLE_PHASE

    return not given.is_refused and given.step in _NOISED and given.phase != TABLE_PHASE


def _why(given: RoundAnswer) -> str:
    if given.refusal is not None:
        return _WHY.get(given.refusal, "for a reason of no name")
    if given.sum_refusal is not None:
        return _WHY_NO_SUM.get(given.sum_refusal, "what should be added up is not in order")
    return ""


def _append(path: Path, note: RoundNote) -> None:
    make_private_folder(path.parent)
    _rotate(path)
    line = (json.dumps(asdict(note), sort_keys=True) + "\n").encode()
    try:
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _is_torn(descriptor):
                line = b"\n" + line  # else the two would be one line, which nobody can read
            if os.write(descriptor, line) != len(line):
                raise OSError(28, "No space left on device")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(path.parent)
    except OSError as error:
        raise access_error(path, error) from error


def _is_torn(descriptor: int) -> bool:
    """Say whether the last line was cut off by a crash or a full disk."""
    end = os.fstat(descriptor).st_size
    return end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"


def _rotate(path: Path) -> None:
    """Put a full log aside, in the place of the one before: somebody who asks without end fills no disk."""
    try:
        if path.is_file() and path.stat().st_size >= _FULL_BYTES:
            path.replace(_older(path))
            sync_folder(path.parent)
    except OSError as error:
        raise access_error(path, error) from error


def _older(path: Path) -> Path:
    return path.with_suffix(".1.jsonl")


def _file(home: StoreHome) -> Path:
    return home.logs / "rounds.jsonl"
