"""A withdrawal: a member's signed word that a vouch it gave does not count any more, for good."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.canonical import canonical_json
from highstreet.audit.errors import SignatureMismatchError
from highstreet.audit.roster import Edge, Member, Roster
from highstreet.audit.signing import SignatureKind, sign, verify
from highstreet.audit.vouches import Vouch, verified_edges

__all__ = [
    "Withdrawal",
    "is_withdrawal",
    "sign_withdrawal",
    "standing_edges",
    "verified_withdrawals",
    "withdrawal_statement",
]

_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A withdrawal as it travels. What it says follows from the roster, as for a vouch.

    Attributes:
        voucher_id, subject_id: members' ids, of the vouch that is taken back.
        signature: Ed25519 by the voucher over `withdrawal_statement`, 64 bytes.
    """

    voucher_id: str
    subject_id: str
    signature: bytes


def withdrawal_statement(coop_id: str, voucher_id: str, subject: Member) -> bytes:
    """Return what is signed: co-op, voucher, and the subject's whole entry, name and both keys."""
    return canonical_json(
        {
            "format_version": _FORMAT_VERSION,
            "coop_id": coop_id,
            "voucher_id": voucher_id,
            "subject": subject.to_dict(),
        }
    )


def sign_withdrawal(coop_id: str, voucher_id: str, subject: Member, key: Ed25519PrivateKey) -> Withdrawal:
    """Take back every vouch for this entry of a member, given before or after."""
    statement = withdrawal_statement(coop_id, voucher_id, subject)
    return Withdrawal(
        voucher_id=voucher_id,
        subject_id=subject.member_id,
        signature=sign(SignatureKind.WITHDRAWAL, statement, key),
    )


def is_withdrawal(roster: Roster, withdrawal: Withdrawal) -> bool:
    """Say whether it is by one member of this roster about another, exactly as the roster names them."""
    voucher, subject = roster.member(withdrawal.voucher_id), roster.member(withdrawal.subject_id)
    if voucher is None or subject is None or voucher == subject:
        return False
    statement = withdrawal_statement(roster.coop_id, voucher.member_id, subject)
    try:
        verify(SignatureKind.WITHDRAWAL, statement, withdrawal.signature, voucher.signing_public_key)
    except SignatureMismatchError:
        return False
    return True


def verified_withdrawals(roster: Roster, withdrawals: Iterable[Withdrawal]) -> frozenset[Edge]:
    """Return the withdrawals that are valid on a roster, as (voucher, subject); all others are left out."""
    return frozenset(
        (each.voucher_id, each.subject_id) for each in withdrawals if is_withdrawal(roster, each)
    )


def standing_edges(
    roster: Roster, vouches: Iterable[Vouch], withdrawals: Iterable[Withdrawal]
) -> frozenset[Edge]:
    """Return the vouches that hold on a roster and were not taken back, as (voucher, subject).

    A withdrawal wins over every vouch of its pair, whichever came first: both sets only grow, so the result
    depends on neither order nor repetition, and an old vouch played back brings nothing back.
    """
    return verified_edges(roster, vouches) - verified_withdrawals(roster, withdrawals)
