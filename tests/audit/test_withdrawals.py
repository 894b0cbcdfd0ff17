"""A vouch that was taken back never counts again, in whatever order its papers come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.roster import Member, Roster
from highstreet.audit.signing import SignatureKind, sign
from highstreet.audit.vouches import sign_vouch, vouch_statement
from highstreet.audit.withdrawals import (
    Withdrawal,
    is_withdrawal,
    sign_withdrawal,
    standing_edges,
    verified_withdrawals,
    withdrawal_statement,
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
VOUCHES = [
    sign_vouch(COOP, one.member_id, other, key, former)
    for one, key in zip((A, B, C), KEYS, strict=True)
    for other in (A, B, C)
    if one != other
    for former in ((), ("f" * 16,))
]
WITHDRAWALS = [
    sign_withdrawal(COOP, one.member_id, other, key)
    for one, key in zip((A, B, C), KEYS, strict=True)
    for other in (A, B, C)
    if one != other
]
TAKEN_BACK = WITHDRAWALS[0]  # A's vouch for B


def test_a_withdrawal_takes_away_every_vouch_of_its_pair_and_no_other() -> None:
    assert verified_withdrawals(ROSTER, [TAKEN_BACK]) == {(A.member_id, B.member_id)}
    before = standing_edges(ROSTER, VOUCHES, [])
    assert standing_edges(ROSTER, VOUCHES, [TAKEN_BACK]) == before - {(A.member_id, B.member_id)}
    assert len(before) == 6


@given(
    st.lists(st.sampled_from(VOUCHES)),
    st.lists(st.sampled_from(WITHDRAWALS)),
    st.lists(st.sampled_from([*VOUCHES, *WITHDRAWALS])),
    st.randoms(use_true_random=False),
)
def test_neither_order_nor_playing_back_old_papers_matters(
    vouches: list[Any], withdrawals: list[Any], again: list[Any], shuffle: Any
) -> None:
    expected = standing_edges(ROSTER, vouches, withdrawals)
    seen = {*vouches, *withdrawals}
    papers = [*vouches, *withdrawals, *(each for each in again if each in seen)]
    shuffle.shuffle(papers)
    given_back = [each for each in papers if not isinstance(each, Withdrawal)]
    taken_back = [each for each in papers if isinstance(each, Withdrawal)]
    assert standing_edges(ROSTER, given_back, taken_back) == expected
    # A vouch added afterwards brings nothing back that was taken back.
    gone = verified_withdrawals(ROSTER, withdrawals)
    assert not standing_edges(ROSTER, VOUCHES, taken_back) & gone


@pytest.mark.parametrize(
    ("roster", "withdrawal"),
    [
        (replace(ROSTER, coop_id="cd" * 16), TAKEN_BACK),
        (replace(ROSTER, members=(B, C)), TAKEN_BACK),
        (replace(ROSTER, members=(A, C)), TAKEN_BACK),
        (replace(ROSTER, members=(A, replace(B, encryption_public_key=bytes(32)), C)), TAKEN_BACK),
        (replace(ROSTER, members=(A, replace(B, signing_public_key=bytes(32)), C)), TAKEN_BACK),
        (replace(ROSTER, members=(replace(A, signing_public_key=bytes(32)), B, C)), TAKEN_BACK),
        (ROSTER, replace(TAKEN_BACK, subject_id=C.member_id)),
        (ROSTER, replace(TAKEN_BACK, voucher_id=C.member_id)),
        (ROSTER, replace(TAKEN_BACK, signature=b"")),
        (ROSTER, sign_withdrawal(COOP, A.member_id, B, KEYS[2])),
        (ROSTER, sign_withdrawal(COOP, A.member_id, A, KEYS[0])),
    ],
)
def test_any_other_withdrawal_is_none(roster: Roster, withdrawal: Withdrawal) -> None:
    assert not is_withdrawal(roster, withdrawal)
    assert verified_withdrawals(roster, [withdrawal]) == frozenset()


def test_a_vouch_never_passes_for_a_withdrawal_nor_a_withdrawal_for_a_vouch() -> None:
    """Both say the same of the same entry; the kind of the signature tells them apart."""
    assert withdrawal_statement(COOP, A.member_id, B) == vouch_statement(COOP, A.member_id, B)
    vouch = sign_vouch(COOP, A.member_id, B, KEYS[0])
    assert not is_withdrawal(ROSTER, replace(TAKEN_BACK, signature=vouch.signature))
    other = sign(SignatureKind.VOUCH, withdrawal_statement(COOP, A.member_id, B), KEYS[0])
    assert not is_withdrawal(ROSTER, replace(TAKEN_BACK, signature=other))
