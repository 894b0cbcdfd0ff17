"""A made-up store's attestation with its opening: a consent log of a few customers, and who was used."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from random import Random
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.attestation import (
    Attestation,
    AttestedKind,
    AttestedRound,
    AttestedUse,
    ConsentBasis,
    sign_attestation,
)
from highstreet.audit.attestation_papers import AttestationOpening, CohortEntry, LogEntryOpening
from highstreet.audit.canonical import canonical_json
from highstreet.audit.cohort_commitment import PLACES, CohortTree, customer_leaf
from highstreet.audit.consent import Act, Channel, ConsentEvent, Method, Purpose
from highstreet.audit.consent_leaf import consent_leaf
from highstreet.audit.consent_states import ConsentTime
from highstreet.audit.consent_tree import consent_root

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
DAY = 86_400_000_000
LEARNING = Purpose.COOP_LEARNING
POLICY: dict[str, object] = {"limits": {"max_epsilon": 3.0}, "consent": {"valid_days": 0}}
ABOUT = AttestedRound(
    kind=AttestedKind.TRAINING,
    coop_id="0" * 32,
    member_id="a" * 16,
    programme_id="b" * 16,
    round=2,
    request_sha256=b"r" * 32,
    model_sha256=b"m" * 32,
    cohort_floor=3,
    contribution_sha256=b"c" * 32,
)


def salt(name: str) -> bytes:
    """A salt that is another for each name."""
    return hashlib.sha256(name.encode()).digest()


def places(count: int, seed: int = 5) -> list[int]:
    """Different places of leaves, as if drawn."""
    return Random(seed).sample(range(PLACES), count)  # noqa: S311 - places in a test


def event(number: int, customer: int, act: Act, at: int, purpose: Purpose = LEARNING) -> ConsentEvent:
    """What a customer said, about everywhere."""
    return ConsentEvent(
        event_id=f"{number:032x}",
        customer=customer,
        purpose=purpose,
        channel=Channel.EVERYWHERE,
        act=act,
        at=at,
        method=Method.FORM,
        source="till",
    )


def entries_of(events: Sequence[ConsentEvent | None]) -> list[LogEntryOpening]:
    """The log's entries; None for one that was emptied."""
    found = []
    for number, each in enumerate(events):
        own = salt(f"entry {number}")
        leaf = salt(f"gone {number}") if each is None else consent_leaf(each, own)
        found.append(LogEntryOpening(leaf=leaf, event=each, salt=None if each is None else own))
    return found


def opening_of(
    events: Sequence[ConsentEvent | None],
    used: Sequence[tuple[int, frozenset[Purpose]]],
    *,
    now: int = 100 * DAY,
    longest_validity: int | None = None,
    tolerance: int = 0,
    erased: int = 0,
    about: AttestedRound = ABOUT,
    policy: Mapping[str, object] = MappingProxyType(POLICY),
    epsilon: float = 0.5,
) -> AttestationOpening:
    """What a store attests that used these customers, right or wrong."""
    entries = entries_of(events)
    basis = ConsentBasis(
        position=len(entries),
        root=consent_root(each.leaf for each in entries),
        changes=0,
        time=ConsentTime(now=now, tolerance=tolerance, longest_validity=longest_validity),
    )
    leaves = {customer_leaf(salt(f"customer {c}"), c, purposes): (c, purposes) for c, purposes in used}
    others = [salt(f"erased {number}") for number in range(erased)]
    tree = CohortTree.placed(salt("pad"), [*leaves, *others], places(len(leaves) + erased))
    use = AttestedUse(
        cohort=tree.root,
        consent=basis.commitment(salt("consent")),
        policy_sha256=hashlib.sha256(canonical_json(dict(policy))).digest(),
        epsilon=epsilon,
        delta=1e-5,
    )
    cohort = [
        CohortEntry(
            slot=slot,
            customer=leaves[leaf][0],
            purposes=leaves[leaf][1],
            salt=salt(f"customer {leaves[leaf][0]}"),
        )
        for slot, leaf in sorted(tree.leaves.items())
        if leaf in leaves
    ]
    return AttestationOpening(
        signed=sign_attestation(Attestation(round=about, use=use), KEY),
        public_key=PUBLIC,
        basis=basis,
        consent_salt=salt("consent"),
        policy=dict(policy),
        pad_key=tree.pad_key,
        cohort=tuple(cohort),
        erased={slot: leaf for slot, leaf in tree.leaves.items() if leaf in others},
        entries=tuple(entries),
    )
