"""Fetching a release: the newest that the coordinator offers, once the co-op's log shows it to everybody."""

from __future__ import annotations

from collections.abc import Iterable

from highstreet.client.coop_calls import CoopCaller, document_from_wire
from highstreet.client.home import StoreHome
from highstreet.client.release_inclusion import refuse_unwitnessed
from highstreet.client.releases import Release, accept_release, offered_manifest
from highstreet.client.store_log import StoreLog
from highstreet.protos import coop_pb2

__all__ = ["fetch_release"]


def fetch_release(
    home: StoreHome, log: StoreLog, caller: CoopCaller, *, max_state_bytes: int
) -> Release | None:
    """Fetch the newest release, check it, and put it in use; None when there is nothing newer.

    Args:
        home: of the store.
        log: the store's, and its record as a witness of the coordinator's.
        caller: open to the member port.
        max_state_bytes: most that this store takes.

    Raises:
        ReleaseNotWitnessedError: too few members' stores have cosigned the log that it is in; asked again
            when they have, it is taken.
        ReleaseRefusedError: it failed a check; the one in use stays.
        WitnessConflictError: the coordinator's log contradicts itself.
        CoopRefusedError, CoopUnreachableError: the coordinator said no or nothing.
        FileAccessError: the disk is full; the one in use stays.
    """
    asked = coop_pb2.LatestReleaseRequest()
    latest = caller.call(lambda stub, timeout: stub.LatestRelease(asked, timeout=timeout))
    if not latest.number:
        return None
    signed = document_from_wire(latest.manifest)
    manifest = offered_manifest(home, signed, number=latest.number, max_state_bytes=max_state_bytes)
    if manifest is None:
        return None
    refuse_unwitnessed(home, log, caller, manifest, place=latest.log_index)
    wanted = coop_pb2.DownloadReleaseRequest(number=manifest.number)
    model = caller.call(
        lambda stub, timeout: _collect(
            stub.DownloadRelease(wanted, timeout=timeout * 10), limit_bytes=manifest.model_bytes
        )
    )
    before = document_from_wire(latest.previous) if latest.HasField("previous") else None
    return accept_release(home, signed, model, max_state_bytes=max_state_bytes, before=before)


def _collect(chunks: Iterable[coop_pb2.ReleaseChunk], *, limit_bytes: int) -> bytes:
    """Join the pieces; stop as soon as they are more than announced."""
    collected = bytearray()
    for chunk in chunks:
        collected += chunk.data
        if len(collected) > limit_bytes:
            break
    return bytes(collected)
