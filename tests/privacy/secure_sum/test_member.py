from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.privacy.secure_sum import CommitteeSeat, CountedMembers, SumRefusal, SumRefusedError, member
from highstreet.privacy.secure_sum.agreement import signed_agreement
from highstreet.privacy.secure_sum.announced_set import announcement, set_sha256
from highstreet.privacy.secure_sum.contribution import Header
from highstreet.privacy.secure_sum.errors import InvalidRoundError
from highstreet.privacy.secure_sum.member import MemberKeys, SeatState
from highstreet.privacy.secure_sum.sealing import seal
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.secure_sum_pb2 import (
    Contribution,
    ContributionHeader,
    SignedSumAgreement,
    SignedSumAnswer,
    SumAgreement,
    SumAgreementRequest,
    SumAnswer,
    SumEntry,
    SumHeader,
    SumRefusalCode,
    SumRequest,
)


@dataclass
class Attack:
    """A round, its honest contributions, one seat, and a coordinator who may sign what it likes."""

    made_up: object
    coordinator_key: object
    make_round: Callable[..., object]
    position: int = 1
    stage: str = "answer"

    def __post_init__(self):
        self.made = self.made_up.contributions()
        self.member_id = self.made_up.seats[self.position - 1]
        self.others = [one for one in self.made_up.ids if one != self.member_id]

    @property
    def seat(self):
        return self.made_up.seat(self.member_id, self.made)

    def entry(self, body, position=None):
        message = Contribution.FromString(body)
        box = message.boxes[(position or self.position) - 1]
        return SumEntry(header=message.header, signature=message.signature, box=box)

    def entries(self):
        return [self.entry(made.body) for made in self.made.values()]

    def request(self, entries=None, *, key=None, agreements=None, **changes):
        """What the coordinator asks in this stage: to agree, or with agreements of t members to answer."""
        entries = self.entries() if entries is None else entries
        request_sha256 = self.made_up.context.request_sha256
        announced = self.hash_of(entries)
        signed = announcement(request_sha256, self.member_id, announced)
        fields = {"format_version": 1, "request_sha256": request_sha256, "member_id": self.member_id}
        if self.stage == "agree":
            message, kind = SumAgreementRequest, Signed.SUM_AGREEMENT_REQUEST
            fields["headers"] = [SumHeader(header=one.header, signature=one.signature) for one in entries]
        else:
            message, kind = SumRequest, Signed.SUM_REQUEST
            fields["entries"] = entries
            fields["agreements"] = self.agreements(announced) if agreements is None else agreements
        fields["signature"] = sign(kind, signed, key or self.coordinator_key)
        return message(**{**fields, **changes}).SerializeToString()

    def hash_of(self, entries):
        return set_sha256(hashlib.sha256(entry.header).digest() for entry in entries)

    def agreement(self, one, announced, *, signer=None, **changes):
        """An agreement in a member's name, changed and signed by whoever."""
        keys = self.made_up.keys
        body = signed_agreement(self.made_up.context, one, keys[signer or one].signing, announced)
        message = SumAgreement.FromString(SignedSumAgreement.FromString(body).agreement)
        for name, value in changes.items():
            setattr(message, name, value)
        content = message.SerializeToString(deterministic=True)
        return SignedSumAgreement(
            agreement=content, signature=sign(Signed.SUM_AGREEMENT, content, keys[signer or one].signing)
        )

    def agreements(self, announced, count=None):
        """Of the first t seats, this one's among them: it agrees to whatever the coordinator likes."""
        count = self.made_up.committee.threshold if count is None else count
        return [self.agreement(one, announced) for one in self.made_up.seats[:count]]

    def with_last_agreement(self, change):
        """The request for all contributors, the last of its t agreements replaced by another."""
        announced = self.hash_of(self.entries())
        last = self.made_up.seats[self.made_up.committee.threshold - 1]
        return self.request(agreements=[*self.agreements(announced)[:-1], change(last, announced)])

    def replacing_one(self, entry):
        """The entries, one other contributor's replaced."""
        return self.request([entry, *self.entries_without(self.others[0])])

    def entries_without(self, *left_out):
        return [self.entry(made.body) for one, made in self.made.items() if one not in left_out]

    def forged(self, *, signer=None, box=None, **changes):
        """A contribution whose contributor lies: header fields, or its box for this seat, are others."""
        one = self.others[0]
        message = Contribution.FromString(self.made[one].body)
        header = ContributionHeader.FromString(message.header)
        for name, value in changes.items():
            setattr(header, name, value)
        if box is not None:
            header.box_sha256[self.position - 1] = hashlib.sha256(box).digest()
            message.boxes[self.position - 1] = box
        content = header.SerializeToString(deterministic=True)
        signature = sign(Signed.CONTRIBUTION, content, self.made_up.keys[signer or one].signing)
        return SumEntry(header=content, signature=signature, box=message.boxes[self.position - 1])

    def sealed(self, share, *, position=None, for_position=None):
        """A box by a lying contributor: any share, sealed for any position."""
        one = self.others[0]
        ephemeral = X25519PrivateKey.from_private_bytes(bytes([8]) * 32)
        header = ContributionHeader.FromString(Contribution.FromString(self.made[one].body).header)
        header.ephemeral_public_key = ephemeral.public_key().public_bytes_raw()
        del header.box_sha256[:]
        label = Header(
            contributor_id=one,
            sha256=b"",
            ephemeral_public_key=header.ephemeral_public_key,
            box_sha256=(),
            fixed=header.SerializeToString(deterministic=True),
        ).box_label(self.made_up.context, for_position or self.position)
        box = seal(share, label, ephemeral_key=ephemeral)
        return self.forged(box=box, ephemeral_public_key=header.ephemeral_public_key)

    def prepare(self, request, seat=None):
        seat = seat or self.seat
        step = seat.agree if self.stage == "agree" else seat.prepare
        return step(request, self.made_up.keys[self.member_id])

    def code(self, sum_request, seat=None):
        with pytest.raises(SumRefusedError) as refused:
            self.prepare(sum_request, seat)
        return refused.value.code


