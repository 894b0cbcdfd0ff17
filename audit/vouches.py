"""A vouch: one member's signed word that it has compared keys with another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.canonical import canonical_json
from highstreet.audit.errors import SignatureMismatchError
from highstreet.audit.roster import Edge, Member, Roster, is_member_id
from highstreet.audit.signing import SignatureKind, sign, verify

__all__ = [
    "REPLACED_LIMIT",
    "Replacement",
    "Vouch",
    "holds",
    "sign_vouch",
    "verified_edges",
    "verified_replacements",
    "vouch_statement",
]

_FORMAT_VERSION = 1
#: Most former ids that one vouch may name.
REPLACED_LIMIT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouch:
    """A vouch as it travels. What it says follows from the roster: another entry makes it invalid.

    Attributes:
        voucher_id, subject_id: members' ids.
        signature: Ed25519 by the voucher over `vouch_statement`, 64 bytes.
        replaces: ids under which, as the voucher's owner says, the same shop was a member before; ascending.
            They are signed with the rest, so this word can be withheld only together with the vouch.
    """

    voucher_id: str
    subject_id: str
    signature: bytes
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Replacement:
    """One member's word that another is a shop that was a member before, under an id that is no longer its.

    Attributes:
        voucher_id: who says so.
        newcomer_id: the shop's id now.
        former_id: its id before.
    """

    voucher_id: str
    newcomer_id: str
    former_id: str


def vouch_statement(coop_id: str, voucher_id: str, subject: Member, replaces: Sequence[str] = ()) -> bytes:
    """Return what is signed: co-op, voucher, the subject's whole entry, and the ids it replaces, if any."""
    statement: dict[str, object] = {
        "format_version": _FORMAT_VERSION,
        "coop_id": coop_id,
        "voucher_id": voucher_id,
        "subject": subject.to_dict(),
    }
    if replaces:
        statement["replaces"] = list(replaces)
    return canonical_json(statement)


def sign_vouch(
    coop_id: str, voucher_id: str, subject: Member, key: Ed25519PrivateKey, replaces: Iterable[str] = ()
) -> Vouch:
    """Vouch for a member; the same entry and former ids always give the same bytes."""
    former = tuple(sorted(set(replaces)))
    return Vouch(
        voucher_id=voucher_id,
        subject_id=subject.member_id,
        signature=sign(SignatureKind.VOUCH, vouch_statement(coop_id, voucher_id, subject, former), key),
        replaces=former,
    )


def holds(roster: Roster, vouch: Vouch) -> bool:
    """Say whether a vouch is by one member of this roster for another, exactly as the roster names them.

    The ids it replaces need not be on the roster: who is replaced has mostly left it.
    """
    voucher, subject = roster.member(vouch.voucher_id), roster.member(vouch.subject_id)
    if voucher is None or subject is None or voucher == subject or not _can_replace(vouch):
        return False
    statement = vouch_statement(roster.coop_id, voucher.member_id, subject, vouch.replaces)
    try:
        verify(SignatureKind.VOUCH, statement, vouch.signature, voucher.signing_public_key)
    except SignatureMismatchError:
        return False
    return True


def verified_edges(roster: Roster, vouches: Iterable[Vouch]) -> frozenset[Edge]:
    """Return the vouches that hold on a roster, as (voucher, subject); all others are left out."""
    return frozenset((vouch.voucher_id, vouch.subject_id) for vouch in vouches if holds(roster, vouch))


def verified_replacements(roster: Roster, vouches: Iterable[Vouch]) -> frozenset[Replacement]:
    """Return what the vouches that hold on a roster say of former ids, taken back since or not."""
    return frozenset(
        Replacement(vouch.voucher_id, vouch.subject_id, former)
        for vouch in vouches
        if vouch.replaces and holds(roster, vouch)
        for former in vouch.replaces
    )


def _can_replace(vouch: Vouch) -> bool:
    """Say whether the ids a vouch replaces are ids, ascending, few, and neither of its two members'."""
    former = vouch.replaces
    return (
        len(former) <= REPLACED_LIMIT
        and list(former) == sorted(set(former))
        and all(is_member_id(each) for each in former)
        and not {vouch.voucher_id, vouch.subject_id} & set(former)
    )
