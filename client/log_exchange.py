"""Store and coordinator witness each other: each cosigns the other's log and has its own cosigned."""

from __future__ import annotations

from highstreet.audit.canonical import Json
from highstreet.audit.checkpoints import Checkpoint, coordinator_origin, log_key, witness_key
from highstreet.audit.errors import SignedNoteError, WitnessConflictError
from highstreet.audit.log_entries import EntryKind
from highstreet.audit.signed_notes import NOTE_LIMIT_BYTES, SignedNote, verify_cosignature
from highstreet.client.coop_calls import CoopCaller
from highstreet.client.home import StoreHome
from highstreet.client.membership import load_membership
from highstreet.client.store_log import StoreLog
from highstreet.files import read_limited, write_private
from highstreet.protos import coop_pb2

__all__ = ["LogExchange"]

#: Beside the files of the store's log: its newest checkpoint that the coordinator cosigned.
_COSIGNED = "checkpoint"


class LogExchange:
    """One store's exchange of cosignatures with its coordinator; used by one thread.

    Args:
        home: the store's folder.
        log: the store's log.
        caller: open to the member port.
    """

    def __init__(self, home: StoreHome, log: StoreLog, caller: CoopCaller) -> None:
        membership = load_membership(home)
        origin = coordinator_origin(membership.coop_id)
        self._home, self._log, self._caller = home, log, caller
        self._theirs = log_key(origin, membership.coordinator_key)
        self._as_witness = witness_key(origin, membership.coordinator_key)
        self._given = 0

    def exchange(self) -> None:
        """Cosign what the coordinator's log has become, and have this store's log cosigned.

        Raises:
            WitnessConflictError: a log was rewound or forked; evidence is kept, and the log says so.
            SignedNoteError: what the coordinator shows is not signed as it should be.
            CoopRefusedError, CoopUnreachableError: it said no or nothing.
            LogError, WitnessRecordError, FileAccessError: what is kept here cannot be read or written.
        """
        self._watch_theirs()
        self._show_own()

    def _watch_theirs(self) -> None:
        asked = coop_pb2.CheckpointRequest()
        reply: coop_pb2.CheckpointReply = self._caller.call(
            lambda stub, timeout: stub.GetCheckpoint(asked, timeout=timeout)
        )
        note = SignedNote.from_bytes(reply.checkpoint)
        shown = Checkpoint.from_note(note, self._theirs)
        seen = self._log.witness.latest(self._theirs)
        if seen is None:
            self._note_beginning(shown)
        if reply.cosigned:
            self._refuse_another(SignedNote.from_bytes(reply.cosigned), seen)
        proof: tuple[bytes, ...] = ()
        if seen is not None and shown.size > seen.size:
            wanted = coop_pb2.ConsistencyProofRequest(first=seen.size, second=shown.size)
            proof = tuple(
                self._caller.call(
                    lambda stub, timeout: stub.GetConsistencyProof(wanted, timeout=timeout)
                ).hashes
            )
        cosigned = self._cosign(note, shown, proof)
        if shown.size > self._given:
            put = coop_pb2.PutCosignatureRequest(checkpoint=cosigned.to_bytes())
            self._caller.call(lambda stub, timeout: stub.PutCosignature(put, timeout=timeout))
            self._given = shown.size

    def _cosign(self, note: SignedNote, shown: Checkpoint, proof: tuple[bytes, ...]) -> SignedNote:
        try:
            return self._log.witness.cosign(note, self._theirs, proof)
        except WitnessConflictError:
            self._note_conflict(note, shown)
            raise

    def _refuse_another(self, note: SignedNote, seen: Checkpoint | None) -> None:
        """What members cosigned together is the log that was shown here, where it is of the same size."""
        cosigned = Checkpoint.from_note(note, self._theirs)
        if seen is not None and cosigned.size == seen.size and cosigned.root != seen.root:
            self._note_conflict(note, cosigned)
            raise WitnessConflictError(
                "The coordinator's log was shown to other members with other entries.",
                next_step="Keep the folder `coop/witness` and show it to the other members.",
            )

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
                self._note_lost(reply.known_size)
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

    def _note_beginning(self, shown: Checkpoint) -> None:
        """Say that witnessing begins; or begins anew, where what was known is lost."""
        began = f"witness/{shown.origin}/began"
        is_first = bool(self._log.book.missing([began]))
        key = began if is_first else f"{began}-anew/{shown.size}-{shown.root.hex()[:16]}"
        if self._log.book.missing([key]):
            self._note(key, "began" if is_first else "began_anew", shown.size, shown.root)

    def _note_conflict(self, note: SignedNote, shown: Checkpoint) -> None:
        key = f"witness/{shown.origin}/conflict/{shown.size}-{shown.root.hex()[:16]}"
        if self._log.book.missing([key]):
            self._log.witness.keep_conflict(note)
            self._note(key, "conflict", shown.size, shown.root)

    def _note_lost(self, size: int) -> None:
        """Say that the coordinator forgot what it had cosigned of this store's log."""
        key = f"witness/lost/{self._log.book.size}"
        if self._log.book.missing([key]):
            self._note(key, "witness_lost", size, None)

    def _note(self, key: str, step: str, size: int, root: bytes | None) -> None:
        hexed = None if root is None else root.hex()
        body: dict[str, Json] = {"step": step, "origin": self._theirs.name, "size": size, "root": hexed}
        self._log.book.append(EntryKind.WITNESS, key, body)
