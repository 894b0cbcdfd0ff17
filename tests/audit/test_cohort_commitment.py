"""The cohort's commitment: who is in it can be shown, how many are cannot be told."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.cohort_commitment import (
    DEPTH,
    MAX_CUSTOMERS,
    CohortTree,
    customer_leaf,
    verify_membership,
)
from highstreet.audit.consent import Purpose
from highstreet.audit.errors import AttestationError
from tests.audit.made_up_attestation import places

KEY = bytes(range(32))
LEARNING = frozenset({Purpose.COOP_LEARNING})


def _leaf(customer: int) -> bytes:
    return customer_leaf(hashlib.sha256(b"%d" % customer).digest(), customer, LEARNING)


def _tree(customers: int, seed: int = 1) -> CohortTree:
    return CohortTree.placed(KEY, [_leaf(each) for each in range(customers)], places(customers, seed))


@settings(max_examples=30, deadline=None)
@given(customers=st.integers(0, 40), seed=st.integers(0, 2**32))
def test_every_leaf_has_a_proof_and_all_proofs_and_roots_have_one_size(customers: int, seed: int) -> None:
    tree = _tree(customers, seed)
    assert len(tree.root) == 32
    assert sorted(tree.leaves.values()) == sorted(_leaf(each) for each in range(customers))
    for slot, leaf in tree.leaves.items():
        proof = tree.proof(slot)
        assert len(proof) == DEPTH
        verify_membership(leaf, slot=slot, proof=proof, root=tree.root)


def test_the_root_is_that_of_a_tree_computed_from_its_definition() -> None:
    """An independent second way: recursion over the whole tree, padding where no leaf is below."""
    import hmac

    tree = _tree(5)

    def node(level: int, index: int) -> bytes:
        below = [slot for slot in tree.leaves if slot >> level == index]
        if not below:
            place = bytes([level]) + index.to_bytes(4, "big")
            return hmac.new(KEY, b"highstreet/cohort-padding/v1\x00" + place, "sha256").digest()
        if level == 0:
            return tree.leaves[index]
        return hashlib.sha256(b"\x01" + node(level - 1, 2 * index) + node(level - 1, 2 * index + 1)).digest()

    assert node(DEPTH, 0) == tree.root


def test_a_proof_shows_nothing_else() -> None:
    tree = _tree(3)
    slot = min(tree.leaves)
    leaf, proof = tree.leaves[slot], tree.proof(slot)
    flipped = (bytes([proof[7][0] ^ 1]) + proof[7][1:],)
    wrong = [
        (_leaf(99), slot, proof, tree.root),
        (leaf, slot ^ 1, proof, tree.root),
        (leaf, slot, proof[:7] + flipped + proof[8:], tree.root),
        (leaf, slot, proof[:-1], tree.root),
        (leaf, slot, (*proof, proof[0]), tree.root),
        (leaf, slot, proof, _tree(3, seed=2).root),
        (leaf, -1, proof, tree.root),
        (leaf, 1 << DEPTH, proof, tree.root),
        (leaf[:-1], slot, proof, tree.root),
    ]
    for found, place, path, root in wrong:
        with pytest.raises(AttestationError):
            verify_membership(found, slot=place, proof=path, root=root)


def test_the_leaf_hangs_on_salt_customer_and_purposes() -> None:
    salt = bytes(32)
    leaves = {
        customer_leaf(salt, 1, LEARNING),
        customer_leaf(bytes([1] * 32), 1, LEARNING),
        customer_leaf(salt, 2, LEARNING),
        customer_leaf(salt, 1, LEARNING | {Purpose.MATCHING}),
    }
    assert len(leaves) == 4
    with pytest.raises(ValueError, match="32 bytes"):
        customer_leaf(b"short", 1, LEARNING)


def test_one_customer_less_is_another_root_under_one_key_and_a_fresh_key_hides_whether() -> None:
    tree = _tree(3)
    slot = max(tree.leaves)
    without = CohortTree(KEY, {place: leaf for place, leaf in tree.leaves.items() if place != slot})
    assert without.root != tree.root
    again = CohortTree(hashlib.sha256(KEY).digest(), tree.leaves)
    assert again.root != tree.root  # the very same people: the root changes all the same


def test_what_is_no_cohort_is_refused() -> None:
    with pytest.raises(AttestationError):
        CohortTree(b"short", {})
    with pytest.raises(AttestationError):
        CohortTree(KEY, {1 << DEPTH: bytes(32)})
    with pytest.raises(AttestationError):
        CohortTree(KEY, {0: b"short"})
    with pytest.raises(AttestationError):
        CohortTree(KEY, dict.fromkeys(range(MAX_CUSTOMERS + 1), bytes(32)))
    for wrong in ([1], [1, 1], [1, 2, 3]):
        with pytest.raises(AttestationError):
            CohortTree.placed(KEY, [bytes(32), bytes(32)], wrong)
    with pytest.raises(AttestationError):
        CohortTree.placed(KEY, [bytes(32)], [-1])
    with pytest.raises(AttestationError):
        _tree(1).proof(next(slot for slot in range(9) if slot not in _tree(1).leaves))
