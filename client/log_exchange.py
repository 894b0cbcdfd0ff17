"""Store and coordinator witness each other: each cosigns the other's log and has its own cosigned."""

from __future__ import annotations

from highstreet.audit.checkpoints import Checkpoint, coordinator_origin, witness_key
from highstreet.audit.errors import SignedNoteError, WitnessConflictError
from highstreet.audit.signed_notes import NOTE_LIMIT_BYTES, SignedNote, verify_cosignature
from highstreet.client.coop_calls import CoopCaller
from highstreet.client.coordinator_log import CoordinatorLog
from highstreet.client.home import StoreHome
from highstreet.client.membership import load_membership
from highstreet.client.store_log import StoreLog
from highstreet.client.witness_notes import WitnessNotes
from highstreet.files import read_limited, write_private
from highstreet.protos import coop_pb2

__all__ = ["LogExchange"]

#: Beside the files of the store's log: its newest checkpoint that the coordinator cosigned.
_COSIGNED = "checkpoint"


class LogExchange:
    """One store's exchange of cosignatures with its coordinator; one exchange of a store at a time.

    Args:
        home: the store's folder.
        log: the store's log.
        caller: open to the member port.
    """

    def __init__(self, home: StoreHome, log: StoreLog, caller: CoopCaller) -> None:
        membership = load_membership(home)
        origin = coordinator_origin(membership.coop_id)
        self._home, self._log, self._caller = home, log, caller
        self._theirs = CoordinatorLog(home, log, caller)
        self._as_witness = witness_key(origin, membership.coordinator_key)
        self._notes = WitnessNotes(log.book, origin, clock=log.clock)

    def exchange(self) -> None:
        """Cosign what the coordinator's log has become, and have this store's log cosigned.

        Raises:
            WitnessConflictError: a log was rewound or forked; evidence is kept, and the log says so.
            SignedNoteError: what the coordinator shows is not signed as it should be.
            CoopRefusedError, CoopUnreachableError: it said no or nothing.
            LogError, WitnessRecordError, FileAccessError: what is kept here cannot be read or written.
        """
        with self._log.exchanging:
            self._theirs.look()
            self._show_own()

    def _show_own(self) -> None:
        self._log.book.refresh()
        head = self._log.book.head()
        known = self._cosigned_size()
        if head.checkpoint.size == known:
            return
        reply = self._ask_to_cosign(head.note(), head.checkpoint.size, known)
        if not reply.checkpoint:
            self._refuse_larger(reply.known_size)
            if reply.known_size < known:
                self._notes.lost(reply.known_size)
            reply = self._ask_to_cosign(head.note(), head.checkpoint.size, reply.known_size)
        note = SignedNote.from_bytes(reply.checkpoint)
        if note.text != head.note().text:
            # It had cosigned this very size before.
            raise SignedNoteError("The coordinator cosigned another checkpoint than this store's.")
        verify_cosignature(note, self._as_witness)
        write_private(self._home.log / _COSIGNED, note.to_bytes())

    def _ask_to_cosign(self, note: SignedNote, size: int, known: int) -> coop_pb2.CosignCheckpointReply:
        request = coop_pb2.CosignCheckpointRequest(
            checkpoint=note.to_bytes(),
            known_size=known,
            hashes=self._log.book.consistency_proof(known, size),
        )
        reply: coop_pb2.CosignCheckpointReply = self._caller.call(
            lambda stub, timeout: stub.CosignCheckpoint(request, timeout=timeout)
        )
        return reply

    def _refuse_larger(self, known: int) -> None:
        if known > self._log.book.size:
            raise WitnessConflictError(
                f"The coordinator saw {known} entries of this store's log; there are {self._log.book.size}.",
                next_step="Was the folder put back from a backup? Then say `highstreet store restored`.",
            )

    def _cosigned_size(self) -> int:
        path = self._home.log / _COSIGNED
        if not path.is_file():
            return 0
        note = SignedNote.from_bytes(read_limited(path, limit_bytes=NOTE_LIMIT_BYTES))
        verify_cosignature(note, self._as_witness)
        size = Checkpoint.from_text(note.text).size
        return size if size <= self._log.book.size else 0
