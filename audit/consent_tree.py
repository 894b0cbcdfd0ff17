"""The tree over the consent log's leaves, kept as its frontier: what is needed to add a leaf, no more."""

from __future__ import annotations

from collections.abc import Iterable

from highstreet.audit.merkle import EMPTY_ROOT, node_hash, root_of

__all__ = ["ConsentTree", "consent_root"]


class ConsentTree:
    """The Merkle tree hash of RFC 9162, section 2.1.1, over leaves that come one after the other."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add the hash of a leaf."""
        size, node = self.size, leaf
        while size & 1:
            node = node_hash(self._subtrees.pop(), node)
            size >>= 1
        self._subtrees.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root; of no leaves the hash of nothing."""
        if not self._subtrees:
            return EMPTY_ROOT
        root = self._subtrees[-1]
        for node in reversed(self._subtrees[:-1]):
            root = node_hash(node, root)
        return root


def consent_root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaves."""
    return root_of(leaves)
