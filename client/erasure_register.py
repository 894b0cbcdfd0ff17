"""The erasure register: who must not come back from a backup or an old export, as digests, for a while.

An erasure is worth nothing if the next file imported, or last week's copy of the vault, brings the person
back. So what is kept is a keyed digest of the shop's own number for them, outside the vault, until no
backup from before the erasure is left (`[rights] backup_days` in store.toml). Then the entry is removed,
and with the last entry the key. With the key at hand numbers can be tried out, so an entry is personal data
still: it is kept to keep the erasure, and used for nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from highstreet.client.errors import ErasureRegisterError
from highstreet.files import read_limited, remove_leftovers, write_private

__all__ = ["Erased", "ErasureRegister", "erasure_register_file", "note_erasure", "read_register"]

_LIMIT_BYTES = 256 << 20
_KEY_BYTES = 32
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """One erasure of one person or more.

    Attributes:
        erasure_id: random, as in the vault's journal of requests.
        at, until: unix seconds; from `until` on the entry is removed.
        digests: of the customers' numbers.
    """

    erasure_id: str
    at: int
    until: int
    digests: frozenset[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRegister:
    """The erasures that are remembered at this moment.

    Attributes:
        key: of the digests; empty without erasures.
        erasures: in the order they were made.
    """

    key: bytes = field(default=b"", repr=False)
    erasures: tuple[Erased, ...] = ()

    def digest(self, customer_id: str) -> bytes:
        """Return what a customer's number is remembered by."""
        return _digest(self.key, customer_id)

    def erased_at(self, customer_id: str) -> int | None:
        """Return when somebody of that number was erased last, unix seconds; None: not as far as is known."""
        if not self.erasures:
            return None
        wanted = self.digest(customer_id)
        return max((each.at for each in self.erasures if wanted in each.digests), default=None)

    def times(self) -> Mapping[bytes, int]:
        """Return when each digest was erased last."""
        found: dict[bytes, int] = {}
        for each in self.erasures:
            for one in each.digests:
                found[one] = max(each.at, found.get(one, each.at))
        return found


def erasure_register_file(root: Path) -> Path:
    """Return where a store's register lies: beside the vault, and not in it."""
    return root / "erasures.json"


def read_register(root: Path) -> ErasureRegister:
    """Return the register of a store's folder; an empty one where nobody was erased.

    Raises:
        ErasureRegisterError: it is damaged.
    """
    path = erasure_register_file(root)
    if not path.exists():
        return ErasureRegister()
    data = read_limited(path, limit_bytes=_LIMIT_BYTES)
    try:
        return _from_json(data)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path) from error


def note_erasure(
    root: Path, customer_ids: Collection[str], *, erasure_id: str, now: int, keep_seconds: int
) -> None:
    """Remember an erasure, durably, and forget those whose time is over. The same one again changes nothing.

    The caller holds the import's lock.

    Args:
        root: the store's folder.
        customer_ids: the shop's own numbers of those erased; none, to forget only.
        erasure_id: of this one.
        now: unix seconds.
        keep_seconds: for how long a backup from before may be around; 0: remember nothing.

    Raises:
        ErasureRegisterError: it is damaged.
        FileAccessError: it cannot be written; nobody may be erased then.
    """
    remove_leftovers(root, erasure_register_file(root).name)
    register = read_register(root)
    kept = [each for each in register.erasures if each.until > now]
    key = register.key if kept else secrets.token_bytes(_KEY_BYTES)
    is_known = any(each.erasure_id == erasure_id for each in kept)
    if customer_ids and keep_seconds > 0 and not is_known:
        digests = frozenset(_digest(key, customer_id) for customer_id in customer_ids)
        kept.append(Erased(erasure_id=erasure_id, at=now, until=now + keep_seconds, digests=digests))
    if tuple(kept) == register.erasures:
        return
    path = erasure_register_file(root)
    if kept:
        write_private(path, _to_json(ErasureRegister(key=key, erasures=tuple(kept))))
    else:
        path.unlink(missing_ok=True)


def _digest(key: bytes, customer_id: str) -> bytes:
    return hmac.digest(key, b"highstreet erased\x00" + customer_id.encode(), hashlib.sha256)


def _to_json(register: ErasureRegister) -> bytes:
    plain = {
        "version": _VERSION,
        "key": register.key.hex(),
        "erasures": [
            {
                "erasure_id": each.erasure_id,
                "at": each.at,
                "until": each.until,
                "digests": sorted(one.hex() for one in each.digests),
            }
            for each in register.erasures
        ],
    }
    return json.dumps(plain).encode()


def _from_json(data: bytes) -> ErasureRegister:
    plain = json.loads(data)
    if (
        not isinstance(plain, dict)
        or plain.keys() != {"version", "key", "erasures"}
        or plain["version"] != _VERSION
    ):
        raise ValueError("other fields, or another version")
    key = bytes.fromhex(plain["key"])
    erasures = tuple(
        Erased(
            erasure_id=str(each["erasure_id"]),
            at=int(each["at"]),
            until=int(each["until"]),
            digests=frozenset(bytes.fromhex(one) for one in each["digests"]),
        )
        for each in plain["erasures"]
    )
    if len(key) != _KEY_BYTES or any(len(one) != _KEY_BYTES for each in erasures for one in each.digests):
        raise ValueError("a key or a digest of another length")
    return ErasureRegister(key=key, erasures=erasures)


def _damaged(path: Path) -> ErasureRegisterError:
    return ErasureRegisterError(
        f"{path} is damaged: who was erased and must not come back is not known.",
        next_step="Put it back from a copy, or remove it and erase again whoever asked for it lately: their "
        "certificates are in the folder `rights`.",
    )
