"""A vouch: one member's signed word that it has compared keys with another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.canonical import canonical_json
from highstreet.audit.errors import SignatureMismatchError
from highstreet.audit.roster import Edge, Member, Roster
from highstreet.audit.signing import SignatureKind, sign, verify

__all__ = ["Vouch", "holds", "sign_vouch", "verified_edges", "vouch_statement"]

_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouch:
    """A vouch as it travels. What it says follows from the roster: another entry makes it invalid.

    Attributes:
        voucher_id, subject_id: members' ids.
        signature: Ed25519 by the voucher over `vouch_statement`, 64 bytes.
    """

    voucher_id: str
    subject_id: str
    signature: bytes


def vouch_statement(coop_id: str, voucher_id: str, subject: Member) -> bytes:
    """Return what is signed: co-op, voucher, and the subject's whole entry, name and both keys."""
    return canonical_json(
        {
            "format_version": _FORMAT_VERSION,
            "coop_id": coop_id,
            "voucher_id": voucher_id,
            "subject": subject.to_dict(),
        }
    )


def sign_vouch(coop_id: str, voucher_id: str, subject: Member, key: Ed25519PrivateKey) -> Vouch:
    """Vouch for a member; the same entry always gives the same bytes."""
    statement = vouch_statement(coop_id, voucher_id, subject)
    return Vouch(
        voucher_id=voucher_id,
        subject_id=subject.member_id,
        signature=sign(SignatureKind.VOUCH, statement, key),
    )


def holds(roster: Roster, vouch: Vouch) -> bool:
    """Say whether a vouch is by one member of this roster for another, exactly as the roster names them."""
    voucher, subject = roster.member(vouch.voucher_id), roster.member(vouch.subject_id)
    if voucher is None or subject is None or voucher == subject:
        return False
    statement = vouch_statement(roster.coop_id, voucher.member_id, subject)
    try:
        verify(SignatureKind.VOUCH, statement, vouch.signature, voucher.signing_public_key)
    except SignatureMismatchError:
        return False
    return True


def verified_edges(roster: Roster, vouches: Iterable[Vouch]) -> frozenset[Edge]:
    """Return the vouches that hold on a roster, as (voucher, subject); all others are left out."""
    return frozenset((vouch.voucher_id, vouch.subject_id) for vouch in vouches if holds(roster, vouch))
