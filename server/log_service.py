"""The log over coop.proto: what members ask of it, answered from `CoopLog` or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import grpc
import structlog

from highstreet.audit.errors import LogError, SignedNoteError, WitnessConflictError, WitnessRecordError
from highstreet.audit.signed_notes import SignedNote
from highstreet.audit.witness import PROOF_LIMIT
from highstreet.files import FileAccessError
from highstreet.protos import coop_pb2
from highstreet.server.coop_log import CoopLog, KnownSizeError
from highstreet.server.errors import ServerError
from highstreet.server.membership import Member
from highstreet.server.refusals import refuse

__all__ = [
    "consistency_reply",
    "cosign_reply",
    "entries_reply",
    "inclusion_reply",
    "keep_cosignature",
    "newest_checkpoint",
    "settled",
]

_ENTRIES_BYTES = 1 << 20
_ENTRIES_COUNT = 1000
_log = structlog.get_logger(__name__)
_Reply = TypeVar("_Reply")


def settled(log: CoopLog, context: grpc.ServicerContext) -> None:
    """Return when all that happened is in the log; else end the call: nothing is said that is not in it."""
    try:
        log.follow()
    except (LogError, FileAccessError, ServerError) as error:
        _log.error("the log cannot be written", reason=error.what)
        refuse(context, coop_pb2.COOP_REFUSAL_UNAVAILABLE)


def newest_checkpoint(log: CoopLog) -> coop_pb2.CheckpointReply:
    """Give the newest checkpoint, and of each member the newest that it cosigned."""
    cosigned = [note.to_bytes() for note in log.cosigned()]
    log.book.refresh()
    return coop_pb2.CheckpointReply(checkpoint=log.book.note().to_bytes(), cosigned=cosigned)


def entries_reply(log: CoopLog, request: coop_pb2.EntriesRequest) -> coop_pb2.EntriesReply:
    """Give entries from a place on, as many as fit."""
    lines = log.book.entries(request.first, min(request.count, _ENTRIES_COUNT))
    taken, room = 0, _ENTRIES_BYTES
    while taken < len(lines) and room >= len(lines[taken]):
        room -= len(lines[taken])
        taken += 1
    return coop_pb2.EntriesReply(entries=lines[:taken])


def inclusion_reply(
    log: CoopLog, request: coop_pb2.InclusionProofRequest, context: grpc.ServicerContext
) -> coop_pb2.ProofReply:
    """Prove an entry to be in the log."""
    return _proof(context, lambda: log.book.inclusion_proof(request.index, request.size))


def consistency_reply(
    log: CoopLog, request: coop_pb2.ConsistencyProofRequest, context: grpc.ServicerContext
) -> coop_pb2.ProofReply:
    """Prove the log to have grown."""
    return _proof(context, lambda: log.book.consistency_proof(request.first, request.second))


def keep_cosignature(
    log: CoopLog, member: Member, request: coop_pb2.PutCosignatureRequest, context: grpc.ServicerContext
) -> coop_pb2.PutCosignatureReply:
    """Keep the caller's cosignature of the coordinator's checkpoint."""

    def keep() -> coop_pb2.PutCosignatureReply:
        log.add_cosignature(member, SignedNote.from_bytes(request.checkpoint))
        return coop_pb2.PutCosignatureReply()

    return _witnessed(context, keep)


def cosign_reply(
    log: CoopLog, member: Member, request: coop_pb2.CosignCheckpointRequest, context: grpc.ServicerContext
) -> coop_pb2.CosignCheckpointReply:
    """Witness the caller's log."""

    def cosign() -> coop_pb2.CosignCheckpointReply:
        proof = tuple(request.hashes[: PROOF_LIMIT + 1])
        note = SignedNote.from_bytes(request.checkpoint)
        try:
            cosigned, before = log.cosign(member, note, known_size=request.known_size, proof=proof)
        except KnownSizeError as known:
            return coop_pb2.CosignCheckpointReply(known_size=known.size)
        return coop_pb2.CosignCheckpointReply(checkpoint=cosigned.to_bytes(), known_size=before)

    return _witnessed(context, cosign)


def _proof(context: grpc.ServicerContext, prove: Callable[[], tuple[bytes, ...]]) -> coop_pb2.ProofReply:
    try:
        return coop_pb2.ProofReply(hashes=prove())
    except IndexError:
        refuse(context, coop_pb2.COOP_REFUSAL_LOG_RANGE)


def _witnessed(context: grpc.ServicerContext, answer: Callable[[], _Reply]) -> _Reply:
    try:
        return answer()
    except (SignedNoteError, WitnessConflictError) as error:
        _log.warning("a checkpoint was not taken", reason=error.what)
        refuse(context, coop_pb2.COOP_REFUSAL_WITNESS)
    except (LogError, WitnessRecordError, FileAccessError) as error:
        _log.error("witnessing does not work", reason=error.what)
        refuse(context, coop_pb2.COOP_REFUSAL_UNAVAILABLE)
