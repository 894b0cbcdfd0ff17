"""What can be wrong with the agreements to a set, and how a member refuses each."""

from __future__ import annotations

from highstreet.privacy.secure_sum import SumRefusal
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.secure_sum_pb2 import SignedSumAgreement


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
