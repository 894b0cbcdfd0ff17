"""The newest release accepted of each co-op; it stays when the store leaves, so that no rejoin forgets it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from highstreet.client.errors import ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.membership import Membership
from highstreet.files import read_limited, write_private

__all__ = ["SeenRelease", "last_seen", "note_seen"]

_LIMIT_BYTES = 1 << 20
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRelease:
    """A release's number, 0 for none yet, and its manifest's SHA-256 in hex."""

    number: int = 0
    sha256: str = "0" * 64


def last_seen(home: StoreHome, membership: Membership) -> SeenRelease:
    """Return the newest release ever accepted of this co-op, under this membership or an earlier one.

    Raises:
        ReleaseRefusedError: what was written down cannot be read; then no release can be judged.
    """
    return _seen(home).get(_coop(membership), SeenRelease())


def note_seen(home: StoreHome, membership: Membership, release: SeenRelease) -> None:
    """Write down that a release is about to be used; durable when it returns."""
    seen = {**_seen(home), _coop(membership): release}
    plain = {coop: {"number": each.number, "sha256": each.sha256} for coop, each in seen.items()}
    write_private(home.releases_seen, json.dumps(plain, sort_keys=True).encode())


def _coop(membership: Membership) -> str:
    """Name a co-op by its key too: anybody can make another one with the same id."""
    return f"{membership.coop_id}:{membership.coordinator_public_key}"


def _seen(home: StoreHome) -> dict[str, SeenRelease]:
    path = home.releases_seen
    if not path.exists():
        return {}
    try:
        plain = json.loads(read_limited(path, limit_bytes=_LIMIT_BYTES))
        seen = {str(coop): SeenRelease(**entry) for coop, entry in plain.items()}
        if not all(_is_sound(release) for release in seen.values()):
            raise ValueError("an entry")
    except (ValueError, TypeError, AttributeError) as error:
        raise ReleaseRefusedError(
            f"{path} is damaged: it is not known which releases this store has seen. Nothing was changed.",
            next_step="Restore it from a backup. The release in use stays.",
        ) from error
    return seen


def _is_sound(release: SeenRelease) -> bool:
    return type(release.number) is int and release.number >= 0 and bool(_HASH.fullmatch(release.sha256))
