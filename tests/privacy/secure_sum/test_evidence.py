"""A sum that its reader opens again, whoever shows it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from highstreet.privacy.secure_sum import SumRefusal, SumRefusedError, read_evidence, sum_evidence
from highstreet.privacy.secure_sum.answer import signed_answer, signed_refusal
from highstreet.privacy.secure_sum.field import MODULUS, from_bytes, lagrange_coefficients, to_bytes
from highstreet.protos.secure_sum_pb2 import SignedSumAnswer, SumAnswer, SumEvidence, SumHeader


class Shown:
    """A round with every answer at hand, for one reader who wants c answers beyond the threshold."""

    def __init__(self, made_up, *, colluders):
        self.made_up = made_up
        self.colluders = colluders
        self.made = made_up.contributions()
        self.opening = made_up.agreed(self.made)
        self.answers = {one: made_up.answer(one, self.opening, self.made) for one in made_up.seats}
        self.total = sum(made_up.vector(one) for one in made_up.ids)

    @property
    def wanted(self):
        return self.made_up.committee.threshold + self.colluders

    def evidence(self, answers=None, headers=None):
        chosen = list(self.answers.values())[: self.wanted] if answers is None else answers
        return sum_evidence(
            self.made_up.context, self.opening.announced_headers() if headers is None else headers, chosen
        )

    def read(self, body):
        return read_evidence(body, self.made_up.context, surplus=self.colluders)

    def code(self, body):
        with pytest.raises(SumRefusedError) as refused:
            self.read(body)
        return refused.value.code

    def values(self, member_id):
        answer = SumAnswer.FromString(SignedSumAnswer.FromString(self.answers[member_id]).answer)
        return from_bytes(answer.values, dimension=self.made_up.context.dimension)

    def signed(self, member_id, values, *, signer=None, set_sha256=None):
        return signed_answer(
            self.made_up.context,
            member_id,
            self.made_up.keys[signer or member_id].signing,
            set_sha256=self.opening.set_sha256 if set_sha256 is None else set_sha256,
            values=to_bytes(values),
        )


@pytest.fixture
def shown(made_up_round):
    """m = 6, c = 1, t = 4: five answers are wanted."""
    return Shown(made_up_round(n=6, m=6, c=1), colluders=1)


@pytest.fixture
def friends(made_up_round):
    """m = 9, c = 2, t = 6: eight answers are wanted."""
    return Shown(made_up_round(n=9, m=9, c=2), colluders=2)


def test_whichever_t_plus_c_true_answers_are_shown_the_sum_is_read(shown):
    for chosen in itertools.combinations(shown.answers.values(), shown.wanted):
        read = shown.read(shown.evidence(chosen))
        assert np.array_equal(read.values, shown.total)
        assert read.contributors == tuple(sorted(shown.made_up.ids))
    assert shown.read(shown.evidence(list(shown.answers.values()))).values.dtype == np.int64


def test_one_answer_fewer_is_not_believed(shown):
    few = list(shown.answers.values())[: shown.wanted - 1]
    assert shown.code(shown.evidence(few)) is SumRefusal.FEW_ANSWERS
    # The twin: a reader that wants no surplus believes them.
    assert np.array_equal(
        read_evidence(shown.evidence(few), shown.made_up.context, surplus=0).values, shown.total
    )


def _forged(friends, liars, target):
    """Answers of the liars such that t of all answers, theirs among them, open to another sum."""
    positions = {one: at for at, one in enumerate(friends.made_up.seats, start=1)}
    honest = [one for one in friends.made_up.seats if one not in liars]
    fixed = honest[: friends.made_up.committee.threshold - 1]
    points = [0, *(positions[one] for one in fixed)]
    vectors = [target % MODULUS, *(friends.values(one).astype(object) for one in fixed)]
    forged = {}
    for liar in liars:
        coefficients = lagrange_coefficients(points, at=positions[liar], modulus=MODULUS)
        value = sum(int(c) * v.astype(object) for c, v in zip(coefficients, vectors, strict=True)) % MODULUS
        forged[liar] = friends.signed(liar, value.astype(np.uint32))
    return forged, fixed


def test_up_to_c_false_answers_are_seen_whoever_lies_and_however_they_fit_each_other(friends):
    """The coordinator halves a sum with c members: without the surplus its answers open to the half."""
    half = (friends.total // 2).astype(object)
    context = friends.made_up.context
    for liars in itertools.combinations(friends.made_up.seats, 2):
        forged, fixed = _forged(friends, liars, half)
        enough = [*forged.values(), *(friends.answers[one] for one in fixed[:-1])]
        body = friends.evidence(enough)
        # The twin: a reader that takes t answers for enough reads the half.
        assert np.array_equal(read_evidence(body, context, surplus=0).values, half.astype(np.int64))
        others = [one for one in friends.made_up.seats if one not in liars]
        for chosen in itertools.combinations(others, friends.wanted - 2):
            body = friends.evidence([*forged.values(), *(friends.answers[one] for one in chosen)])
            assert friends.code(body) is SumRefusal.CONTRADICTION


def test_more_than_c_liars_are_believed_which_is_what_c_means(friends):
    half = (friends.total // 2).astype(object)
    liars = friends.made_up.seats[:3]
    forged, fixed = _forged(friends, liars, half)
    body = friends.evidence([*forged.values(), *(friends.answers[one] for one in fixed)])
    assert np.array_equal(friends.read(body).values, half.astype(np.int64))


def test_each_defect_has_its_code(shown, made_up_round):
    first, second = shown.made_up.seats[:2]
    whole = SumEvidence.FromString(shown.evidence())

    def changed(**fields):
        other = SumEvidence()
        other.CopyFrom(whole)
        for name, value in fields.items():
            if isinstance(value, list):
                other.ClearField(name)
                getattr(other, name).extend(value)
            else:
                setattr(other, name, value)
        return other.SerializeToString()

    headers, answers = list(whole.headers), list(shown.answers.values())
    altered = SumHeader(header=headers[0].header, signature=bytes(64))
    other_set = shown.signed(first, shown.values(first), set_sha256=b"s" * 32)
    forged = shown.signed(first, shown.values(first), signer=second)
    refusal = signed_refusal(
        shown.made_up.context, first, shown.made_up.keys[first].signing, SumRefusal.UNAVAILABLE
    )
    short = shown.signed(first, shown.values(first)[:-1])
    assert shown.code(b"\xff") is SumRefusal.UNREADABLE
    assert shown.code(changed(format_version=2)) is SumRefusal.VERSION
    assert shown.code(changed(request_sha256=b"r" * 32)) is SumRefusal.OTHER_REQUEST
    assert shown.code(changed(headers=headers[:2])) is SumRefusal.FLOOR
    assert shown.code(changed(headers=[altered, *headers[1:]])) is SumRefusal.CONTRIBUTOR_SIGNATURE
    assert shown.code(changed(headers=[*headers, headers[0]])) is SumRefusal.REPEATED_CONTRIBUTOR
    assert shown.code(changed(headers=headers[1:])) is SumRefusal.OTHER_SET
    for wrong, code in (
        (other_set, SumRefusal.OTHER_SET),
        (refusal, SumRefusal.OTHER_SET),
        (forged, SumRefusal.MEMBER_SIGNATURE),
        (short, SumRefusal.ANSWER_SIZE),
        (answers[1], SumRefusal.REPEATED_ANSWER),
    ):
        assert shown.code(shown.evidence([wrong, *answers[1:5]])) is code
    stranger = Shown(made_up_round(n=6, m=6, c=1, request="another"), colluders=1)
    assert shown.code(stranger.evidence()) is SumRefusal.OTHER_REQUEST


def test_millions_of_empty_fields_are_refused_before_they_are_parsed(shown):
    assert shown.code(b"\x1a\x00" * 2_000_000) is SumRefusal.UNREADABLE


def test_the_same_answers_make_the_same_bytes(shown):
    assert shown.evidence() == shown.evidence()
