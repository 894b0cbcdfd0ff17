"""Person counts: at how many shops each customer shops, as one matching told, and the weights that follow."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from highstreet.client.errors import PersonCountsError
from highstreet.client.locking import held
from highstreet.files import read_limited, remove_leftovers, write_private
from highstreet.privacy.matching import Counts
from highstreet.privacy.matching.limits import HASH_BYTES, MAX_IDENTIFIERS
from highstreet.privacy.secure_sum.limits import MAX_MEMBERS

__all__ = ["KeptCounts", "PersonCounts"]

_VERSION = 2
_FIELDS = {"version", "table_request_sha256", "vault_id", "consent_position", "salt", "shops"}
_MAX_KEY_DIGITS = 19
_SALT_BYTES = 32
_DIGEST_BYTES = 16
_LIMIT_BYTES = 128 * MAX_IDENTIFIERS


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCounts:
    """What is kept of the latest matching.

    Attributes:
        table_request_sha256: hash of the request of its table's secure sum.
        vault_id: of the vault whose row keys customers are named by.
        shops: customer -> k; None when nothing of that sum may be used. Personal data.
        consent_position: the last entry of the consent log that was known when the store's list was drawn:
            a withdrawal behind it takes the count.
        salt: random, for `digests`; it lies in this file alone.
        digests: customer -> what the count was read for: `identifier_input` under the salt. Personal data.
    """

    table_request_sha256: bytes
    vault_id: str
    shops: Mapping[str, int] | None = field(repr=False)
    consent_position: int = 0
    salt: bytes = field(default=bytes(_SALT_BYTES), repr=False)
    digests: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def is_usable(self) -> bool:
        """Whether any customer can have a weight under it."""
        return self.shops is not None

    def held_by(self, present: Mapping[str, Collection[bytes]]) -> dict[str, int]:
        """Return the counts of customers who have, at this moment, the identifier that theirs was read for.

        A row key alone says nothing: in a vault put back from an older copy it is given to somebody else, and
        an identifier can be corrected or taken away.

        Args:
            present: customer -> `identifier_input` of each identifier, of those who agree at this moment.
        """
        return {
            customer: k
            for customer, k in (self.shops or {}).items()
            if any(
                hmac.compare_digest(self.digests[customer], _digest(self.salt, message))
                for message in present.get(customer, ())
            )
        }


class PersonCounts:
    """The counts of the latest matching, in a private file; counts of earlier ones are not kept.

    A customer weighs something only when this file says so, for this very vault, under the very request that
    a round names, and for the identifier that the customer has at that moment. What cannot be read gives no
    weights at all.

    Args:
        path: of the file; nothing is made until counts are saved.
        vault_id: of the vault that is in use: in one made anew the same row keys are other people.
    """

    def __init__(self, path: Path, *, vault_id: str) -> None:
        self._path = path
        self._vault_id = vault_id

    def save(
        self,
        table_request_sha256: bytes,
        counts: Counts,
        read_for: Mapping[str, bytes],
        *,
        consent_position: int,
    ) -> None:
        """Keep what was read from a sum, durably, in place of an earlier matching's.

        The same counts again change nothing, and bring back nobody who was forgotten.

        Args:
            table_request_sha256: of the sum.
            counts: by customer.
            read_for: customer -> `identifier_input` that went into the list, of at least all who are counted.
            consent_position: see `KeptCounts`.

        Raises:
            PersonCountsError: other counts of this sum are kept, or nothing of it may be used; or the file
                is damaged.
            FileAccessError: it cannot be written; what was kept stays.
        """
        if not counts.shops.keys() <= read_for.keys():
            raise _odd()
        salt = secrets.token_bytes(_SALT_BYTES)
        self._keep(
            KeptCounts(
                table_request_sha256=table_request_sha256,
                vault_id=self._vault_id,
                shops=dict(counts.shops),
                consent_position=consent_position,
                salt=salt,
                digests={customer: _digest(salt, read_for[customer]) for customer in counts.shops},
            )
        )

    def refuse(self, table_request_sha256: bytes) -> None:
        """Keep, durably and for good, that nothing of a sum may be used: its receipts were missing.

        Raises:
            PersonCountsError: counts of this sum are kept already; or the file is damaged.
            FileAccessError: it cannot be written; what was kept stays.
        """
        self._keep(KeptCounts(table_request_sha256=table_request_sha256, vault_id=self._vault_id, shops=None))

    def latest(self) -> KeptCounts | None:
        """Return what is kept for this vault, None before its first matching.

        Raises:
            PersonCountsError: the file is damaged; nobody has a weight then.
        """
        if not self._path.exists():
            return None
        data = read_limited(self._path, limit_bytes=_LIMIT_BYTES)
        try:
            kept = _from_json(data)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise PersonCountsError(
                f"{self._path} is damaged; no customer counts in training for the person unit.",
                next_step="Remove it and wait for the next matching.",
            ) from error
        return kept if kept.vault_id == self._vault_id else None

    def weights(
        self,
        table_request_sha256: bytes,
        customer_ids: Sequence[str],
        present: Mapping[str, Collection[bytes]],
        *,
        most_shops: int,
    ) -> NDArray[np.float64]:
        """Return 1/k for each customer, 0 for whoever has no count from that very sum, or too large a one.

        Nor has anybody a weight whose count was read for another identifier: see `KeptCounts.held_by`.

        Guarantee: k stores that each give a person this weight give at most 1 + 2^-53 together: 1/k is the
        float nearest to it (IEEE 754 division), so too large by at most 2^-53 of itself. They are at most
        `most_shops` stores: who shops in more weighs nothing in any of them, as each of the stores rounds,
        and the noise pays for the rounding of so many.

        Args:
            table_request_sha256: what the round names.
            customer_ids: row keys in decimal digits.
            present: see `KeptCounts.held_by`.
            most_shops: the charter's `shops_per_person`.

        Returns:
            Shape (customers,), float64, in [0, 1].

        Raises:
            PersonCountsError: the file is damaged.
        """
        kept = self.latest()
        shops: Mapping[str, int] = {}
        if kept is not None and kept.table_request_sha256 == table_request_sha256:
            shops = kept.held_by(present)
        counts = np.array([shops.get(customer, 0) for customer in customer_ids], dtype=np.float64)
        counting = (counts > 0) & (counts <= most_shops)
        return np.divide(1.0, counts, out=np.zeros(len(counts)), where=counting)

    def forget(self, customers: Collection[str]) -> None:
        """Take customers out, durably: they withdrew, and weigh nothing until the next matching.

        Raises:
            PersonCountsError: the file is damaged.
            FileAccessError: it cannot be written.
        """
        if not self._path.exists():
            return
        with self._held():
            kept = self.latest()
            if kept is None or kept.shops is None or kept.shops.keys().isdisjoint(customers):
                return
            left = {customer: k for customer, k in kept.shops.items() if customer not in customers}
            digests = {customer: kept.digests[customer] for customer in left}
            self._write(replace(kept, shops=left, digests=digests))

    def erase(self, customers: Collection[str]) -> None:
        """Take customers out as `forget` does, and whatever a killed process left half written.

        A file that cannot be read, or is of another vault, is removed: nobody has a weight by it, and nobody
        can say who is in it.

        Raises:
            FileAccessError: it cannot be written.
        """
        with self._held():
            try:
                kept = self.latest()
            except PersonCountsError:
                kept = None
            if kept is None:
                self._path.unlink(missing_ok=True)
        self.forget(customers)

    def _keep(self, new: KeptCounts) -> None:
        if not _is_sound(new):
            raise _odd()
        with self._held():
            kept = self.latest()
            if kept is not None and kept.table_request_sha256 == new.table_request_sha256:
                if not _agree(kept.shops, new.shops):
                    raise PersonCountsError(
                        "Something else was read from the same sum of a matching before; that stays.",
                        next_step="Wait for the next matching; tell the other members if it happens again.",
                    )
                return
            self._write(new)

    def _write(self, kept: KeptCounts) -> None:
        plain = {
            "version": _VERSION,
            "table_request_sha256": kept.table_request_sha256.hex(),
            "vault_id": kept.vault_id,
            "consent_position": kept.consent_position,
            "salt": kept.salt.hex(),
            "shops": None
            if kept.shops is None
            else {customer: [k, kept.digests[customer].hex()] for customer, k in kept.shops.items()},
        }
        write_private(self._path, json.dumps(plain).encode())

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Let nobody else write, and clear away what a killed process left half written: it is personal."""
        with held(self._path.with_name(self._path.name + ".lock")):
            remove_leftovers(self._path.parent, self._path.name)
            yield


