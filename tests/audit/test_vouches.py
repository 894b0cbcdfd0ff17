"""A vouch says exactly one thing of exactly one entry."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.roster import Member, Roster
from highstreet.audit.signing import SignatureKind, sign
from highstreet.audit.vouches import (
    Replacement,
    Vouch,
    holds,
    sign_vouch,
    verified_edges,
    verified_replacements,
    vouch_statement,
)

COOP = "ab" * 16
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32) for number in range(3)]
A, B, C = (
    Member(
        member_id=f"{number:016x}",
        name=name,
        signing_public_key=key.public_key().public_bytes_raw(),
        encryption_public_key=bytes([number + 7]) * 32,
    )
    for number, (name, key) in enumerate(zip("ABC", KEYS, strict=True))
)
ROSTER = Roster(coop_id=COOP, number=3, members=(A, B, C))
VOUCH = sign_vouch(COOP, A.member_id, B, KEYS[0])


def test_a_vouch_holds_on_the_roster_it_was_given_for_and_is_the_same_each_time() -> None:
    assert holds(ROSTER, VOUCH)
    assert verified_edges(ROSTER, [VOUCH]) == {(A.member_id, B.member_id)}
    assert sign_vouch(COOP, A.member_id, B, KEYS[0]) == VOUCH


@pytest.mark.parametrize(
    "subject",
    [
        replace(B, name="Bea"),
        replace(B, signing_public_key=bytes(32)),
        replace(B, encryption_public_key=bytes(32)),
    ],
    ids=["name", "signing key", "encryption key"],
)
def test_another_entry_of_the_subject_is_not_vouched_for(subject: Member) -> None:
    assert not holds(replace(ROSTER, members=(A, subject, C)), VOUCH)


@pytest.mark.parametrize(
    ("roster", "vouch"),
    [
        (replace(ROSTER, coop_id="cd" * 16), VOUCH),
        (replace(ROSTER, members=(B, C)), VOUCH),
        (replace(ROSTER, members=(A, C)), VOUCH),
        (replace(ROSTER, members=(replace(A, signing_public_key=bytes(32)), B, C)), VOUCH),
        (ROSTER, replace(VOUCH, subject_id=C.member_id)),
        (ROSTER, replace(VOUCH, voucher_id=C.member_id)),
        (ROSTER, replace(VOUCH, signature=VOUCH.signature[:-1] + bytes([VOUCH.signature[-1] ^ 1]))),
        (ROSTER, replace(VOUCH, signature=b"")),
        (ROSTER, sign_vouch(COOP, A.member_id, B, KEYS[2])),
        (ROSTER, sign_vouch(COOP, A.member_id, A, KEYS[0])),
    ],
)
def test_any_other_vouch_does_not_hold(roster: Roster, vouch: Vouch) -> None:
    assert not holds(roster, vouch)
    assert verified_edges(roster, [vouch]) == frozenset()


def test_a_signature_of_another_kind_over_the_same_bytes_is_no_vouch() -> None:
    statement = vouch_statement(COOP, A.member_id, B)
    other = sign(SignatureKind.RELEASE, statement, KEYS[0])
    assert not holds(ROSTER, replace(VOUCH, signature=other))


OLD, OLDER = "0f" * 8, "0e" * 8


def test_former_ids_are_part_of_what_is_signed() -> None:
    made = sign_vouch(COOP, A.member_id, B, KEYS[0], [OLD, OLDER, OLD])
    assert made.replaces == (OLDER, OLD)
    assert holds(ROSTER, made)
    assert verified_replacements(ROSTER, [VOUCH, made]) == {
        Replacement(A.member_id, B.member_id, OLD),
        Replacement(A.member_id, B.member_id, OLDER),
    }
    for fewer in ((), (OLD,), (OLDER,)):
        assert not holds(ROSTER, replace(made, replaces=fewer))
    assert not holds(ROSTER, replace(VOUCH, replaces=(OLD,)))


@pytest.mark.parametrize(
    "former",
    [
        (A.member_id,),
        (B.member_id,),
        ("../../etc/passwd",),
        ("",),
        tuple(f"{number:016x}" for number in range(100, 117)),
    ],
)
def test_a_vouch_with_odd_former_ids_does_not_hold(former: tuple[str, ...]) -> None:
    made = sign_vouch(COOP, A.member_id, B, KEYS[0], former)
    assert not holds(ROSTER, made)
    assert verified_replacements(ROSTER, [made]) == frozenset()


def test_former_ids_have_one_order() -> None:
    statement = vouch_statement(COOP, A.member_id, B, (OLD, OLDER))
    signature = sign(SignatureKind.VOUCH, statement, KEYS[0])
    assert not holds(ROSTER, replace(VOUCH, signature=signature, replaces=(OLD, OLDER)))
