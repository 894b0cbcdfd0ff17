from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from highstreet.privacy.secure_sum import CommitteeTerms, CountedMembers, choose_committee
from highstreet.privacy.secure_sum.errors import InvalidRoundError, InvalidTermsError

TERMS = CommitteeTerms(committee_size=5, colluders=1, floor=3)
DRAW = {
    "coop_id": "ab" * 16,
    "programme_id": "cd" * 8,
    "round_number": 3,
    "roster_sha256": bytes(32),
    "terms": TERMS,
}


@pytest.mark.parametrize(
    ("size", "colluders", "floor"),
    [(2, 0, 3), (10, 1, 3), (5, -1, 3), (5, 5, 6), (5, 1, 2), (5, 3, 3), (5, 1, 1025)],
)
def test_terms_under_which_no_sum_is_safe_are_refused(size, colluders, floor):
    with pytest.raises(InvalidTermsError):
        CommitteeTerms(committee_size=size, colluders=colluders, floor=floor)


@pytest.mark.parametrize(
    ("seats", "colluders", "threshold"),
    [
        (3, 1, 3),
        (4, 1, 3),
        (5, 1, 4),
        (6, 1, 4),
        (5, 2, 4),
        (7, 2, 5),
        (9, 1, 6),
        (9, 2, 6),
        (9, 3, 7),
        (9, 8, 9),
    ],
)
def test_thresholds_by_hand(seats, colluders, threshold):
    terms = CommitteeTerms(committee_size=max(3, seats), colluders=colluders, floor=9)
    assert terms.threshold(seats) == threshold


def test_the_threshold_can_always_be_met_and_is_the_smallest_of_its_kind():
    for seats in range(3, 10):
        for colluders in range(seats):
            t = CommitteeTerms(committee_size=9, colluders=colluders, floor=9).threshold(seats)
            assert colluders < t <= seats
            assert 2 * t > seats + colluders
            assert 2 * (t - 1) <= seats + colluders


def test_no_committee_stands_colluders_alone():
    with pytest.raises(InvalidTermsError):
        CommitteeTerms(committee_size=9, colluders=4, floor=5).threshold(4)


def test_everybody_sits_in_a_small_co_op(made_up_member):
    members = CountedMembers(made_up_member(number) for number in range(4))
    committee = choose_committee(members, **DRAW)
    assert {member.member_id for member in committee.members} == set(members.by_id)
    assert committee.threshold == 3


def test_the_draw_is_the_order_of_the_published_hash(made_up_member):
    members = CountedMembers(made_up_member(number) for number in range(12))
    committee = choose_committee(members, **DRAW)

    def place(member_id):
        text = b"highstreet/v1/committee\0" + b"ab" * 16 + b"cd" * 8 + b"\0\0\0\3" + bytes(32)
        return hashlib.sha256(text + member_id.encode()).digest()

    expected = sorted(members.by_id, key=place)[:5]
    assert [member.member_id for member in committee.members] == expected
    assert [committee.position(one) for one in expected] == [1, 2, 3, 4, 5]
    assert committee.position(sorted(members.by_id, key=place)[5]) is None


def test_the_order_members_are_given_in_does_not_matter(made_up_member):
    members = [made_up_member(number) for number in range(12)]
    forwards = choose_committee(CountedMembers(members), **DRAW)
    assert choose_committee(CountedMembers(reversed(members)), **DRAW) == forwards


@pytest.mark.parametrize(
    "change",
    [
        {"coop_id": "ac" * 16},
        {"programme_id": "ce" * 8},
        {"round_number": 4},
        {"roster_sha256": bytes([1]) * 32},
    ],
)
def test_another_round_draws_another_committee(made_up_member, change):
    members = CountedMembers(made_up_member(number) for number in range(12))
    committee = choose_committee(members, **DRAW)
    assert choose_committee(members, **{**DRAW, **change}) != committee


def test_every_member_has_its_turn(made_up_member):
    members = CountedMembers(made_up_member(number) for number in range(12))
    draws = 600
    turns = Counter(
        member.member_id
        for number in range(draws)
        for member in choose_committee(members, **{**DRAW, "round_number": number}).members
    )
    # Five seats of twelve: binomial; five and a half deviations for each of twelve: one seed in two million.
    mean, deviation = draws * 5 / 12, (draws * 5 / 12 * 7 / 12) ** 0.5
    assert all(abs(turns[one] - mean) < 5.5 * deviation for one in members.by_id)
    # The twin: a draw that ignores the round gives five members every turn.
    assert abs(draws - mean) > 5.5 * deviation


@pytest.mark.parametrize(
    "wrong",
    [
        {"coop_id": "ab"},
        {"programme_id": "CD" * 8},
        {"round_number": -1},
        {"round_number": 2**32},
        {"roster_sha256": b""},
        {"terms": replace(TERMS, floor=13)},
    ],
)
def test_a_draw_for_no_round_is_refused(made_up_member, wrong):
    members = CountedMembers(made_up_member(number) for number in range(12))
    with pytest.raises(InvalidRoundError):
        choose_committee(members, **{**DRAW, **wrong})


def test_a_roster_of_doubles_of_strangers_or_of_too_many_is_refused(made_up_member):
    one, other = made_up_member(1), made_up_member(2)
    doubles = [
        replace(other, member_id=one.member_id),
        replace(other, signing_public_key=one.signing_public_key),
        replace(other, encryption_public_key=one.encryption_public_key),
    ]
    for double in doubles:
        with pytest.raises(InvalidRoundError):
            CountedMembers([one, double])
    with pytest.raises(InvalidRoundError):
        CountedMembers([])
    many = [replace(one, member_id=f"{number:016x}") for number in range(1025)]
    with pytest.raises(InvalidRoundError, match="1024"):
        CountedMembers(many)
    assert len(CountedMembers([one, other])) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"member_id": "x" * 16},
        {"member_id": "a" * 15},
        {"signing_public_key": bytes(31)},
        {"encryption_public_key": b"\x09" + bytes(30)},
        {"encryption_public_key": bytes(32)},
    ],
)
def test_a_member_that_cannot_be_one_is_refused(made_up_member, wrong):
    with pytest.raises(InvalidRoundError):
        replace(made_up_member(1), **wrong)


def test_a_committee_is_named_by_order_keys_and_threshold(made_up_member):
    members = CountedMembers(made_up_member(number) for number in range(6))
    committee = choose_committee(members, **DRAW)
    first, second, *rest = committee.members
    others = [
        replace(committee, members=(second, first, *rest)),
        replace(committee, threshold=5),
        replace(committee, members=(first, second, *rest[:-1])),
        replace(committee, members=(replace(first, signing_public_key=bytes(32)), second, *rest)),
        replace(
            committee, members=(replace(first, encryption_public_key=b"\x09" + bytes(31)), second, *rest)
        ),
    ]
    assert len({one.sha256() for one in [committee, *others]}) == 6
    with pytest.raises(InvalidRoundError):
        replace(committee, members=(first, first, *rest))
    with pytest.raises(InvalidRoundError):
        replace(committee, threshold=6)
