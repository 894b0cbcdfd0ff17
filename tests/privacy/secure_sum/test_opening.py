from __future__ import annotations

import numpy as np
import pytest

from highstreet.privacy.secure_sum import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.errors import (
    BelowFloorError,
    InconsistentAnswersError,
    InvalidRoundError,
    MissingAgreementsError,
    MissingAnswersError,
    OpeningStateError,
)
from highstreet.privacy.secure_sum.opening import OpeningState
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.secure_sum_pb2 import SignedSumAgreement, SignedSumAnswer, SumAgreement, SumAnswer


class Answered:
    """A round whose set is agreed to, with every committee member's answer at hand."""

    def __init__(self, made_up):
        self.made_up = made_up
        self.made = made_up.contributions()
        self.opening = made_up.agreed(self.made)
        self.answers = {one: made_up.answer(one, self.opening, self.made) for one in made_up.seats}
        self.total = sum(made_up.vector(one) for one in made_up.ids)

    def changed(self, whose, *, signer=None, **changes):
        """A member's answer, changed and signed again by whoever."""
        answer = SumAnswer.FromString(SignedSumAnswer.FromString(self.answers[whose]).answer)
        for name, value in changes.items():
            setattr(answer, name, value)
        content = answer.SerializeToString(deterministic=True)
        key = self.made_up.keys[signer or whose].signing
        return SignedSumAnswer(
            answer=content, signature=sign(Signed.SUM_ANSWER, content, key)
        ).SerializeToString()

    def wrong(self, member_id):
        """A lying member's answer: one coordinate off by one."""
        answer = SumAnswer.FromString(SignedSumAnswer.FromString(self.answers[member_id]).answer)
        values = bytearray(answer.values)
        values[0] ^= 1
        return self.changed(member_id, values=bytes(values))

    def code(self, body):
        with pytest.raises(SumRefusedError) as refused:
            self.opening.add_answer(body)
        return refused.value.code


@pytest.fixture
def answered(made_up_round):
    return Answered(made_up_round())


@pytest.fixture
def large(made_up_round):
    """m = 9, c = 4, t = 7: two surplus answers."""
    return Answered(made_up_round(n=9, m=9, c=4, floor=5))


def test_the_sum_opens_with_t_answers_and_says_how_many_are_missing_before(answered):
    assert answered.opening.missing_answers == 4
    for k, body in enumerate(list(answered.answers.values())[:4]):
        with pytest.raises(MissingAnswersError) as missing:
            answered.opening.open()
        assert missing.value.missing == answered.opening.missing_answers == 4 - k
        answered.opening.add_answer(body)
    opened = answered.opening.open()
    assert np.array_equal(opened.values, answered.total)
    assert opened.values.dtype == np.int64
    assert opened.contributors == tuple(sorted(answered.made_up.ids))
    assert (opened.answers, opened.wrong, opened.is_checked) == (4, (), False)


def test_a_surplus_answer_checks_the_sum(answered):
    for body in answered.answers.values():
        answered.opening.add_answer(body)
    opened = answered.opening.open()
    assert opened.is_checked
    assert np.array_equal(opened.values, answered.total)


def test_with_one_surplus_answer_a_lie_stops_the_round(answered):
    seats = answered.made_up.seats
    for one in seats:
        answered.opening.add_answer(answered.wrong(one) if one == seats[2] else answered.answers[one])
    with pytest.raises(InconsistentAnswersError) as inconsistent:
        answered.opening.open()
    assert inconsistent.value.missing == 0
    assert "has failed" in inconsistent.value.for_user()


def test_with_two_surplus_answers_the_liar_is_named_and_the_sum_is_right(large):
    seats = large.made_up.seats
    for position in (0, 6, 8):
        opening = large.made_up.agreed(large.made)
        for one in seats[:8]:
            opening.add_answer(large.wrong(one) if one == seats[position] else large.answers[one])
        if position < 8:  # one surplus answer of two
            with pytest.raises(InconsistentAnswersError) as inconsistent:
                opening.open()
            assert inconsistent.value.missing == 1
        opening.add_answer(large.wrong(seats[8]) if position == 8 else large.answers[seats[8]])
        opened = opening.open()
        assert opened.wrong == (seats[position],)
        assert np.array_equal(opened.values, large.total)