def _agree(kept: Mapping[str, int] | None, new: Mapping[str, int] | None) -> bool:
    """Say whether what is kept could be what is new, less customers who were forgotten since."""
    if kept is None or new is None:
        return kept is new
    return kept.items() <= new.items()


def _from_json(data: bytes) -> KeptCounts:
    plain = json.loads(data, object_pairs_hook=_without_repeats)
    if not isinstance(plain, dict) or plain.keys() != _FIELDS or plain["version"] != _VERSION:
        raise ValueError("other fields, or another version")
    shops = plain["shops"]
    if not isinstance(plain["vault_id"], str) or not isinstance(shops, dict | None):
        raise ValueError("another form")
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in (shops or {}).values()):
        raise ValueError("another form")
    kept = KeptCounts(
        table_request_sha256=bytes.fromhex(plain["table_request_sha256"]),
        vault_id=plain["vault_id"],
        shops=None if shops is None else {customer: k for customer, (k, _) in shops.items()},
        consent_position=plain["consent_position"],
        salt=bytes.fromhex(plain["salt"]),
        digests={customer: bytes.fromhex(digest) for customer, (_, digest) in (shops or {}).items()},
    )
    if not _is_sound(kept):
        raise ValueError("counts that no matching gives")
    return kept


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse an object that says two things of one name; the later would win silently."""
    plain = dict(pairs)
    if len(plain) != len(pairs):
        raise ValueError("a name twice")
    return plain


def _is_sound(kept: KeptCounts) -> bool:
    shops = kept.shops or {}
    return (
        len(kept.table_request_sha256) == HASH_BYTES
        and type(kept.consent_position) is int
        and kept.consent_position >= 0
        and len(kept.salt) == _SALT_BYTES
        and kept.digests.keys() == shops.keys()
        and all(len(digest) == _DIGEST_BYTES for digest in kept.digests.values())
        and len(shops) <= MAX_IDENTIFIERS
        and all(_is_row_key(customer) for customer in shops)
        and all(type(k) is int and 1 <= k <= MAX_MEMBERS for k in shops.values())
    )


def _digest(salt: bytes, message: bytes) -> bytes:
    """Return 16 bytes that fit one identifier; without the file nobody can try which."""
    return hashlib.blake2b(message, key=salt, digest_size=_DIGEST_BYTES, person=b"highstreet count").digest()


def _odd() -> PersonCountsError:
    return PersonCountsError("Counts were given that no matching gives; nothing was kept.")


def _is_row_key(customer: str) -> bool:
    return customer.isascii() and customer.isdigit() and len(customer) <= _MAX_KEY_DIGITS
