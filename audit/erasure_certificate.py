"""The certificate of an erasure: what a shop signs after it, with what cannot be undone said in numbers.

It names nobody. The person is in it as a salted commitment to the shop's number for them; the salt is
handed to the person alone and kept nowhere, so that they can show that it is theirs and nobody else can
tell whose it is.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from highstreet.audit.canonical import read_canonical
from highstreet.audit.commitments import commit
from highstreet.audit.errors import UnreadableDocumentError
from highstreet.audit.signing import DOCUMENT_LIMIT_BYTES, SignatureKind, SignedDocument

__all__ = ["ErasureCertificate", "guess_bound", "person_commitment", "read_certificate"]

_FORMAT_VERSION = 2
_DOMAIN = "highstreet/erased-customer/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureCertificate:
    """What a shop says of one erasure.

    Attributes:
        certificate_id: random, 32 hex digits; names the erasure in the shop's journal.
        shop_public_key: raw Ed25519 in hex, of the key it is signed by.
        member_id, coop_id: of the shop in its co-op; empty where it is in none.
        erased_at: unix seconds.
        people: how many were erased: one, or all that a shop had.
        person: `person_commitment` in hex; empty where more than one was erased.
        removed: what kind of thing -> how many of it there were and are no more.
        rounds: sums with noise that left while the person could be in them, and cannot be called back.
        epsilon: what they tell of the person at most, all of them together, at delta; of several persons the
            largest.
        delta: always stated with epsilon.
        epsilon_is_least: there may have been more, and more rounds: the shop was once restored from a backup,
            and what it spent since that backup was made is not known.
        counted_epsilon: what the shop goes on counting for everybody in period_days; an erasure lowers it
            for nobody.
        period_days: of the budget.
        files_searched, bytes_searched, values_searched: every file of the store's folder was read through for
            what the person was known by, of at least eight bytes, and none held it.
        forgotten_until: unix seconds until which a keyed digest of the shop's number for the person is kept,
            so that a backup or an old export does not bring the person back; backups are gone then.
    """

    certificate_id: str
    shop_public_key: str
    member_id: str
    coop_id: str
    erased_at: int
    people: int
    person: str
    removed: dict[str, int]
    rounds: int
    epsilon: float
    delta: float
    epsilon_is_least: bool
    counted_epsilon: float
    period_days: int
    files_searched: int
    bytes_searched: int
    values_searched: int
    forgotten_until: int

    @property
    def right_guesses(self) -> float:
        """The most often anybody can be right who guesses, from all those sums, whether the person was in."""
        return guess_bound(self.epsilon, delta=self.delta)

    def to_dict(self) -> dict[str, object]:
        """Return plain values, to be signed."""
        return {
            "format_version": _FORMAT_VERSION,
            **asdict(self),
            "right_guesses": self.right_guesses,
        }


def guess_bound(epsilon: float, *, delta: float) -> float:
    """Return the largest share of right guesses of who wants to know whether one person was in the data.

    For a guesser who knows everything else and holds both for as likely beforehand: with an (epsilon, delta)
    guarantee for adding or removing the person, at most (e^epsilon + delta) / (1 + e^epsilon); by chance it
    is one half.

    Source: Kairouz, Oh and Viswanath 2015, arXiv:1311.0776, theorem 2.1 (the two lines of the region meet
    there); 1/2 + (TPR - FPR) / 2.

    >>> round(guess_bound(0.0, delta=0.0), 3), round(guess_bound(1.0, delta=1e-5), 3)
    (0.5, 0.731)
    """
    if not (epsilon >= 0 and 0 <= delta <= 1):
        raise ValueError("epsilon is at least 0, delta a probability")
    return min(1.0, 1 / (1 + math.exp(-epsilon)) + delta / (1 + math.exp(min(epsilon, 700.0))))


def person_commitment(salt: bytes, customer_id: str) -> str:
    """Return what a certificate names a person by, in hex.

    Raises:
        ValueError: a salt that is not 32 bytes long.
    """
    return commit(salt, customer_id.encode(), domain=_DOMAIN).hex()


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format_version: int = Field(ge=_FORMAT_VERSION, le=_FORMAT_VERSION)
    certificate_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    shop_public_key: str = Field(pattern=r"^[0-9a-f]{64}$")
    member_id: str = Field(pattern=r"^([0-9a-f]{16})?$")
    coop_id: str = Field(pattern=r"^([0-9a-f]{32})?$")
    erased_at: int = Field(ge=0)
    people: int = Field(ge=1)
    person: str = Field(pattern=r"^([0-9a-f]{64})?$")
    removed: dict[str, int]
    rounds: int = Field(ge=0)
    epsilon: float = Field(ge=0)
    delta: float = Field(gt=0, lt=1)
    epsilon_is_least: bool
    counted_epsilon: float = Field(ge=0)
    period_days: int = Field(ge=1)
    files_searched: int = Field(ge=0)
    bytes_searched: int = Field(ge=0)
    values_searched: int = Field(ge=0)
    forgotten_until: int = Field(ge=0)
    right_guesses: float = Field(ge=0, le=1)


def read_certificate(signed: SignedDocument) -> ErasureCertificate:
    """Return what a certificate says, after checking that the key it names signed it.

    Whether that key is the shop's is for the reader to say: it is on the co-op's roster, or was handed over.

    Raises:
        SignatureMismatchError: not signed by that key, or another kind of document.
        UnreadableDocumentError: not a certificate, or one that says two things of the same figure.
    """
    value = read_canonical(signed.document, limit_bytes=DOCUMENT_LIMIT_BYTES)
    try:
        plain = _Document.model_validate(value)
    except ValidationError as error:
        raise UnreadableDocumentError("The file is not a certificate of an erasure.") from error
    signed.verify(SignatureKind.ERASURE, bytes.fromhex(plain.shop_public_key))
    fields = plain.model_dump(exclude={"format_version", "right_guesses"})
    certificate = ErasureCertificate(**fields)
    if certificate.right_guesses != plain.right_guesses:
        raise UnreadableDocumentError("The certificate's figures contradict each other.")
    return certificate