def test_two_liars_stop_the_round(large):
    seats = large.made_up.seats
    for one in seats:
        large.opening.add_answer(large.wrong(one) if one in seats[:2] else large.answers[one])
    with pytest.raises(InconsistentAnswersError) as inconsistent:
        large.opening.open()
    assert inconsistent.value.missing == 0


def test_answers_that_are_not_the_committees_own_for_this_set_are_refused(answered):
    first, second, *_ = answered.made_up.seats
    p = (2**31 - 1).to_bytes(4, "little")
    stranger = next((one for one in answered.made_up.ids if one not in answered.made_up.seats), "f" * 16)
    attacks = {
        SumRefusal.UNREADABLE: answered.answers[first][:-1],
        SumRefusal.VERSION: answered.changed(first, format_version=2),
        SumRefusal.NOT_ON_COMMITTEE: answered.changed(first, member_id=stranger),
        SumRefusal.MEMBER_SIGNATURE: answered.changed(first, signer=second),
        SumRefusal.OTHER_REQUEST: answered.changed(first, request_sha256=bytes(32)),
        SumRefusal.OTHER_SET: answered.changed(first, set_sha256=bytes(32)),
        SumRefusal.ANSWER_SIZE: answered.changed(first, values=bytes(24)),
        SumRefusal.SHARE_RANGE: answered.changed(first, values=p * 7),
    }
    for code, body in attacks.items():
        assert answered.code(body) is code
    assert answered.opening.missing_answers == 4
    answered.opening.add_answer(answered.answers[first])
    assert answered.code(answered.wrong(first)) is SumRefusal.REPEATED_ANSWER
    answered.opening.add_answer(answered.answers[first])  # the same again changes nothing
    assert answered.opening.missing_answers == 3


class Announced:
    """A round of six whose set is announced to a committee of five; every member's agreement is at hand."""

    def __init__(self, made_up):
        self.made_up = made_up
        self.made = made_up.contributions()
        self.opening = made_up.announced(self.made)
        self.agreements = {one: made_up.agreement(one, self.opening, self.made) for one in made_up.seats}

    def changed(self, whose, *, signer=None, **changes):
        """A member's agreement, changed and signed again by whoever."""
        message = SumAgreement.FromString(SignedSumAgreement.FromString(self.agreements[whose]).agreement)
        for name, value in changes.items():
            setattr(message, name, value)
        content = message.SerializeToString(deterministic=True)
        signature = sign(Signed.SUM_AGREEMENT, content, self.made_up.keys[signer or whose].signing)
        return SignedSumAgreement(agreement=content, signature=signature).SerializeToString()

    def code(self, body):
        with pytest.raises(SumRefusedError) as refused:
            self.opening.add_agreement(body)
        return refused.value.code


@pytest.fixture
def announced(made_up_round):
    return Announced(made_up_round(n=6))


