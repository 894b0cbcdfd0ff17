"""What can be wrong with an announced set and with the boxes in it, and how a member refuses each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from highstreet.privacy.secure_sum import CountedMembers, SumRefusal
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.secure_sum_pb2 import ContributionHeader
from tests.privacy.secure_sum.attack import Attack


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
