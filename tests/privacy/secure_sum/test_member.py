"""A member refuses each attack of a coordinator with a code of its own, and is bound by what it agreed to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from highstreet.privacy.secure_sum import CommitteeSeat, SumRefusal, SumRefusedError, member
from highstreet.privacy.secure_sum.errors import InvalidRoundError
from highstreet.privacy.secure_sum.member import MemberKeys, SeatState
from highstreet.protos.secure_sum_pb2 import (
    SignedSumAgreement,
    SignedSumAnswer,
    SumAgreement,
    SumAnswer,
    SumRefusalCode,
)
from tests.privacy.secure_sum.agreement_attacks import AGREEMENT_ATTACKS
from tests.privacy.secure_sum.attack import Attack, asked_to_agree
from tests.privacy.secure_sum.set_attacks import BOX_ATTACKS, SET_ATTACKS

ATTACKS = {**SET_ATTACKS, **BOX_ATTACKS, **AGREEMENT_ATTACKS}


@pytest.fixture
def attack(made_up_round, coordinator_key):
    def again(**changes):
        return made_up_round(n=6, **changes)

    return Attack(again(), coordinator_key, again)


@pytest.mark.parametrize(
    ("attempt", "code"), ATTACKS.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_each_attack_is_refused_with_a_code_of_its_own(attack, attempt, code):
    assert attack.prepare(attack.request()).seat.state is SeatState.AGREED  # unchanged, it is answered
    assert attempt(attack) is code


@pytest.mark.parametrize(
    ("attempt", "code"), SET_ATTACKS.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_no_member_agrees_to_a_set_it_would_not_answer(attack, attempt, code):
    attack.stage = "agree"
    assert attack.prepare(attack.request()).seat.state is SeatState.AGREED  # unchanged, it is agreed to
    assert attempt(attack) is code


@pytest.mark.parametrize("attempt", AGREEMENT_ATTACKS)
def test_a_member_that_skips_the_agreements_answers_each_of_these(attack, attempt, monkeypatch):
    """The twin: nothing else refuses them."""
    monkeypatch.setattr(member, "check_agreements", lambda *args, **kwargs: None)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        attempt(attack)


def test_a_request_of_one_stage_is_none_of_the_other(attack):
    answer = attack.request()
    keys = attack.made_up.keys[attack.member_id]
    for step, request in ((attack.seat.agree, answer), (attack.seat.prepare, asked_to_agree(attack))):
        with pytest.raises(SumRefusedError) as refused:
            step(request, keys)
        assert refused.value.code in (SumRefusal.COORDINATOR_SIGNATURE, SumRefusal.UNREADABLE)


def test_a_member_is_bound_by_its_agreement_and_by_an_answer_it_gave_without_one(attack):
    keys = attack.made_up.keys[attack.member_id]
    fewer = attack.entries_without(attack.others[0])
    agreed = attack.seat.agree(asked_to_agree(attack), keys).seat
    away = attack.seat.prepare(attack.request(), keys).seat
    assert agreed == away  # one that was away until then has agreed by answering
    for seat in (agreed, away):
        for step, request in (
            (seat.agree, asked_to_agree(attack, fewer)),
            (seat.prepare, attack.request(fewer)),
        ):
            with pytest.raises(SumRefusedError) as refused:
                step(request, keys)
            assert refused.value.code is SumRefusal.SECOND_SET
        assert (
            seat.agree(asked_to_agree(attack), keys).seat == seat.prepare(attack.request(), keys).seat == seat
        )
    # The twin: a seat that forgot agrees to the second set and answers it.
    assert attack.seat.agree(asked_to_agree(attack, fewer), keys).seat != agreed
    assert attack.seat.prepare(attack.request(fewer), keys).seat != agreed


def test_every_code_a_member_can_give_is_tried():
    coordinators = {
        SumRefusal.NOT_ON_COMMITTEE,
        SumRefusal.MEMBER_SIGNATURE,
        SumRefusal.OTHER_SET,
        SumRefusal.REPEATED_ANSWER,
        SumRefusal.ANSWER_SIZE,
        SumRefusal.UNAVAILABLE,
        SumRefusal.FEW_ANSWERS,
        SumRefusal.CONTRADICTION,
        SumRefusal.INSPECTION,
    }
    assert set(ATTACKS.values()) == set(SumRefusal) - coordinators


def test_the_codes_are_those_of_the_wire():
    wire = {name.removeprefix("SUM_REFUSAL_"): number for name, number in SumRefusalCode.items()}
    assert {code.name: code.value for code in SumRefusal} == {k: v for k, v in wire.items() if v}


def test_a_box_sealed_for_another_position_or_a_true_one_that_was_moved_does_not_pass(attack):
    misplaced = attack.sealed(bytes(32), for_position=2)
    assert attack.code(attack.replacing_one(misplaced)) is SumRefusal.BOX_SEAL
    moved = attack.entry(attack.made[attack.others[0]].body, position=2)
    assert attack.code(attack.replacing_one(moved)) is SumRefusal.BOX_DIGEST
    # The twin: sealed for this position by the same lying hand, it is added up.
    attack.prepare(attack.replacing_one(attack.sealed(bytes(32))))


def test_a_contribution_in_the_name_of_a_store_that_sent_none_is_refused(attack):
    silent = replace(attack.seat, own_header_sha256=None)
    assert attack.code(attack.request(), silent) is SumRefusal.OWN_CONTRIBUTION
    without = attack.request(attack.entries_without(attack.member_id))
    assert attack.prepare(without, silent).seat.state is SeatState.AGREED


def test_a_stranger_with_keys_of_its_own_is_refused(attack, made_up_round):
    """A round over eight members of whom six are counted: an invented store contributes."""
    wider = made_up_round(n=8)
    context = replace(wider.context, committee=attack.made_up.committee)
    stranger = wider.with_context(committee=context.committee).contribution(wider.ids[7])
    assert attack.code(attack.replacing_one(attack.entry(stranger.body))) is SumRefusal.UNKNOWN_CONTRIBUTOR


@pytest.mark.parametrize("stage", ["agree", "answer"])
def test_the_same_set_asked_again_gets_the_same_bytes_in_any_order(attack, stage):
    attack.stage = stage
    prepared = attack.prepare(attack.request())
    first = prepared.release(lambda announced: None)
    again = attack.prepare(attack.request(attack.entries()[::-1]), prepared.seat)
    assert again.release(lambda announced: None) == first


@pytest.mark.parametrize("stage", ["agree", "answer"])
def test_a_seat_restored_after_a_crash_is_bound_to_its_set(attack, stage):
    attack.stage = stage
    kept = []
    attack.prepare(attack.request()).release(kept.append)
    restored = CommitteeSeat(
        context=attack.made_up.context,
        member_id=attack.member_id,
        own_header_sha256=attack.made[attack.member_id].header_sha256,
        agreed_set_sha256=kept[0],
    )
    other = attack.request(attack.entries_without(attack.others[0]))
    assert attack.code(other, restored) is SumRefusal.SECOND_SET
    # The twin: a seat that forgot takes both, which is why the record comes first.
    assert attack.prepare(other).seat.agreed_set_sha256 != kept[0]


@pytest.mark.parametrize("stage", ["agree", "answer"])
def test_a_reply_comes_out_only_after_its_record(attack, stage):
    attack.stage = stage
    prepared = attack.prepare(attack.request())
    assert "_body" not in repr(prepared)

    def full_disk(announced):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        prepared.release(full_disk)
    recorded = []
    assert prepared.release(recorded.append)
    assert recorded == [prepared.seat.agreed_set_sha256]


def test_a_refusal_says_a_code_and_nothing_else(attack):
    keys = attack.made_up.keys[attack.member_id]
    body = attack.seat.refusal(SumRefusal.FLOOR, keys)
    answer = SumAnswer.FromString(SignedSumAnswer.FromString(body).answer)
    assert [field.name for field, _ in answer.ListFields()] == [
        "format_version",
        "request_sha256",
        "member_id",
        "refusal",
    ]
    assert answer.refusal == SumRefusal.FLOOR
    body = attack.seat.agreement_refusal(SumRefusal.FLOOR, keys)
    agreement = SumAgreement.FromString(SignedSumAgreement.FromString(body).agreement)
    assert [field.name for field, _ in agreement.ListFields()] == [
        "format_version",
        "request_sha256",
        "member_id",
        "committee_sha256",
        "refusal",
    ]
    assert agreement.refusal == SumRefusal.FLOOR


def test_a_seat_is_for_members_of_the_committee_with_their_own_keys(attack):
    seated = attack.made_up.seats
    standing = next(one for one in attack.made_up.ids if one not in seated)
    with pytest.raises(InvalidRoundError):
        attack.made_up.seat(standing, attack.made)
    own, other = attack.made_up.keys[seated[0]], attack.made_up.keys[seated[1]]
    for keys in (other, MemberKeys(own.signing, other.encryption), MemberKeys(other.signing, own.encryption)):
        for step in (
            lambda keys: attack.seat.prepare(attack.request(), keys),
            lambda keys: attack.seat.agree(asked_to_agree(attack), keys),
            lambda keys: attack.seat.refusal(SumRefusal.FLOOR, keys),
            lambda keys: attack.seat.agreement_refusal(SumRefusal.FLOOR, keys),
        ):
            with pytest.raises(InvalidRoundError):
                step(keys)
    with pytest.raises(InvalidRoundError):
        replace(attack.seat, agreed_set_sha256=b"short")