def test_agreements_that_are_not_the_committees_own_to_this_set_are_refused(announced, made_up_round):
    first, second, *_ = announced.made_up.seats
    standing = next(one for one in announced.made_up.ids if one not in announced.made_up.seats)
    nothing = SignedSumAgreement(
        agreement=b"\x08\x01", signature=bytes(64)
    ).SerializeToString()  # a version and no outcome
    attacks = [
        (announced.agreements[first][:-1], SumRefusal.UNREADABLE),
        (announced.agreements[first] + bytes([0x7A, 100]) + bytes(100), SumRefusal.UNREADABLE),
        (nothing, SumRefusal.UNREADABLE),
        (announced.changed(first, format_version=2), SumRefusal.VERSION),
        (announced.changed(first, member_id="f" * 16), SumRefusal.AGREEMENT_SEAT),
        (announced.changed(first, member_id=standing, signer=standing), SumRefusal.AGREEMENT_SEAT),
        (announced.changed(first, signer=second), SumRefusal.AGREEMENT_SIGNATURE),
        (announced.changed(first, member_id=second), SumRefusal.AGREEMENT_SIGNATURE),
        (announced.changed(first, request_sha256=bytes(32)), SumRefusal.AGREEMENT_REQUEST),
        (announced.changed(first, committee_sha256=bytes(32)), SumRefusal.AGREEMENT_COMMITTEE),
        (announced.changed(first, set_sha256=bytes(32)), SumRefusal.AGREEMENT_SET),
    ]
    for body, code in attacks:
        assert announced.code(body) is code
    assert announced.opening.missing_agreements == 4
    announced.opening.add_agreement(announced.agreements[first])
    announced.opening.add_agreement(announced.agreements[first])  # the same again changes nothing
    assert announced.opening.missing_agreements == 3


def test_a_set_is_agreed_once_t_members_agree_and_late_ones_change_nothing(announced):
    *four, last = announced.made_up.seats
    for k, one in enumerate(four):
        assert announced.opening.state is OpeningState.ANNOUNCED
        with pytest.raises(MissingAgreementsError) as missing:
            announced.opening.sum_request(last)
        assert missing.value.missing == announced.opening.missing_agreements == 4 - k
        announced.opening.add_agreement(announced.agreements[one])
    assert announced.opening.state is OpeningState.AGREED
    before = {one: announced.opening.sum_request(one) for one in announced.made_up.seats}
    announced.opening.add_agreement(announced.agreements[last])
    assert {one: announced.opening.sum_request(one) for one in announced.made_up.seats} == before


def test_a_refusal_to_agree_is_kept_until_the_member_agrees(announced):
    first = announced.made_up.seats[0]
    seat, keys = announced.made_up.seat(first, announced.made), announced.made_up.keys[first]
    refusal = seat.agreement_refusal(SumRefusal.UNAVAILABLE, keys)
    given = announced.opening.add_agreement(refusal)
    assert (given.member_id, given.refusal) == (first, SumRefusal.UNAVAILABLE)
    assert announced.opening.refusals == {first: SumRefusal.UNAVAILABLE}
    assert announced.opening.missing_agreements == 4
    for body in (announced.agreements[first], refusal):  # what it refused before does not undo its agreement
        announced.opening.add_agreement(body)
        assert announced.opening.refusals == {}
    assert announced.opening.missing_agreements == 3
    future = announced.changed(announced.made_up.seats[1], refusal=999)
    assert announced.opening.add_agreement(future).refusal is SumRefusal.UNAVAILABLE


def test_an_answer_in_another_members_name_is_refused(answered):
    first, second, *_ = answered.made_up.seats
    assert answered.code(answered.changed(first, member_id=second)) is SumRefusal.MEMBER_SIGNATURE


def test_an_answer_that_says_nothing_is_refused(answered):
    first = answered.made_up.seats[0]
    answer = SumAnswer.FromString(SignedSumAnswer.FromString(answered.answers[first]).answer)
    answer.ClearField("values")
    content = answer.SerializeToString(deterministic=True)
    signature = sign(Signed.SUM_ANSWER, content, answered.made_up.keys[first].signing)
    body = SignedSumAnswer(answer=content, signature=signature).SerializeToString()
    assert answered.code(body) is SumRefusal.UNREADABLE


def test_refusals_are_kept_until_the_member_answers(answered):
    first = answered.made_up.seats[0]
    seat = answered.made_up.seat(first, answered.made)
    keys = answered.made_up.keys[first]
    given = answered.opening.add_answer(seat.refusal(SumRefusal.UNAVAILABLE, keys))
    assert (given.member_id, given.refusal) == (first, SumRefusal.UNAVAILABLE)
    assert answered.opening.refusals == {first: SumRefusal.UNAVAILABLE}
    assert answered.opening.missing_answers == 4
    answered.opening.add_answer(answered.answers[first])
    assert answered.opening.refusals == {}


