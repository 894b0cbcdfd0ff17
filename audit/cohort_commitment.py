"""Cohort commitment: one hash over whose data a round used, of which neither it nor its proofs tell how many.

A Merkle tree of fixed depth. Every customer used has one salted leaf at a place drawn at random; everywhere
else stands padding from a key, which nobody without that key can tell from leaves and nodes. So a root and a
proof look the same for a cohort of nobody and of a million. Who has the key and all leaves computes the whole
tree anew: there is no room in it for a leaf that was not shown.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from highstreet.audit.canonical import canonical_json
from highstreet.audit.commitments import commit
from highstreet.audit.consent import Purpose
from highstreet.audit.errors import AttestationError
from highstreet.audit.merkle import leaf_hash, node_hash

__all__ = [
    "DEPTH",
    "MAX_CUSTOMERS",
    "PAD_KEY_BYTES",
    "PLACES",
    "CohortTree",
    "customer_leaf",
    "verify_membership",
]

#: Levels between a leaf and the root.
DEPTH = 24
PLACES = 1 << DEPTH
#: A quarter of the places: a proof says nothing of how full a tree is.
MAX_CUSTOMERS = PLACES // 4
PAD_KEY_BYTES = 32
_HASH_BYTES = 32
_LEAF_DOMAIN = "highstreet/attested-customer/v1"
_PADDING = b"highstreet/cohort-padding/v1\x00"


def customer_leaf(salt: bytes, customer: int, purposes: Iterable[Purpose]) -> bytes:
    """Return the leaf of a customer in one round's cohort.

    Guarantee: who does not hold the salt learns nothing of the customer, whose row key is a small number.

    Args:
        salt: 32 bytes, of this customer in this round alone.
        customer: opaque row key.
        purposes: all that the customer's data was used for.

    Raises:
        ValueError: the salt is not of 32 bytes.
    """
    value = canonical_json({"customer": customer, "purposes": sorted(each.value for each in purposes)})
    return leaf_hash(commit(salt, value, domain=_LEAF_DOMAIN))


class CohortTree:
    """The tree over the leaves of one round.

    Args:
        pad_key: 32 bytes, of this round alone; secret but for auditors.
        leaves: by place, 0 to 2^DEPTH - 1.

    Raises:
        AttestationError: too many leaves, a place that is none, or a leaf or key that is none.
    """

    def __init__(self, pad_key: bytes, leaves: Mapping[int, bytes]) -> None:
        if len(pad_key) != PAD_KEY_BYTES or len(leaves) > MAX_CUSTOMERS:
            raise AttestationError(f"A cohort has a key and at most {MAX_CUSTOMERS} customers.")
        if any(not 0 <= slot < 1 << DEPTH or len(leaf) != _HASH_BYTES for slot, leaf in leaves.items()):
            raise AttestationError("A leaf of a cohort is none, or stands where no leaf can.")
        self.pad_key = pad_key
        self.leaves = dict(leaves)

    @classmethod
    def placed(cls, pad_key: bytes, leaves: Iterable[bytes], places: Iterable[int]) -> CohortTree:
        """Put leaves at places.

        Args:
            pad_key: fresh, from the operating system.
            leaves: in any order.
            places: as many, all different, drawn by the operating system: so no place tells of a customer.

        Raises:
            AttestationError: as when made; or there are not as many different places as leaves.
        """
        found, slots = sorted(leaves), list(places)
        if len(set(slots)) != len(found) or len(slots) != len(found):
            raise AttestationError("Every leaf of a cohort stands at a place of its own.")
        return cls(pad_key, dict(zip(slots, found, strict=True)))

    @property
    def root(self) -> bytes:
        """The 32 bytes that stand for the cohort."""
        return self._node(DEPTH, 0)

    def proof(self, slot: int) -> tuple[bytes, ...]:
        """Return what shows the leaf at a place to be under the root: always DEPTH hashes, leaf's side first.

        Raises:
            AttestationError: no leaf stands there.
        """
        if slot not in self.leaves:
            raise AttestationError("No customer's leaf stands at that place.")
        return tuple(self._node(level, (slot >> level) ^ 1) for level in range(DEPTH))

    @cached_property
    def _levels(self) -> list[dict[int, bytes]]:
        """The nodes over leaves, level by level; all others are padding."""
        levels = [self.leaves]
        for level in range(DEPTH):
            above: dict[int, bytes] = {}
            for index in levels[-1]:
                if index >> 1 not in above:
                    left = index & ~1
                    above[index >> 1] = node_hash(
                        self._found(levels[-1], level, left), self._found(levels[-1], level, left | 1)
                    )
            levels.append(above)
        return levels

    def _node(self, level: int, index: int) -> bytes:
        return self._found(self._levels[level], level, index)

    def _found(self, nodes: Mapping[int, bytes], level: int, index: int) -> bytes:
        node = nodes.get(index)
        return self._padding(level, index) if node is None else node

    def _padding(self, level: int, index: int) -> bytes:
        place = bytes([level]) + index.to_bytes(4, "big")
        return hmac.digest(self.pad_key, _PADDING + place, hashlib.sha256)


def verify_membership(leaf: bytes, *, slot: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return only when the leaf stands at that place under that root.

    Raises:
        AttestationError: anything else, a proof of another length included.
    """
    hashes = (leaf, root, *proof)
    if not 0 <= slot < 1 << DEPTH or len(proof) != DEPTH or any(len(each) != _HASH_BYTES for each in hashes):
        raise AttestationError("A proof that a customer is in a cohort is malformed.")
    node = leaf
    for level, sibling in enumerate(proof):
        is_right = slot >> level & 1
        node = node_hash(sibling, node) if is_right else node_hash(node, sibling)
    if not hmac.compare_digest(node, root):
        raise AttestationError("The proof does not show the customer to be in the round's cohort.")
