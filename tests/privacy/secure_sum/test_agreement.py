"""Whatever a coordinator with colluding members asks of whom, honest members' shares are of one set."""

from __future__ import annotations

import hashlib
import itertools
import random
from dataclasses import replace

import numpy as np
import pytest

from highstreet.privacy.secure_sum import SumRefusal, SumRefusedError, member
from highstreet.privacy.secure_sum.announced_set import announcement, set_sha256
from highstreet.privacy.secure_sum.errors import MissingAgreementsError
from highstreet.privacy.secure_sum.field import MODULUS, centre
from highstreet.privacy.secure_sum.opening import OpeningState
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.secure_sum_pb2 import (
    Contribution,
    SignedSumAgreement,
    SignedSumAnswer,
    SumAnswer,
    SumRequest,
)


class Adversary:
    """A coordinator that asks anybody anything, with members who agree to all it likes."""

    def __init__(self, made_up, coordinator_key, colluders):
        self.made_up = made_up
        self.coordinator_key = coordinator_key
        self.made = made_up.contributions()
        self.colluders = colluders
        self.seats = {one: made_up.seat(one, self.made) for one in made_up.seats if one not in colluders}
        self.collected = {}
        self.answers = {}
        self.codes = set()

    def name(self, ids):
        return set_sha256(self.made[one].header_sha256 for one in ids)

    def ask_to_agree(self, one, ids):
        """Return whether the honest member agrees to the set."""
        some = {contributor: self.made[contributor] for contributor in ids}
        request = self.made_up.announced(some).agreement_request(one)
        try:
            prepared = self.seats[one].agree(request, self.made_up.keys[one])
        except SumRefusedError as refused:
            self.codes.add(refused.code)
            return False
        self.seats[one] = prepared.seat
        self.collected.setdefault(self.name(ids), {})[one] = prepared.release(lambda announced: None)
        return True

    def agreements(self, ids):
        """All that there are to the set, the colluders' among them."""
        some = {contributor: self.made[contributor] for contributor in ids}
        opening = self.made_up.announced(some)
        own = {one: self.made_up.agreement(one, opening, self.made) for one in self.colluders}
        return {**self.collected.get(self.name(ids), {}), **own}

    def ask_for_its_share(self, one, ids):
        """Return whether the honest member answers; its share is then in `answers`."""
        request = self.sum_request(one, ids)
        try:
            prepared = self.seats[one].prepare(request, self.made_up.keys[one])
        except SumRefusedError as refused:
            self.codes.add(refused.code)
            return False
        self.seats[one] = prepared.seat
        body = prepared.release(lambda announced: None)
        values = SumAnswer.FromString(SignedSumAnswer.FromString(body).answer).values
        self.answers[self.name(ids), one] = np.frombuffer(values, dtype="<u4").astype(np.int64)
        return True

    def sum_request(self, one, ids):
        context, position = self.made_up.context, self.made_up.committee.position(one)
        messages = [Contribution.FromString(self.made[contributor].body) for contributor in ids]
        name = set_sha256(hashlib.sha256(message.header).digest() for message in messages)
        request = SumRequest(
            format_version=1,
            request_sha256=context.request_sha256,
            member_id=one,
            agreements=[SignedSumAgreement.FromString(body) for body in self.agreements(ids).values()],
            signature=sign(
                Signed.SUM_REQUEST, announcement(context.request_sha256, one, name), self.coordinator_key
            ),
        )
        for message in messages:
            request.entries.add(
                header=message.header, signature=message.signature, box=message.boxes[position - 1]
            )
        return request.SerializeToString()

    def sets_answered(self):
        return {name for name, _ in self.answers}


def three_sets(adversary):
    """Seat 2 is told of I, seat 3 of J, seat 4 of both together; each is asked to agree, then to answer."""
    first, second = adversary.made_up.ids[:3], adversary.made_up.ids[3:]
    told = dict(zip(adversary.made_up.seats[1:], (first, second, [*first, *second]), strict=True))
    for one, ids in told.items():
        assert adversary.ask_to_agree(one, ids)
    return first, second, [adversary.ask_for_its_share(one, ids) for one, ids in told.items()]