def test_a_refusal_code_from_the_future_is_taken_as_unavailable(answered):
    first = answered.made_up.seats[0]
    given = answered.opening.add_answer(answered.changed(first, refusal=999))
    assert given.refusal is SumRefusal.UNAVAILABLE


def test_a_set_is_announced_once_and_never_below_the_floor(made_up_round, coordinator_key):
    made_up = made_up_round()
    made = made_up.contributions()
    opening = made_up.opening({one: made[one] for one in made_up.ids[:2]})
    with pytest.raises(BelowFloorError) as below:
        opening.announce(coordinator_key)
    assert below.value.missing == 1
    assert opening.state is OpeningState.COLLECTING
    for one in made_up.ids[2:4]:
        opening.add_contribution(made[one].body)
    chosen = made_up.ids[:3]
    announced = opening.announce(coordinator_key, chosen)
    assert opening.state is OpeningState.ANNOUNCED
    assert opening.contributors == tuple(sorted(chosen))
    assert opening.announce(coordinator_key, chosen[::-1]) == announced == opening.set_sha256
    with pytest.raises(OpeningStateError):
        opening.announce(coordinator_key, made_up.ids[1:4])
    with pytest.raises(OpeningStateError):
        opening.add_contribution(made[made_up.ids[4]].body)


def test_steps_out_of_order_are_refused(made_up_round, coordinator_key):
    made_up = made_up_round()
    made = made_up.contributions(made_up.ids[:4])
    opening = made_up.opening(made)
    for step in (
        opening.open,
        lambda: opening.agreement_request(made_up.seats[0]),
        lambda: opening.add_agreement(b""),
        lambda: opening.sum_request(made_up.seats[0]),
        lambda: opening.add_answer(b""),
        lambda: opening.announce(coordinator_key, made_up.ids),  # the fifth did not contribute
    ):
        with pytest.raises(OpeningStateError):
            step()
    with pytest.raises(InvalidRoundError):
        opening.announce(made_up.keys[made_up.ids[0]].signing)
    opening.announce(coordinator_key)
    for step in (lambda: opening.sum_request(made_up.seats[0]), lambda: opening.add_answer(b"")):
        with pytest.raises(MissingAgreementsError):
            step()
    for one in made_up.seats:
        opening.add_agreement(made_up.agreement(one, opening, made))
    for ask in (opening.agreement_request, opening.sum_request):
        with pytest.raises(InvalidRoundError):
            ask("f" * 16)


def test_a_second_contribution_of_one_store_is_refused_and_the_first_one_stays(made_up_round):
    made_up = made_up_round()
    one = made_up.ids[0]
    made = made_up.contributions()
    opening = made_up.opening(made)
    opening.add_contribution(made[one].body)  # the same again changes nothing
    with pytest.raises(SumRefusedError) as refused:
        opening.add_contribution(made_up.contribution(one, label="again").body)
    assert refused.value.code is SumRefusal.REPEATED_CONTRIBUTOR
    assert opening.contributors == tuple(sorted(made_up.ids))


def test_an_opening_rebuilt_after_a_crash_goes_on(answered, coordinator_key):
    rebuilt = answered.made_up.opening(answered.made)
    assert rebuilt.announce(coordinator_key) == answered.opening.set_sha256
    for one in answered.made_up.seats:
        assert rebuilt.agreement_request(one) == answered.opening.agreement_request(one)
        rebuilt.add_agreement(answered.made_up.agreement(one, rebuilt, answered.made))
    for one in answered.made_up.seats:
        assert rebuilt.sum_request(one) == answered.opening.sum_request(one)
        rebuilt.add_answer(answered.answers[one])
    assert np.array_equal(rebuilt.open().values, answered.total)
