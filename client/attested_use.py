"""Attested use: what a store commits to in a round's attestation, made when the round is computed.

A customer's salt in a round comes from the pseudonym that the vault alone has (`client.pseudonyms`). So what
is kept of a round holds leaves and no customers, and an erasure, which destroys the pseudonym, closes every
leaf of the person for good.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from highstreet.audit.attestation import AttestedUse, ConsentBasis
from highstreet.audit.canonical import canonical_json
from highstreet.audit.cohort_commitment import PAD_KEY_BYTES, PLACES, CohortTree, customer_leaf
from highstreet.audit.commitments import SALT_BYTES
from highstreet.client.consent_in_use import ConsentInUse

__all__ = ["CommittedRound", "commit_to_round", "customer_salt"]

_SALT_PREFIX = b"highstreet/attestation-salt/v1\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedRound:
    """What opens an attestation, but for the customers' salts; it never leaves the store by itself.

    Attributes:
        programme_id, round, request_sha256: which.
        use: what is signed.
        basis, consent_salt: open the commitment to the consent log.
        policy: what its hash was taken of.
        tree: over the customers used.
    """

    programme_id: str
    round: int
    request_sha256: bytes
    use: AttestedUse = field(repr=False)
    basis: ConsentBasis = field(repr=False)
    consent_salt: bytes = field(repr=False)
    policy: Mapping[str, object] = field(repr=False)
    tree: CohortTree = field(repr=False)


def customer_salt(pseudonym: bytes, request_sha256: bytes) -> bytes:
    """Return the salt of a customer's leaf in a round; it tells nothing of the pseudonym or other rounds."""
    return hmac.digest(pseudonym, _SALT_PREFIX + request_sha256, hashlib.sha256)


def commit_to_round(
    consent: ConsentInUse,
    names: Mapping[int, str],
    *,
    programme_id: str,
    round_number: int,
    request_sha256: bytes,
    policy: Mapping[str, object],
    epsilon: float,
    delta: float,
) -> CommittedRound:
    """Commit to whose data a round used and under which consent log, with fresh secrets.

    Args:
        consent: what the round was computed under.
        names: pseudonyms in hexadecimal digits, of all of its customers at least.
        programme_id: of the request.
        round_number: of the request.
        request_sha256: names the request.
        policy: of the store, now.
        epsilon: of the programme so far, for whoever took part in all of it.
        delta: that goes with it.

    Raises:
        AttestationError: more customers than a tree has room for.
    """
    leaves = [
        customer_leaf(
            customer_salt(bytes.fromhex(names[customer]), request_sha256),
            customer,
            consent.purposes(customer),
        )
        for customer in sorted(consent.customers)
    ]
    places = secrets.SystemRandom().sample(range(PLACES), len(leaves))
    tree = CohortTree.placed(os.urandom(PAD_KEY_BYTES), leaves, places)
    salt = os.urandom(SALT_BYTES)
    return CommittedRound(
        programme_id=programme_id,
        round=round_number,
        request_sha256=request_sha256,
        use=AttestedUse(
            cohort=tree.root,
            consent=consent.basis.commitment(salt),
            policy_sha256=hashlib.sha256(canonical_json(dict(policy))).digest(),
            epsilon=epsilon,
            delta=delta,
        ),
        basis=consent.basis,
        consent_salt=salt,
        policy=policy,
        tree=tree,
    )