def test_three_sets_none_of_which_can_be_opened_give_nothing_away(
    made_up_round, coordinator_key, monkeypatch
):
    """m = 4, c = 1, t = 3, the colluder in seat 1; the twin skips the agreements and leaks 3 I + J.

    For every parabola 3 f(0) = 8 f(1) - 6 f(2) + f(4) and f(0) = 2 f(1) - 2 f(3) + f(4).
    """
    made_up = made_up_round(n=6, m=4)
    assert made_up.committee.threshold == 3
    colluder, *told = made_up.seats
    adversary = Adversary(made_up, coordinator_key, [colluder])
    _, _, answered = three_sets(adversary)
    assert answered == [False, False, False]
    assert adversary.answers == {}

    monkeypatch.setattr(member, "check_agreements", lambda *args, **kwargs: None)
    adversary = Adversary(made_up, coordinator_key, [colluder])
    first, second, answered = three_sets(adversary)
    assert answered == [True, True, True]
    own = Adversary(made_up, coordinator_key, [])  # the colluder's own seat opens what is sealed to it
    assert own.ask_for_its_share(colluder, first)
    own.seats[colluder] = made_up.seat(colluder, own.made)
    assert own.ask_for_its_share(colluder, second)
    at_one = [own.answers[own.name(ids), colluder] for ids in (first, second)]
    at_two, at_three, at_four = adversary.answers.values()
    mixture = (8 * at_one[0] + 2 * at_one[1] - 6 * at_two - 2 * at_three + at_four) % MODULUS
    sums = [sum(made_up.vector(one) for one in ids) for ids in (first, second)]
    assert told == [one for _, one in adversary.answers]
    assert np.array_equal(centre(mixture.astype(np.uint32)), 3 * sums[0] + sums[1])


def campaign(made_up_round, coordinator_key, seed, *, forgetful=False):
    """Ask random honest members about random sets, in any order, to agree or to answer."""
    generator = random.Random(seed)  # noqa: S311 - reproducible cases
    m = generator.randint(3, 9)
    c = generator.randint(0, m // 2)
    made_up = made_up_round(n=max(m, 5), m=m, c=c, floor=max(3, c + 1), dimension=1)
    adversary = Adversary(made_up, coordinator_key, generator.sample(made_up.seats, c))
    sizes = [generator.randint(made_up.context.floor, len(made_up.ids)) for _ in range(3)]
    sets = [generator.sample(made_up.ids, size) for size in sizes]
    for _ in range(4 * m):
        one, ids = generator.choice(list(adversary.seats)), generator.choice(sets)
        if generator.random() < 0.5:
            adversary.ask_to_agree(one, ids)
        else:
            adversary.ask_for_its_share(one, ids)
        if forgetful:
            adversary.seats[one] = made_up.seat(one, adversary.made)
    assert adversary.codes <= {SumRefusal.SECOND_SET, SumRefusal.FEW_AGREEMENTS}
    return len(adversary.sets_answered())


def test_whatever_is_asked_of_whom_honest_members_answer_for_one_set(
    made_up_round, coordinator_key, monkeypatch
):
    answered = [campaign(made_up_round, coordinator_key, seed) for seed in range(30)]
    assert set(answered) == {0, 1}
    # The twins: members that forget what they agreed to, and members that skip the agreements.
    assert any(campaign(made_up_round, coordinator_key, seed, forgetful=True) > 1 for seed in range(30))
    monkeypatch.setattr(member, "check_agreements", lambda *args, **kwargs: None)
    assert any(campaign(made_up_round, coordinator_key, seed) > 1 for seed in range(30))


def test_no_two_sets_are_agreed_to_however_the_committee_is_split(made_up_round):
    """m = 5, c = 1: each honest member is told of one of two sets, the colluder agrees to both."""

    def agreed(made_up, split):
        made = made_up.contributions()
        openings = (
            made_up.announced(made),
            made_up.announced({one: made[one] for one in made_up.ids[1:]}),
        )
        colluder, *honest = made_up.seats
        for k, opening in enumerate(openings):
            told = [one for one, choice in zip(honest, split, strict=True) if choice == k]
            for one in (colluder, *told):
                opening.add_agreement(made_up.agreement(one, opening, made))
        return [opening.state is OpeningState.AGREED for opening in openings]

    made_up = made_up_round(dimension=1)
    splits = list(itertools.product((0, 1), repeat=4))
    results = [agreed(made_up, split) for split in splits]
    assert not any(all(result) for result in results)
    assert results[0] == [True, False]  # told of one set, they agree
    # The twin: with a majority of three, a split in halves agrees to both.
    made_up.context = replace(made_up.context, committee=replace(made_up.committee, threshold=3))
    assert agreed(made_up, (0, 0, 1, 1)) == [True, True]


def test_a_member_that_was_away_answers_on_the_agreements_of_others(made_up_round):
    made_up = made_up_round(n=6, m=6, dimension=2)
    made = made_up.contributions()
    away, *others = made_up.seats
    opening = made_up.agreed(made, others[:4])
    kept = []
    prepared = made_up.seat(away, made).prepare(opening.sum_request(away), made_up.keys[away])
    body = prepared.release(kept.append)
    assert kept == [opening.set_sha256]  # bound to the set before its share leaves
    opening.add_answer(body)
    for one in others[2:]:
        opening.add_answer(made_up.answer(one, opening, made))
    assert np.array_equal(opening.open().values, sum(made_up.vector(one) for one in made_up.ids))
    # The twin: on the agreements of three it is not even asked.
    with pytest.raises(MissingAgreementsError):
        made_up.agreed(made, others[:3]).sum_request(away)
