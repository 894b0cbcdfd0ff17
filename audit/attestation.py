"""Round attestation: what a store signs beside each contribution, of which nothing tells of a customer.

A contribution is what a training sums, and in a matching the blinded list and the table: all that leaves a
store and rests on customers. The attestation names the round, the model that came in and the contribution
that went out, binds the store's policy, says what the programme has cost so far, which is the same for every
customer, and commits to two things that only the store can open: the consent log that the round was computed
under, and the customers who were used. Both commitments are fresh in every round: that nobody's consent
changed between two rounds must not show either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from highstreet.audit.canonical import canonical_json, read_canonical
from highstreet.audit.commitments import commit
from highstreet.audit.consent import Purpose
from highstreet.audit.consent_states import ConsentTime
from highstreet.audit.errors import AttestationError, SignatureMismatchError, UnreadableDocumentError
from highstreet.audit.signing import SignatureKind, SignedDocument

__all__ = [
    "ATTESTATION_LIMIT_BYTES",
    "Attestation",
    "AttestedKind",
    "AttestedRound",
    "AttestedUse",
    "ConsentBasis",
    "open_attestation",
    "read_attestation",
    "sign_attestation",
]

#: No attestation is longer.
ATTESTATION_LIMIT_BYTES = 4096
_FORMAT_VERSION = 1
_CONSENT_DOMAIN = "highstreet/attested-consent/v1"


class AttestedKind(StrEnum):
    """What was contributed."""

    TRAINING = "training"
    MATCHING_LIST = "matching_list"
    MATCHING_TABLE = "matching_table"

    @property
    def purposes(self) -> frozenset[Purpose]:
        """What every customer behind it must have agreed to, whatever else they were used for."""
        if self is AttestedKind.TRAINING:
            return frozenset({Purpose.COOP_LEARNING})
        return frozenset({Purpose.COOP_LEARNING, Purpose.MATCHING})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentBasis:
    """The consent log that a round was computed under, and the moment consent was judged at. Secret.

    Attributes:
        position, root: of the consent log's last entry, and over all (RFC 9162).
        changes: how often something changed that does not show in the root.
        time: what states were derived for.
    """

    position: int
    root: bytes
    changes: int
    time: ConsentTime

    def commitment(self, salt: bytes) -> bytes:
        """Return the 32 bytes that stand for it in one round; the salt is of that round alone.

        Raises:
            ValueError: the salt is not of 32 bytes.
        """
        return commit(salt, canonical_json(self.to_dict()), domain=_CONSENT_DOMAIN)

    def to_dict(self) -> dict[str, object]:
        """Return the plain form."""
        return {
            "position": self.position,
            "root": self.root.hex(),
            "changes": self.changes,
            "now": self.time.now,
            "tolerance": self.time.tolerance,
            "longest_validity": self.time.longest_validity,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedRound:
    """Which round is attested; known to everybody who was asked, and checked against what they know.

    Attributes:
        kind: what was contributed.
        coop_id, member_id: which store.
        programme_id, round: as in the request; of a matching its id, and 0.
        request_sha256: names the request: the round's, or of a list the matching's.
        model_sha256: of the model state that came in; in a matching, which has none, of no bytes.
        cohort_floor: fewest stores whose sum is used; the only count there is.
        contribution_sha256: of what was signed of the contribution: its header, which names every box in it,
            or the blinded list.
    """

    kind: AttestedKind
    coop_id: str
    member_id: str
    programme_id: str
    round: int
    request_sha256: bytes
    model_sha256: bytes
    cohort_floor: int
    contribution_sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedUse:
    """What a store says of its own side of a round.

    Attributes:
        cohort: root of the tree over the customers used (`cohort_commitment`).
        consent: commitment to the `ConsentBasis`.
        policy_sha256: of the store's limits, rules of consent and special products.
        epsilon, delta: privacy loss of a customer of this store who takes part in everything of the
            programme that this store has paid for so far; neighbours by adding or removing the customer. Of a
            matching: 0, and how often one person changes what others read (`matchings.influence_of`).
    """

    cohort: bytes
    consent: bytes
    policy_sha256: bytes
    epsilon: float
    delta: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """One store's word about one round."""

    round: AttestedRound
    use: AttestedUse

    def to_dict(self) -> dict[str, object]:
        """Return the plain form, which is signed in its one spelling."""
        plain = asdict(self.round) | asdict(self.use)
        hashes = {name: value.hex() for name, value in plain.items() if isinstance(value, bytes)}
        return {"format_version": _FORMAT_VERSION, **plain, **hashes}


def sign_attestation(attestation: Attestation, key: Ed25519PrivateKey) -> SignedDocument:
    """Sign an attestation with the store's key."""
    return SignedDocument.create(SignatureKind.ATTESTATION, attestation.to_dict(), key)


def read_attestation(document: bytes) -> Attestation:
    """Read an attestation in its one spelling; who signed it is not looked at.

    Raises:
        AttestationError: it is none.
    """
    try:
        plain = read_canonical(document, limit_bytes=ATTESTATION_LIMIT_BYTES)
        values = _Form.model_validate(plain).model_dump()
    except (UnreadableDocumentError, ValidationError) as error:
        raise AttestationError("An attestation cannot be read.") from error
    for name in _HASHES:
        values[name] = bytes.fromhex(values[name])
    values["kind"] = AttestedKind(values["kind"])
    return Attestation(
        round=AttestedRound(**{each.name: values[each.name] for each in fields(AttestedRound)}),
        use=AttestedUse(**{each.name: values[each.name] for each in fields(AttestedUse)}),
    )


def open_attestation(signed: SignedDocument, *, public_key: bytes, about: AttestedRound) -> Attestation:
    """Return the attestation when that key signed it and it is about exactly this round and contribution.

    Args:
        signed: as it came.
        public_key: raw Ed25519, of the member of the roster.
        about: what must be attested.

    Raises:
        AttestationError: anything else.
    """
    try:
        signed.verify(SignatureKind.ATTESTATION, public_key)
    except SignatureMismatchError as error:
        raise AttestationError("An attestation is not signed by its store.") from error
    found = read_attestation(signed.document)
    if found.round != about:
        raise AttestationError(f"An attestation is about another {_difference(found.round, about)}.")
    return found


def _difference(one: AttestedRound, other: AttestedRound) -> str:
    names: Mapping[str, object] = asdict(one)
    return next(name for name, value in asdict(other).items() if names[name] != value)


_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]
_HASHES = ("request_sha256", "model_sha256", "contribution_sha256", "cohort", "consent", "policy_sha256")


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    format_version: Annotated[int, Field(ge=_FORMAT_VERSION, le=_FORMAT_VERSION)]
    kind: Literal["training", "matching_list", "matching_table"]
    coop_id: _Id
    member_id: _Id
    programme_id: _Id
    round: Annotated[int, Field(ge=0, lt=2**31)]
    request_sha256: _Hash
    model_sha256: _Hash
    cohort_floor: Annotated[int, Field(ge=1, lt=2**31)]
    contribution_sha256: _Hash
    cohort: _Hash
    consent: _Hash
    policy_sha256: _Hash
    epsilon: Annotated[float, Field(ge=0)]
    delta: Annotated[float, Field(ge=0, lt=1)]
