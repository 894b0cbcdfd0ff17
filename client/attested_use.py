"""Attested use: what a store commits to in an attestation, made when the contribution is computed.

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
from highstreet.audit.consent import Purpose
from highstreet.client.attested_names import AttestedName

__all__ = ["CommittedRound", "commit_to_round", "customer_salt"]

_SALT_PREFIX = b"highstreet/attestation-salt/v1\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedRound:
    """What opens an attestation, but for the customers' salts; it never leaves the store by itself.

    Attributes:
        name, request_sha256: which.
        use: what is signed.
        basis, consent_salt: open the commitment to the consent log.
        policy: what its hash was taken of.
        tree: over the customers used.
    """

    name: AttestedName
    request_sha256: bytes
    use: AttestedUse = field(repr=False)
    basis: ConsentBasis = field(repr=False)
    consent_salt: bytes = field(repr=False)
    policy: Mapping[str, object] = field(repr=False)
    tree: CohortTree = field(repr=False)


def customer_salt(pseudonym: bytes, request_sha256: bytes) -> bytes:
    """Return the salt of a customer's leaf in a round; it tells nothing of the pseudonym or other rounds."""
    return hmac.digest(pseudonym, _SALT_PREFIX + request_sha256, hashlib.sha256)


def commit_to_round(  # each is a part of what is signed
    cohort: Mapping[int, frozenset[Purpose]],
    pseudonyms: Mapping[int, str],
    *,
    name: AttestedName,
    basis: ConsentBasis,
    request_sha256: bytes,
    policy: Mapping[str, object],
    epsilon: float,
    delta: float,
) -> CommittedRound:
    """Commit to whose data a round used and under which consent log, with fresh secrets.

    Args:
        cohort: row key of each customer used -> what for.
        pseudonyms: in hexadecimal digits, of all of its customers at least.
        name: of the contribution.
        basis: the consent log and the moment that they were judged by.
        request_sha256: names the request.
        policy: of the store, now.
        epsilon: of the programme so far, for whoever took part in all of it.
        delta: that goes with it.

    Raises:
        AttestationError: more customers than a tree has room for.
    """
    leaves = [
        customer_leaf(customer_salt(bytes.fromhex(pseudonyms[customer]), request_sha256), customer, purposes)
        for customer, purposes in sorted(cohort.items())
    ]
    places = secrets.SystemRandom().sample(range(PLACES), len(leaves))
    tree = CohortTree.placed(os.urandom(PAD_KEY_BYTES), leaves, places)
    salt = os.urandom(SALT_BYTES)
    return CommittedRound(
        name=name,
        request_sha256=request_sha256,
        use=AttestedUse(
            cohort=tree.root,
            consent=basis.commitment(salt),
            policy_sha256=hashlib.sha256(canonical_json(dict(policy))).digest(),
            epsilon=epsilon,
            delta=delta,
        ),
        basis=basis,
        consent_salt=salt,
        policy=policy,
        tree=tree,
    )
