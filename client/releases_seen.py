"""What was accepted of each co-op: the newest release and every training; no leaving makes a store forget."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from highstreet.client.errors import ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.membership import Membership
from highstreet.files import read_limited, write_private

__all__ = ["SeenRelease", "last_seen", "note_seen"]

#: More trainings of one co-op than a store would see in a lifetime; more are refused, never forgotten.
_MOST_PROGRAMMES = 8192
_LIMIT_BYTES = 16 << 20
_HASH = re.compile(r"[0-9a-f]{64}")
_PROGRAMME = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRelease:
    """The newest release accepted, and the trainings of all of them.

    Attributes:
        number: of it; 0 for none yet.
        sha256: of its manifest in hex.
        programmes: ids of the trainings that releases accepted were of, sorted.
    """

    number: int = 0
    sha256: str = "0" * 64
    programmes: tuple[str, ...] = ()


def last_seen(home: StoreHome, membership: Membership) -> SeenRelease:
    """Return the newest release ever accepted of this co-op, under this membership or an earlier one.

    Raises:
        ReleaseRefusedError: what was written down cannot be read; then no release can be judged.
    """
    return _seen(home).get(_coop(membership), SeenRelease())


def note_seen(
    home: StoreHome, membership: Membership, *, number: int, sha256: str, programme_id: str
) -> None:
    """Write down that a release is about to be used; durable when it returns.

    Raises:
        ReleaseRefusedError: what was written down cannot be read, or holds all the trainings it can.
    """
    before = last_seen(home, membership)
    programmes = tuple(sorted({*before.programmes, programme_id}))
    if len(programmes) > _MOST_PROGRAMMES:
        raise ReleaseRefusedError(
            f"This store has seen {_MOST_PROGRAMMES} trainings of its co-op and can tell no more apart.",
            next_step="The release in use stays. Tell the coordinator; no co-op trains so often.",
        )
    newest = SeenRelease(number=number, sha256=sha256, programmes=programmes)
    seen = {**_seen(home), _coop(membership): newest}
    plain = {coop: asdict(each) for coop, each in seen.items()}
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
        seen = {str(coop): _release(**entry) for coop, entry in plain.items()}
        if not all(_is_sound(release) for release in seen.values()):
            raise ValueError("an entry")
    except (ValueError, TypeError, AttributeError) as error:
        raise ReleaseRefusedError(
            f"{path} is damaged: it is not known which releases this store has seen. Nothing was changed.",
            next_step="Restore it from a backup. The release in use stays.",
        ) from error
    return seen


def _is_sound(release: SeenRelease) -> bool:
    return (
        type(release.number) is int
        and release.number >= 0
        and bool(_HASH.fullmatch(release.sha256))
        and all(_PROGRAMME.fullmatch(each) for each in release.programmes)
    )


def _release(*, number: int = 0, sha256: str = "0" * 64, programmes: Sequence[str] = ()) -> SeenRelease:
    """Read one entry; those written by earlier versions have no trainings."""
    if isinstance(programmes, str):
        raise TypeError("trainings")
    return SeenRelease(number=number, sha256=sha256, programmes=tuple(programmes))