def truncated(attack):
    return attack.code(attack.request()[:-1])


def another_version(attack):
    return attack.code(attack.request(format_version=2))


def announced_by_somebody_else(attack):
    return attack.code(attack.request(key=attack.made_up.keys[attack.others[0]].signing))


def asked_for_another_request(attack):
    return attack.code(attack.request(request_sha256=bytes(32)))


def meant_for_another_member(attack):
    return attack.code(attack.request(member_id=attack.others[0]))


def below_the_floor(attack):
    return attack.code(attack.request(attack.entries()[:2]))


def a_second_set(attack):
    answered = attack.prepare(attack.request()).seat
    return attack.code(attack.request(attack.entries_without(attack.others[0])), answered)


def a_removed_member(attack):
    """A store taken off the roster after it contributed; its contribution is announced all the same."""
    context = attack.made_up.context
    seated = {member.member_id for member in context.committee.members}
    removed = next(one for one in attack.made_up.ids if one not in seated)
    members = CountedMembers(member for member in context.members if member.member_id != removed)
    seat = replace(attack.seat, context=replace(context, members=members))
    return attack.code(attack.request(), seat)


def the_same_contributor_twice(attack):
    return attack.code(attack.request([*attack.entries(), attack.entries()[0]]))


def signed_by_a_stranger(attack):
    return attack.code(attack.replacing_one(attack.forged(signer=attack.others[1])))


def from_another_co_op(attack):
    return attack.code(attack.replacing_one(attack.forged(coop_id="cd" * 16)))


def replayed_from_another_round(attack):
    other = attack.make_round(request="another request").contribution(attack.others[0])
    return attack.code(attack.replacing_one(attack.entry(other.body)))


def shared_to_another_committee(attack):
    return attack.code(attack.replacing_one(attack.forged(committee_sha256=bytes(32))))


def of_another_dimension(attack):
    return attack.code(attack.replacing_one(attack.forged(dimension=8)))


def own_contribution_replaced(attack):
    again = attack.made_up.contribution(attack.member_id, label="again")
    return attack.code(attack.request([attack.entry(again.body), *attack.entries_without(attack.member_id)]))


def one_digest_too_few(attack):
    entry = attack.forged()
    header = ContributionHeader.FromString(entry.header)
    header.box_sha256.pop()
    entry.header = header.SerializeToString(deterministic=True)
    entry.signature = sign(Signed.CONTRIBUTION, entry.header, attack.made_up.keys[attack.others[0]].signing)
    return attack.code(attack.replacing_one(entry))


def a_box_of_another_size(attack):
    return attack.code(attack.replacing_one(attack.forged(box=bytes(47))))


def boxes_of_two_contributors_swapped(attack):
    entries = attack.entries()
    entries[0].box, entries[1].box = entries[1].box, entries[0].box
    return attack.code(attack.request(entries))


def a_key_of_low_order(attack):
    return attack.code(attack.replacing_one(attack.forged(ephemeral_public_key=bytes(32))))


def a_box_of_noise(attack):
    return attack.code(attack.replacing_one(attack.forged(box=bytes(48))))


def a_share_outside_the_field(attack):
    late = replace_position(attack, 5)
    share = np.full(late.made_up.context.dimension, 2**31 - 1, dtype="<u4").tobytes()
    return late.code(late.replacing_one(late.sealed(share)))


def replace_position(attack, position):
    return Attack(attack.made_up, attack.coordinator_key, attack.make_round, position)


def an_agreement_forged(attack):
    other = attack.others[0]
    return attack.code(
        attack.with_last_agreement(lambda one, announced: attack.agreement(one, announced, signer=other))
    )


