"""Whether a release is published: in the one log that this store and enough other members' stores cosigned.

A release that the coordinator signed for one store alone would have to be in a log that is shown to that
store alone. So an entry with the manifest's hash has to be in the coordinator's log (RFC 9162, 2.1.3), in the
part of it for which as many members vouch as the charter has to be in a sum. This store is one of them; the
others are members that count here. Each has to have cosigned once since the entry was written, not all at the
same time.
"""

from __future__ import annotations

from highstreet.audit.checkpoints import store_origin, witness_key
from highstreet.audit.errors import LogEntryError, MerkleProofError
from highstreet.audit.log_entries import EntryKind, LogEntry
from highstreet.audit.manifest import Manifest
from highstreet.audit.merkle import leaf_hash, verify_inclusion
from highstreet.audit.witness import PROOF_LIMIT
from highstreet.audit.witness_quorum import cosigned_sizes
from highstreet.client.coop_calls import CoopCaller
from highstreet.client.coordinator_log import CoordinatorLog, ShownLog
from highstreet.client.errors import ReleaseNotWitnessedError, ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.membership import load_charter, load_membership
from highstreet.client.store_log import StoreLog
from highstreet.client.vouches import counted_members
from highstreet.protos import coop_pb2

__all__ = ["refuse_unwitnessed"]


def refuse_unwitnessed(
    home: StoreHome, log: StoreLog, caller: CoopCaller, manifest: Manifest, *, place: int
) -> None:
    """Return only when a release is in the coordinator's log as a quorum of members cosigned it.

    Looks at the log as it is now and cosigns it first, so that members which ask at about the same time need
    not wait for each other's fixed times.

    Args:
        home: of the store.
        log: the store's, and its record as a witness.
        caller: open to the member port.
        manifest: of the release, its signature checked.
        place: of its entry, as the coordinator says.

    Raises:
        ReleaseNotWitnessedError: too few members cosigned a log with this entry so far.
        ReleaseRefusedError: there is no such entry.
        WitnessConflictError: the coordinator's log contradicts itself; evidence is kept.
        CoopRefusedError, CoopUnreachableError: the coordinator said no or nothing.
    """
    watched = CoordinatorLog(home, log, caller)
    with log.exchanging:
        shown = watched.look()
    if not 0 < place < shown.checkpoint.size:
        raise _waits(manifest, "its entry is not in the coordinator's log yet")
    _refuse_absent(caller, manifest, shown, place)
    vouching, needed = _vouching(home, watched, shown, place), load_charter(home).rounds.cohort_floor
    if vouching < needed:
        raise _waits(
            manifest,
            f"{needed - vouching} more of the shops that count here have to confirm seeing it",
        )


def _refuse_absent(caller: CoopCaller, manifest: Manifest, shown: ShownLog, place: int) -> None:
    """Return only when the entry at a place publishes this very release, and is in the log that was shown."""
    wanted = coop_pb2.EntriesRequest(first=place, count=1)
    entries = caller.call(lambda stub, timeout: stub.GetEntries(wanted, timeout=timeout)).entries
    asked = coop_pb2.InclusionProofRequest(index=place, size=shown.checkpoint.size)
    proof = caller.call(lambda stub, timeout: stub.GetInclusionProof(asked, timeout=timeout)).hashes
    try:
        if len(entries) != 1 or not _publishes(LogEntry.from_document(entries[0]), manifest):
            raise _refused(manifest, "the entry of the coordinator's log that should publish it does not")
        verify_inclusion(
            leaf_hash(entries[0]),
            index=place,
            size=shown.checkpoint.size,
            proof=tuple(proof[: PROOF_LIMIT + 1]),
            root=shown.checkpoint.root,
        )
    except (LogEntryError, MerkleProofError) as error:
        raise _refused(manifest, "it is not in the coordinator's log") from error


def _publishes(entry: LogEntry, manifest: Manifest) -> bool:
    body = entry.draft.body
    return entry.draft.kind is EntryKind.RELEASE and (
        body["step"],
        body["number"],
        body["manifest_sha256"],
        body.get("model_sha256"),
        body.get("programme_id"),
    ) == ("published", manifest.number, manifest.sha256(), manifest.model_sha256, manifest.programme_id)


def _vouching(home: StoreHome, watched: CoordinatorLog, shown: ShownLog, place: int) -> int:
    """Return how many members vouch for the entry at a place: this store, and others that count here."""
    membership = load_membership(home)
    witnesses = {
        member.member_id: witness_key(
            store_origin(membership.coop_id, member.member_id), member.signing_public_key
        )
        for member in counted_members(home)
        if member.member_id != membership.member_id
    }
    sizes = cosigned_sizes(shown.cosigned, watched.key, witnesses)
    return sum(size > place for size in (shown.checkpoint.size, *sizes.values()))


def _waits(manifest: Manifest, why: str) -> ReleaseNotWitnessedError:
    return ReleaseNotWitnessedError(
        f"Release {manifest.number} waits: {why}. The one in use stays.",
        next_step="It is taken by itself once other shops' computers are on. Who counts here, and with whom "
        "to compare codes: `highstreet store members`.",
    )


def _refused(manifest: Manifest, reason: str) -> ReleaseRefusedError:
    return ReleaseRefusedError(
        f"Release {manifest.number} was refused: {reason}. Nothing was changed.",
        next_step="The one in use stays. Tell the coordinator, and the other members.",
    )
