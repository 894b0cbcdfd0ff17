"""What a store fetches of its co-op's releases, and what a coordinator may sign in their place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from witnesses import fetch_witnessed

from highstreet.audit.manifest import Manifest
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client.home import StoreHome
from highstreet.client.releases import Release
from highstreet.server.database import connect
from highstreet.server.releases import latest_manifest, release_file

LIMIT_BYTES = 1 << 20


def fetch_release(coop: Any, store: StoreHome, limit_bytes: int = LIMIT_BYTES) -> Release | None:
    return fetch_witnessed(coop, store, max_state_bytes=limit_bytes)


def published_by(coop: Any) -> tuple[SignedDocument, bytes]:
    connection = connect(coop.home.database)
    latest = latest_manifest(connection)
    connection.close()
    assert latest is not None
    return latest[1], release_file(coop.home, latest[0]).read_bytes()


def everything_in(store: StoreHome) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.releases.rglob("*") if path.is_file()}


def resigned(coop: Any, manifest: Manifest, **changes: Any) -> SignedDocument:
    changed = replace(manifest, **changes)
    return SignedDocument.create(SignatureKind.RELEASE, changed.to_dict(), coop.home.coordinator_key())