def an_agreement_of_a_stranger(attack):
    return attack.code(
        attack.with_last_agreement(
            lambda one, announced: attack.agreement(one, announced, member_id="f" * 16)
        )
    )


def an_agreement_of_a_member_without_a_seat(attack):
    standing = next(one for one in attack.made_up.ids if one not in attack.made_up.seats)
    return attack.code(
        attack.with_last_agreement(lambda one, announced: attack.agreement(standing, announced))
    )


def an_agreement_of_another_round(attack):
    return attack.code(
        attack.with_last_agreement(
            lambda one, announced: attack.agreement(one, announced, request_sha256=bytes(32))
        )
    )


def an_agreement_of_another_committee(attack):
    return attack.code(
        attack.with_last_agreement(
            lambda one, announced: attack.agreement(one, announced, committee_sha256=bytes(32))
        )
    )


def an_agreement_to_another_set(attack):
    other = attack.hash_of(attack.entries()[1:])
    return attack.code(attack.with_last_agreement(lambda one, announced: attack.agreement(one, other)))


def a_refusal_for_an_agreement(attack):
    return attack.code(
        attack.with_last_agreement(lambda one, announced: attack.agreement(one, SumRefusal.UNAVAILABLE))
    )


def an_agreement_over_the_limit(attack):
    """Signed by its member, with a field of its own that nobody knows."""

    def padded(one, announced):
        content = attack.agreement(one, announced).agreement + b"\x7a\xc8\x01" + bytes(200)
        signature = sign(Signed.SUM_AGREEMENT, content, attack.made_up.keys[one].signing)
        return SignedSumAgreement(agreement=content, signature=signature)

    return attack.code(attack.with_last_agreement(padded))


def one_agreement_too_few(attack):
    announced = attack.hash_of(attack.entries())
    few = attack.agreements(announced, attack.made_up.committee.threshold - 1)
    return attack.code(attack.request(agreements=few))


def the_same_seat_counted_twice(attack):
    first = attack.made_up.seats[0]
    return attack.code(attack.with_last_agreement(lambda one, announced: attack.agreement(first, announced)))


#: What can be wrong with an announced set, before a box is opened: refused at either stage.
SET_ATTACKS = {
    truncated: SumRefusal.UNREADABLE,
    another_version: SumRefusal.VERSION,
    announced_by_somebody_else: SumRefusal.COORDINATOR_SIGNATURE,
    asked_for_another_request: SumRefusal.OTHER_REQUEST,
    meant_for_another_member: SumRefusal.NOT_ADDRESSED,
    below_the_floor: SumRefusal.FLOOR,
    a_second_set: SumRefusal.SECOND_SET,
    a_removed_member: SumRefusal.UNKNOWN_CONTRIBUTOR,
    the_same_contributor_twice: SumRefusal.REPEATED_CONTRIBUTOR,
    signed_by_a_stranger: SumRefusal.CONTRIBUTOR_SIGNATURE,
    from_another_co_op: SumRefusal.OTHER_COOP,
    replayed_from_another_round: SumRefusal.REPLAYED,
    shared_to_another_committee: SumRefusal.COMMITTEE,
    of_another_dimension: SumRefusal.DIMENSION,
    own_contribution_replaced: SumRefusal.OWN_CONTRIBUTION,
    one_digest_too_few: SumRefusal.BOX_COUNT,
    a_key_of_low_order: SumRefusal.LOW_ORDER_KEY,
}
BOX_ATTACKS = {
    a_box_of_another_size: SumRefusal.BOX_SIZE,
    boxes_of_two_contributors_swapped: SumRefusal.BOX_DIGEST,
    a_box_of_noise: SumRefusal.BOX_SEAL,
    a_share_outside_the_field: SumRefusal.SHARE_RANGE,
}
AGREEMENT_ATTACKS = {
    an_agreement_forged: SumRefusal.AGREEMENT_SIGNATURE,
    an_agreement_of_a_stranger: SumRefusal.AGREEMENT_SEAT,
    an_agreement_of_a_member_without_a_seat: SumRefusal.AGREEMENT_SEAT,
    an_agreement_of_another_round: SumRefusal.AGREEMENT_REQUEST,
    an_agreement_of_another_committee: SumRefusal.AGREEMENT_COMMITTEE,
    an_agreement_to_another_set: SumRefusal.AGREEMENT_SET,
    a_refusal_for_an_agreement: SumRefusal.AGREEMENT_SET,
    an_agreement_over_the_limit: SumRefusal.UNREADABLE,
    one_agreement_too_few: SumRefusal.FEW_AGREEMENTS,
    the_same_seat_counted_twice: SumRefusal.REPEATED_AGREEMENT,
}
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


def asked_to_agree(attack, entries=None):
    attack.stage = "agree"
    request = attack.request(entries)
    attack.stage = "answer"
    return request


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
