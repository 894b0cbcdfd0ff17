from __future__ import annotations

import numpy as np
import pytest

from highstreet.privacy.secure_sum import SumRefusal, SumRefusedError, contribute, open_contribution
from highstreet.privacy.secure_sum.errors import InvalidRoundError, InvalidVectorError
from highstreet.privacy.secure_sum.field import HALF
from highstreet.privacy.secure_sum.limits import CONTRIBUTION_LIMIT_BYTES, MAX_DIMENSION
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.protos.secure_sum_pb2 import Contribution, ContributionHeader


@pytest.fixture
def made_up(made_up_round):
    return made_up_round()


def opened_code(body, made_up):
    with pytest.raises(SumRefusedError) as refused:
        open_contribution(body, made_up.context)
    return refused.value.code


def test_a_contribution_passes_the_coordinators_checks(made_up):
    one = made_up.ids[0]
    made = made_up.contribution(one)
    opened = open_contribution(made.body, made_up.context)
    assert opened.header.contributor_id == one
    assert opened.header.sha256 == made.header_sha256
    # m = 5, t = 4: three seeds and two vectors of seven coordinates, 16 bytes of tag each.
    assert [len(box) for box in opened.boxes] == [48, 48, 48, 44, 44]


def test_nothing_of_a_contribution_comes_twice(made_up_round):
    """Fresh entropy: the same vector shared again has no key, box or digest in common."""
    made_up = made_up_round()
    one = made_up.ids[0]
    signing_key, vector = made_up.keys[one].signing, made_up.vector(one)
    bodies = [
        contribute(made_up.context, vector, member_id=one, signing_key=signing_key).body for _ in range(2)
    ]
    first, second = (open_contribution(body, made_up.context) for body in bodies)
    assert first.header.ephemeral_public_key != second.header.ephemeral_public_key
    assert not set(first.boxes) & set(second.boxes)


def test_entropy_is_asked_for_a_key_and_t_minus_1_seeds(made_up):
    asked = []

    def entropy(count):
        asked.append(count)
        return bytes([len(asked)]) * count

    one = made_up.ids[0]
    vector, signing_key = made_up.vector(one), made_up.keys[one].signing
    contribute(made_up.context, vector, member_id=one, signing_key=signing_key, entropy=entropy)
    assert asked == [32] * 4
    with pytest.raises(InvalidRoundError, match="too few bytes"):
        contribute(
            made_up.context, vector, member_id=one, signing_key=signing_key, entropy=lambda count: b"short"
        )


@pytest.mark.parametrize(
    "wrong",
    [np.zeros(6, dtype=np.int64), np.zeros((7, 1), dtype=np.int64), np.zeros(7), np.full(7, HALF + 1)],
)
def test_a_vector_that_cannot_be_summed_is_not_shared(made_up, wrong):
    with pytest.raises(InvalidVectorError):
        made_up.contribution(made_up.ids[0], wrong)


def test_only_a_counted_member_contributes_under_its_own_key(made_up):
    one, other, *_ = made_up.ids
    vector = made_up.vector(one)
    for member_id, key in ((one, made_up.keys[other].signing), ("f" * 16, made_up.keys[one].signing)):
        with pytest.raises(InvalidRoundError):
            contribute(made_up.context, vector, member_id=member_id, signing_key=key)


def test_three_vectors_of_the_largest_dimension_fit_and_five_of_most_others(made_up_round):
    def fits(m, c, dimension):
        context = made_up_round(n=m, m=m, c=c, floor=max(3, c + 1), dimension=dimension).context
        return sum(context.box_bytes(x) for x in range(1, m + 1)) < CONTRIBUTION_LIMIT_BYTES - 2048

    for m in range(3, 10):
        for c in range(m):
            vectors = m - (m + c) // 2
            assert fits(m, c, MAX_DIMENSION) == (vectors <= 3)
            assert fits(m, c, 3_350_000)


def test_a_round_of_too_many_coordinates_is_none(made_up_round):
    with pytest.raises(InvalidRoundError):
        made_up_round(dimension=MAX_DIMENSION + 1)
    with pytest.raises(InvalidRoundError):
        made_up_round(dimension=0)


def test_truncated_bytes_are_refused(made_up):
    body = made_up.contribution(made_up.ids[0]).body
    for cut in range(len(body)):
        with pytest.raises(SumRefusedError):
            open_contribution(body[:cut], made_up.context)
    assert opened_code(body + b"\x00", made_up) is SumRefusal.UNREADABLE
    assert opened_code(bytes(CONTRIBUTION_LIMIT_BYTES + 1), made_up) is SumRefusal.UNREADABLE


def test_a_header_has_one_spelling_only(made_up):
    one = made_up.ids[0]
    message = Contribution.FromString(made_up.contribution(one).body)
    key = made_up.keys[one].signing
    unknown_field = message.header + b"\x78\x01"
    spelled_twice = message.header + message.header[:2]
    long_header = message.header + b"\x7a\x84\x08" + bytes(1028)
    for header in (unknown_field, spelled_twice, long_header):
        message.header, message.signature = header, sign(Signed.CONTRIBUTION, header, key)
        assert opened_code(message.SerializeToString(), made_up) is SumRefusal.UNREADABLE


@pytest.mark.parametrize(
    "field", ["request_sha256", "committee_sha256", "ephemeral_public_key", "box_sha256"]
)
def test_a_hash_or_key_of_another_size_is_refused(made_up, field):
    one = made_up.ids[0]
    message = Contribution.FromString(made_up.contribution(one).body)
    header = ContributionHeader.FromString(message.header)
    if field == "box_sha256":
        header.box_sha256[2] = bytes(33)
    else:
        setattr(header, field, bytes(31))
    message.header = header.SerializeToString(deterministic=True)
    message.signature = sign(Signed.CONTRIBUTION, message.header, made_up.keys[one].signing)
    assert opened_code(message.SerializeToString(), made_up) is SumRefusal.UNREADABLE


def test_boxes_swapped_cut_or_left_out_are_refused(made_up):
    body = made_up.contribution(made_up.ids[0]).body

    def changed(change):
        message = Contribution.FromString(body)
        boxes = list(message.boxes)
        change(boxes)
        del message.boxes[:]
        message.boxes.extend(boxes)
        return opened_code(message.SerializeToString(), made_up)

    def swap(boxes):
        boxes[0], boxes[1] = boxes[1], boxes[0]

    def cut(boxes):
        boxes[4] = boxes[4][:-1]

    assert changed(swap) is SumRefusal.BOX_DIGEST
    assert changed(cut) is SumRefusal.BOX_SIZE
    assert changed(lambda boxes: boxes.pop()) is SumRefusal.BOX_COUNT
    assert changed(lambda boxes: boxes.append(boxes[0])) is SumRefusal.BOX_COUNT
    assert changed(lambda boxes: boxes.extend(boxes)) is SumRefusal.UNREADABLE
