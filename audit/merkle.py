"""The Merkle tree of RFC 9162: its head, and proofs that an entry is in it and that it only grew.

Source: RFC 9162, section 2.1. A leaf is hashed after a byte 0x00, a node after a byte 0x01, so that neither
passes for the other. The verifying functions see hashes alone: a proof says nothing of the bytes of entries
that somebody else keeps. Whoever keeps entries hashes them anew (`audit.verifier`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence

from highstreet.audit.errors import MerkleProofError

__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "MerkleTree",
    "leaf_hash",
    "node_hash",
    "root_of",
    "verify_consistency",
    "verify_inclusion",
]

HASH_BYTES = 32
#: The head of a tree of nothing.
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 of 0x00 and the entry's bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256 of 0x01, its left hash and its right hash."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the head of the tree over these leaf hashes, in their order.

    >>> root_of([]) == EMPTY_ROOT
    True
    >>> root_of([leaf_hash(b"a"), leaf_hash(b"b")]) == node_hash(leaf_hash(b"a"), leaf_hash(b"b"))
    True
    """
    return MerkleTree(leaves).root()


class MerkleTree:
    """A tree that grows by a leaf at a time; heads and proofs of every size it ever had.

    Every complete subtree's hash is kept, 64 bytes a leaf in all: a leaf is added with one hash on average
    and at most log2(n), a head or a proof of any size takes at most log2(n) squared.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[bytearray] = [bytearray()]
        for leaf in leaves:
            self.append(leaf)

    def __len__(self) -> int:
        return len(self._levels[0]) // HASH_BYTES

    def append(self, leaf: bytes) -> None:
        """Add a leaf's hash.

        Raises:
            ValueError: it is not 32 bytes.
        """
        if len(leaf) != HASH_BYTES:
            raise ValueError("a leaf's hash has 32 bytes")
        level, carried = 0, leaf
        while True:
            row = self._levels[level]
            row += carried
            if len(row) // HASH_BYTES % 2:
                return
            carried = node_hash(bytes(row[-2 * HASH_BYTES : -HASH_BYTES]), bytes(row[-HASH_BYTES:]))
            level += 1
            if level == len(self._levels):
                self._levels.append(bytearray())

    def leaf(self, index: int) -> bytes:
        """Return a leaf's hash.

        Raises:
            IndexError: there is no such leaf.
        """
        if not 0 <= index < len(self):
            raise IndexError("there is no such leaf")
        return self._node(0, index)

    def root(self, size: int | None = None) -> bytes:
        """Return the head of the first leaves, of all by default (RFC 9162, 2.1.1).

        Raises:
            IndexError: the tree never had that size.
        """
        return self._range(0, self._sized(size))

    def root_with(self, more: Sequence[bytes]) -> bytes:
        """Return the head the tree would have with these leaves behind its own; the tree stays as it is.

        Raises:
            ValueError: a leaf's hash is not 32 bytes.
        """
        if any(len(leaf) != HASH_BYTES for leaf in more):
            raise ValueError("a leaf's hash has 32 bytes")
        peaks = [
            (1 << level, self._node(level, len(row) // HASH_BYTES - 1))
            for level, row in reversed(list(enumerate(self._levels)))
            if len(row) // HASH_BYTES % 2
        ]
        for leaf in more:
            count, carried = 1, leaf
            while peaks and peaks[-1][0] == count:
                carried = node_hash(peaks.pop()[1], carried)
                count *= 2
            peaks.append((count, carried))
        if not peaks:
            return EMPTY_ROOT
        root = peaks.pop()[1]
        for _, peak in reversed(peaks):
            root = node_hash(peak, root)
        return root

    def inclusion_proof(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Return the hashes that show a leaf to be in the tree of that size (RFC 9162, 2.1.3.1).

        Raises:
            IndexError: the tree never had that size, or there is no such leaf in it.
        """
        end = self._sized(size)
        if not 0 <= index < end:
            raise IndexError("there is no such leaf in a tree of that size")
        return tuple(self._path(index, 0, end))

    def consistency_proof(self, first: int, size: int | None = None) -> tuple[bytes, ...]:
        """Return the hashes that show the tree of the first size to have grown to the other (2.1.4.1).

        Nothing is needed, and the proof is empty, where the first size is 0 or the same.

        Raises:
            IndexError: the tree never had one of the sizes, or the first is the larger.
        """
        end = self._sized(size)
        if not 0 <= first <= end:
            raise IndexError("a tree does not grow to a smaller size")
        if first in {0, end}:
            return ()
        return tuple(self._subproof(first, 0, end, is_whole=True))

    def _sized(self, size: int | None) -> int:
        if size is None:
            return len(self)
        if not 0 <= size <= len(self):
            raise IndexError("the tree never had that size")
        return size

    def _node(self, level: int, index: int) -> bytes:
        return bytes(self._levels[level][index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def _range(self, start: int, end: int) -> bytes:
        """The head over leaves start..end, where start is a multiple of the power of two that covers them."""
        count = end - start
        if count == 0:
            return EMPTY_ROOT
        if count & (count - 1) == 0:
            level = count.bit_length() - 1
            return self._node(level, start >> level)
        split = start + _split(count)
        return node_hash(self._range(start, split), self._range(split, end))

    def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        split = start + _split(end - start)
        if index < split:
            return [*self._path(index, start, split), self._range(split, end)]
        return [*self._path(index, split, end), self._range(start, split)]

    def _subproof(self, first: int, start: int, end: int, *, is_whole: bool) -> list[bytes]:
        if first == end:
            return [] if is_whole else [self._range(start, end)]
        split = start + _split(end - start)
        if first <= split:
            return [*self._subproof(first, start, split, is_whole=is_whole), self._range(split, end)]
        return [*self._subproof(first, split, end, is_whole=False), self._range(start, split)]


def verify_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return only when the leaf's hash stands at this place in the tree with that head.

    Raises:
        MerkleProofError: anything else; a proof of another length included.

    Source: RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size or not _are_hashes([leaf, root, *proof]):
        raise MerkleProofError("The place of an entry or its proof is not one a tree of that size has.")
    number, last, result = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise MerkleProofError("A proof that an entry is in the log is too long.")
        if number & 1 or number == last:
            result = node_hash(step, result)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            result = node_hash(result, step)
        number, last = number >> 1, last >> 1
    if last or not hmac.compare_digest(result, root):
        raise MerkleProofError("A proof does not show the entry to be in the log.")


def verify_consistency(
    *, first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return only when the tree of the first size is the beginning of the second.

    An empty tree is the beginning of every tree; its proof is empty. A tree is the beginning of itself.

    Raises:
        MerkleProofError: anything else; a smaller second size and a proof of another length included.

    Source: RFC 9162, section 2.1.4.2.
    """
    if not 0 <= first <= second or not _are_hashes([first_root, second_root, *proof]):
        raise MerkleProofError("The log was shown at a size smaller than before, or its proof is malformed.")
    if first in {0, second}:
        expected = EMPTY_ROOT if first == 0 else second_root
        if proof or not hmac.compare_digest(first_root, expected):
            raise MerkleProofError("Two heads for one size of the log differ.")
        return
    if not proof:
        raise MerkleProofError("The proof that the log only grew is empty.")
    old, new = _fold_consistency(first, second, first_root, proof)
    if not (hmac.compare_digest(old, first_root) and hmac.compare_digest(new, second_root)):
        raise MerkleProofError("The log as it is shown now does not begin with what was shown before.")


def _fold_consistency(
    first: int, second: int, first_root: bytes, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    path = list(proof) if first & (first - 1) else [first_root, *proof]
    number, last = first - 1, second - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            raise MerkleProofError("The proof that the log only grew is too long.")
        if number & 1 or number == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new = node_hash(new, step)
        number, last = number >> 1, last >> 1
    if last:
        raise MerkleProofError("The proof that the log only grew is too short.")
    return old, new


def _split(count: int) -> int:
    """The largest power of two below a count of at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _are_hashes(values: Iterable[bytes]) -> bool:
    return all(isinstance(value, bytes) and len(value) == HASH_BYTES for value in values)
