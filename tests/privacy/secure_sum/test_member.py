from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from highstreet.privacy.secure_sum import CommitteeSeat, CountedMembers, SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.announced_set import announcement, set_sha256
from highstreet.privacy.secure_sum.contribution import Header
from highstreet.privacy.secure_sum.errors import InvalidRoundError, MissingAnswersError
from highstreet.privacy.secure_sum.member import MemberKeys, SeatState
from highstreet.privacy.secure_sum.sealing import seal
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.secure_sum_pb2 import (
    Contribution,
    ContributionHeader,
    SignedSumAnswer,
    SumAnswer,
    SumEntry,
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

    def request(self, entries=None, *, key=None, **changes):
        entries = self.entries() if entries is None else entries
        request_sha256 = self.made_up.context.request_sha256
        announced = set_sha256(hashlib.sha256(entry.header).digest() for entry in entries)
        signed = announcement(request_sha256, self.member_id, announced)
        fields = {
            "format_version": 1,
            "request_sha256": request_sha256,
            "member_id": self.member_id,
            "entries": entries,
            "signature": sign(Signed.SUM_REQUEST, signed, key or self.coordinator_key),
        }
        return SumRequest(**{**fields, **changes}).SerializeToString()

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

    def prepare(self, sum_request, seat=None):
        return (seat or self.seat).prepare(sum_request, self.made_up.keys[self.member_id])

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


ATTACKS = {
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
    a_box_of_another_size: SumRefusal.BOX_SIZE,
    boxes_of_two_contributors_swapped: SumRefusal.BOX_DIGEST,
    a_key_of_low_order: SumRefusal.LOW_ORDER_KEY,
    a_box_of_noise: SumRefusal.BOX_SEAL,
    a_share_outside_the_field: SumRefusal.SHARE_RANGE,
}


@pytest.fixture
def attack(made_up_round, coordinator_key):
    def again(**changes):
        return made_up_round(n=6, **changes)

    return Attack(again(), coordinator_key, again)


@pytest.mark.parametrize(
    ("attempt", "code"), ATTACKS.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_each_attack_is_refused_with_a_code_of_its_own(attack, attempt, code):
    assert attack.prepare(attack.request()).seat.state is SeatState.ANSWERED  # unchanged, it is answered
    assert attempt(attack) is code


def test_every_code_a_member_can_give_is_tried():
    coordinators = {
        SumRefusal.NOT_ON_COMMITTEE,
        SumRefusal.MEMBER_SIGNATURE,
        SumRefusal.OTHER_SET,
        SumRefusal.REPEATED_ANSWER,
        SumRefusal.ANSWER_SIZE,
        SumRefusal.UNAVAILABLE,
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
    assert attack.prepare(without, silent).seat.state is SeatState.ANSWERED


def test_a_stranger_with_keys_of_its_own_is_refused(attack, made_up_round):
    """A round over eight members of whom six are counted: an invented store contributes."""
    wider = made_up_round(n=8)
    context = replace(wider.context, committee=attack.made_up.committee)
    stranger = wider.with_context(committee=context.committee).contribution(wider.ids[7])
    assert attack.code(attack.replacing_one(attack.entry(stranger.body))) is SumRefusal.UNKNOWN_CONTRIBUTOR


def test_the_same_set_asked_again_gets_the_same_bytes_in_any_order(attack):
    prepared = attack.prepare(attack.request())
    first = prepared.release(lambda announced, body: None)
    again = attack.prepare(attack.request(attack.entries()[::-1]), prepared.seat)
    assert again.release(lambda announced, body: None) == first


def test_a_seat_restored_after_a_crash_answers_no_other_set(attack):
    kept = []
    attack.prepare(attack.request()).release(lambda announced, body: kept.append(announced))
    restored = CommitteeSeat(
        context=attack.made_up.context,
        member_id=attack.member_id,
        own_header_sha256=attack.made[attack.member_id].header_sha256,
        answered_set_sha256=kept[0],
    )
    other = attack.request(attack.entries_without(attack.others[0]))
    assert attack.code(other, restored) is SumRefusal.SECOND_SET
    # The twin: a seat that forgot answers both, which is why the record comes first.
    assert attack.prepare(other).seat.answered_set_sha256 != kept[0]


def test_an_answer_comes_out_only_after_its_record(attack):
    prepared = attack.prepare(attack.request())
    assert "_body" not in repr(prepared)

    def full_disk(announced, body):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        prepared.release(full_disk)
    recorded = []
    body = prepared.release(lambda *record: recorded.append(record))
    assert recorded == [(prepared.seat.answered_set_sha256, body)]


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


def test_a_seat_is_for_members_of_the_committee_with_their_own_keys(attack):
    seated = attack.made_up.seats
    standing = next(one for one in attack.made_up.ids if one not in seated)
    with pytest.raises(InvalidRoundError):
        attack.made_up.seat(standing, attack.made)
    own, other = attack.made_up.keys[seated[0]], attack.made_up.keys[seated[1]]
    for keys in (other, MemberKeys(own.signing, other.encryption), MemberKeys(other.signing, own.encryption)):
        with pytest.raises(InvalidRoundError):
            attack.seat.prepare(attack.request(), keys)
    with pytest.raises(InvalidRoundError):
        replace(attack.seat, answered_set_sha256=b"short")


def opens(opening):
    try:
        opening.open()
    except MissingAnswersError:
        return False
    return True


def test_no_two_sets_are_opened_however_the_committee_is_split(made_up_round):
    """m = 5, c = 1, real seats: each honest member is told of one of two sets, the colluder answers both."""
    made_up = made_up_round(dimension=1)
    made = made_up.contributions()
    without_one = {one: made[one] for one in made_up.ids[1:]}
    openings = (made_up.announced(made), made_up.announced(without_one))
    answers = [{one: made_up.answer(one, opening, made) for one in made_up.seats} for opening in openings]
    colluder, *honest = made_up.seats

    def opened(split):
        told = [made_up.announced(made), made_up.announced(without_one)]
        for k in (0, 1):
            told[k].add_answer(answers[k][colluder])
            for one, choice in zip(honest, split, strict=True):
                if choice == k:
                    told[k].add_answer(answers[k][one])
        return [opens(opening) for opening in told]

    results = [opened(split) for split in itertools.product((0, 1), repeat=4)]
    assert not any(all(result) for result in results)
    assert results[0] == [True, False]  # the twin: told of one set, they open it
    # The twin: with a majority of three, a split in halves opens both sets.
    made_up.context = replace(made_up.context, committee=replace(made_up.committee, threshold=3))
    made = made_up.contributions()
    without_one = {one: made[one] for one in made_up.ids[1:]}
    openings = (made_up.announced(made), made_up.announced(without_one))
    answers = [{one: made_up.answer(one, opening, made) for one in made_up.seats} for opening in openings]
    assert opened((0, 0, 1, 1)) == [True, True]
