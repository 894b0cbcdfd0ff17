"""The tree of RFC 9162: known heads, proofs against a rebuilt tree and against another library."""

from __future__ import annotations

import hashlib

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.errors import MerkleProofError
from highstreet.audit.merkle import (
    EMPTY_ROOT,
    MerkleTree,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

#: Entries and heads of Certificate Transparency's published test data (google/certificate-transparency,
#: merkletree tests), used by most implementations of RFC 6962 and 9162.
CT_ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_HEADS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def _leaves(count: int) -> list[bytes]:
    return [leaf_hash(b"entry %d" % number) for number in range(count)]


def _plain_root(leaves: list[bytes]) -> bytes:
    """The definition of section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + _plain_root(leaves[:k]) + _plain_root(leaves[k:])).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_heads_are_those_of_certificate_transparencys_test_data(size: int) -> None:
    assert root_of(map(leaf_hash, CT_ENTRIES[:size])).hex() == CT_HEADS[size - 1]


def test_the_head_of_nothing_is_the_hash_of_nothing() -> None:
    assert MerkleTree().root() == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_a_leaf_never_passes_for_a_node() -> None:
    left, right = _leaves(2)
    assert leaf_hash(left + right) != node_hash(left, right)


@pytest.mark.parametrize("size", range(34))
def test_every_head_of_a_growing_tree_is_the_definitions(size: int) -> None:
    leaves = _leaves(33)
    assert MerkleTree(leaves).root(size) == _plain_root(leaves[:size])


@pytest.mark.parametrize("size", range(20))
def test_the_head_with_more_leaves_is_that_of_the_grown_tree(size: int) -> None:
    leaves = _leaves(40)
    tree = MerkleTree(leaves[:size])
    for more in range(21):
        assert tree.root_with(leaves[size : size + more]) == root_of(leaves[: size + more])
    assert len(tree) == size


@pytest.mark.parametrize("size", range(1, 18))
def test_every_leaf_of_every_size_is_proved_and_no_other_leaf_or_place(size: int) -> None:
    leaves = _leaves(size)
    tree = MerkleTree(leaves)
    for index, leaf in enumerate(leaves):
        proof = tree.inclusion_proof(index)
        verify_inclusion(leaf, index=index, size=size, proof=proof, root=tree.root())
        for wrong in {*range(-1, size + 1)} - {index}:
            with pytest.raises(MerkleProofError):
                verify_inclusion(leaf, index=wrong, size=size, proof=proof, root=tree.root())
        with pytest.raises(MerkleProofError):
            verify_inclusion(leaf_hash(b"x"), index=index, size=size, proof=proof, root=tree.root())
        for other in (proof[:-1], (*proof, EMPTY_ROOT)):
            if other != proof:
                with pytest.raises(MerkleProofError):
                    verify_inclusion(leaf, index=index, size=size, proof=other, root=tree.root())


@pytest.mark.parametrize("second", range(18))
def test_every_earlier_size_is_proved_to_be_the_beginning(second: int) -> None:
    tree = MerkleTree(_leaves(second))
    for first in range(second + 1):
        proof = tree.consistency_proof(first)
        roots = {"first_root": tree.root(first), "second_root": tree.root()}
        verify_consistency(first=first, second=second, proof=proof, **roots)
        changed = [proof[:-1], (*proof, EMPTY_ROOT), *_with_a_bit_turned(proof)]
        for wrong in (each for each in changed if each != proof):
            with pytest.raises(MerkleProofError):
                verify_consistency(first=first, second=second, proof=wrong, **roots)


def _with_a_bit_turned(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    return [
        (*proof[:place], bytes([step[0] ^ 1]) + step[1:], *proof[place + 1 :])
        for place, step in enumerate(proof)
    ]


@given(st.integers(0, 80), st.integers(0, 80), st.integers(0, 200))
def test_a_tree_changed_anywhere_in_its_beginning_is_never_proved_to_have_grown(
    first: int, more: int, place: int
) -> None:
    leaves = _leaves(first + more)
    other = list(leaves)
    if first == 0:
        return
    other[place % first] = leaf_hash(b"another")
    honest, forged = MerkleTree(leaves), MerkleTree(other)
    with pytest.raises(MerkleProofError):
        verify_consistency(
            first=first,
            first_root=honest.root(first),
            second=len(other),
            second_root=forged.root(),
            proof=forged.consistency_proof(first),
        )


def test_a_smaller_tree_never_follows_a_larger_one() -> None:
    tree = MerkleTree(_leaves(9))
    with pytest.raises(MerkleProofError):
        verify_consistency(first=9, first_root=tree.root(), second=8, second_root=tree.root(8), proof=())


@pytest.mark.parametrize("bad", [b"", bytes(31), bytes(33)])
def test_what_is_no_hash_is_refused(bad: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MerkleTree([bad])
    with pytest.raises(MerkleProofError):
        verify_inclusion(bad, index=0, size=1, proof=(), root=bad)


@pytest.mark.parametrize("size", [-1, 4])
def test_a_size_the_tree_never_had_has_no_head(size: int) -> None:
    tree = MerkleTree(_leaves(3))
    with pytest.raises(IndexError):
        tree.root(size)
    with pytest.raises(IndexError):
        tree.inclusion_proof(0, size)
    with pytest.raises(IndexError):
        tree.consistency_proof(1, size)
    with pytest.raises(IndexError):
        tree.consistency_proof(4)
    with pytest.raises(IndexError):
        tree.leaf(3)


class _Other:
    """The same entries in pymerkle."""

    def __init__(self, entries: list[bytes]) -> None:
        self.tree = pymerkle.InmemoryTree(algorithm="sha256")
        for entry in entries:
            self.tree.append_entry(entry)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 33, 100])
def test_heads_and_leaves_are_pymerkles(size: int) -> None:
    entries = [b"entry %d" % number for number in range(size)]
    other, own = _Other(entries), MerkleTree(map(leaf_hash, entries))
    for part in range(1, size + 1):
        assert other.tree.get_root(part) == own.root(part)
    assert other.tree.get_leaf(size) == own.leaf(size - 1)


def test_pymerkles_proof_of_growth_does_not_see_an_entry_whose_bytes_were_changed() -> None:
    """The reason why our verifier hashes entries anew: hashes that are kept prove themselves, not entries."""
    other = _Other([b"entry %d" % number for number in range(8)])
    before = other.tree.get_root(5)
    other.tree.leaves[2].data = b"forged!"
    after = other.tree.get_root(8)
    pymerkle.verify_consistency(before, after, other.tree.prove_consistency(5, 8))
    forged = [b"entry %d" % number for number in range(8)]
    forged[2] = b"forged!"
    assert root_of(map(leaf_hash, forged)) != after
