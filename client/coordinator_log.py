"""The coordinator's log as this store witnesses it: grown from before, and the one that others cosigned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from highstreet.audit.checkpoints import Checkpoint, coordinator_origin, log_key
from highstreet.audit.errors import SignedNoteError, WitnessConflictError
from highstreet.audit.signed_notes import SignedNote
from highstreet.audit.witness import PROOF_LIMIT, check_growth
from highstreet.client.coop_calls import CoopCaller
from highstreet.client.home import StoreHome
from highstreet.client.membership import load_membership
from highstreet.client.store_log import StoreLog
from highstreet.client.witness_notes import WitnessNotes
from highstreet.protos import coop_pb2

__all__ = ["CoordinatorLog", "ShownLog"]

#: More members have no room under one checkpoint.
_COSIGNED_LIMIT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLog:
    """The coordinator's log as it was shown and found to be one.

    Attributes:
        checkpoint: its newest; this store cosigned it.
        cosigned: checkpoints that others cosigned, each shown to be of the same log; who cosigned them is
            not checked yet.
    """

    checkpoint: Checkpoint
    cosigned: tuple[SignedNote, ...]


class CoordinatorLog:
    """One store's watch over its coordinator's log; used by one thread at a time.

    Args:
        home: the store's folder.
        log: the store's log, and its record as a witness.
        caller: open to the member port.
    """

    def __init__(self, home: StoreHome, log: StoreLog, caller: CoopCaller) -> None:
        membership = load_membership(home)
        self.key = log_key(coordinator_origin(membership.coop_id), membership.coordinator_key)
        self._witness, self._caller = log.witness, caller
        self._notes = WitnessNotes(log.book, self.key.name, clock=log.clock)
        self._fitting: frozenset[str] = frozenset()

    def look(self) -> ShownLog:
        """Return the log as it is now, cosigned by this store, when nothing in what is shown contradicts it.

        The newest checkpoint has to have grown from the one cosigned last, and from every checkpoint that
        others cosigned, of whatever size: so these are of one log with what this store saw, smaller or
        larger. The coordinator proves it. First contact is not different.

        Raises:
            WitnessConflictError: something does; it is kept as evidence, and this store's log says so.
            SignedNoteError: what is shown is not signed as it should be.
            CoopRefusedError, CoopUnreachableError: the coordinator gave no answer or no proof.
            LogError, WitnessRecordError, FileAccessError: what is kept here cannot be read or written.
        """
        reply: coop_pb2.CheckpointReply = self._caller.call(
            lambda stub, timeout: stub.GetCheckpoint(coop_pb2.CheckpointRequest(), timeout=timeout)
        )
        note = SignedNote.from_bytes(reply.checkpoint)
        shown = Checkpoint.from_note(note, self.key)
        cosigned = self._read(reply.cosigned)
        seen = self._witness.latest(self.key)
        if seen is None:
            self._notes.began(shown)
        proof = () if seen is None else self._proof(seen, shown)
        try:
            check_growth(seen, shown, proof)
        except WitnessConflictError:
            self._convict(shown, note)
            raise
        for each, checkpoint in cosigned.items():
            self._hold_against(note, each, checkpoint, shown)
        given = self._witness.cosign(note, self.key, proof)
        self._fitting = frozenset(each.text for each in cosigned)
        if not any(given.signatures[-1] in each.signatures for each in cosigned):
            put = coop_pb2.PutCosignatureRequest(checkpoint=given.to_bytes())
            self._caller.call(lambda stub, timeout: stub.PutCosignature(put, timeout=timeout))
        return ShownLog(checkpoint=shown, cosigned=tuple(cosigned))

    def _read(self, notes: Sequence[bytes]) -> dict[SignedNote, Checkpoint]:
        if len(notes) > _COSIGNED_LIMIT:
            raise SignedNoteError(f"More than {_COSIGNED_LIMIT} cosigned checkpoints were shown.")
        read = map(SignedNote.from_bytes, notes)
        return {note: Checkpoint.from_note(note, self.key) for note in read}

    def _hold_against(
        self, note: SignedNote, other: SignedNote, checkpoint: Checkpoint, shown: Checkpoint
    ) -> None:
        """Refuse a checkpoint that others cosigned and that the log shown here did not grow from.

        The one shown is the newest that there is; one that is larger is of another log, or of more of this
        one than the coordinator shows here.
        """
        if other.text in self._fitting:
            return
        proof = self._proof(checkpoint, shown)
        try:
            check_growth(checkpoint, shown, proof)
        except WitnessConflictError as error:
            self._convict(checkpoint, note, other)
            raise WitnessConflictError(
                "The coordinator's log was shown to other members with other entries.",
                next_step="Keep the folder `coop/witness` and show it to the other members.",
            ) from error

    def _proof(self, first: Checkpoint, second: Checkpoint) -> tuple[bytes, ...]:
        """Ask for the proof that one checkpoint grew into the other; none is needed where it did not grow."""
        if first.size >= second.size:
            return ()
        wanted = coop_pb2.ConsistencyProofRequest(first=first.size, second=second.size)
        reply: coop_pb2.ProofReply = self._caller.call(
            lambda stub, timeout: stub.GetConsistencyProof(wanted, timeout=timeout)
        )
        return tuple(reply.hashes[: PROOF_LIMIT + 1])

    def _convict(self, shown: Checkpoint, *notes: SignedNote) -> None:
        """Keep what the coordinator signed, and write down that it contradicts what it signed before."""
        for note in notes:
            self._witness.keep_conflict(note)
        self._notes.conflict(shown)
