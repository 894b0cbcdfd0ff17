from __future__ import annotations

import contextlib

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.wire import element, refuse_many_fields, take_elements
from highstreet.protos.secure_sum_pb2 import Contribution, SumEntry, SumRequest


@given(st.lists(st.binary(max_size=300), max_size=9), st.binary(max_size=300))
def test_messages_of_few_fields_pass_and_one_field_more_does_not(boxes, header):
    body = Contribution(header=header, boxes=boxes).SerializeToString()
    fields = len(boxes) + bool(header)
    refuse_many_fields(body, at_most=fields)
    if fields:
        with pytest.raises(SumRefusedError) as refused:
            refuse_many_fields(body, at_most=fields - 1)
        assert refused.value.code is SumRefusal.UNREADABLE


def test_millions_of_empty_elements_are_refused_before_they_are_parsed():
    body = b"\x22\x00" * 3_000_000  # empty entries of a sum request
    assert SumRequest.FromString(body[:6]).entries == [SumEntry()] * 3
    with pytest.raises(SumRefusedError):
        refuse_many_fields(body, at_most=1028)


@given(st.binary(max_size=60))
def test_no_bytes_do_anything_but_pass_or_be_refused(body):
    with contextlib.suppress(SumRefusedError):
        refuse_many_fields(body, at_most=20)


@pytest.mark.parametrize("body", [b"\x0a", b"\x0a\x05ab", b"\x09\x00", b"\x0b", b"\xff" * 12, b"\x0d\x00"])
def test_truncated_fields_and_unknown_kinds_are_refused(body):
    with pytest.raises(SumRefusedError):
        refuse_many_fields(body, at_most=20)


@given(st.lists(st.binary(max_size=300), max_size=9), st.binary(max_size=300), st.binary(max_size=70))
def test_elements_and_rest_are_what_the_parser_finds(boxes, header, signature):
    whole = Contribution(header=header, signature=signature, boxes=boxes)
    taken, rest = take_elements(whole.SerializeToString(), 3, at_most=11)
    assert [bytes(one) for one in taken] == boxes
    assert Contribution.FromString(rest) == Contribution(header=header, signature=signature)


@given(st.lists(st.binary(max_size=300), max_size=9), st.binary(max_size=300))
def test_elements_are_written_as_the_library_writes_them(boxes, header):
    pieces = [piece for box in boxes for piece in element(3, box[:1], box[1:])]
    written = b"".join((Contribution(header=header).SerializeToString(), *pieces))
    assert written == Contribution(header=header, boxes=boxes).SerializeToString()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_lengths_are_written_as_the_library_writes_them(size):
    assert b"".join(element(3, bytes(size))) == Contribution(boxes=[bytes(size)]).SerializeToString()


def parsed(body):
    """What the parser makes of a contribution; None when it makes nothing of it."""
    try:
        return Contribution.FromString(body)
    except DecodeError:
        return None


FIELDS = st.one_of(
    st.tuples(st.sampled_from([b"\x0a", b"\x12", b"\x1a", b"\x9a\x00", b"\x22"]), st.binary(max_size=5)).map(
        lambda field: field[0] + bytes([len(field[1])]) + field[1]
    ),
    st.sampled_from([b"\x18\x05", b"\x08\x01", b"\x1d\x01\x02\x03\x04", b"\x1a\x82\x00ab"]),
    st.binary(max_size=4),
)


@given(st.lists(FIELDS, max_size=6).map(b"".join))
def test_hostile_messages_are_refused_or_read_as_the_parser_reads_them(body):
    """Repeated fields, unknown ones, known ones of another kind, tags and lengths spelled the long way."""
    try:
        taken, rest = take_elements(body, 3, at_most=40)
    except SumRefusedError:
        return
    whole, others = parsed(body), parsed(rest)
    if whole is None:
        assert others is None
        return
    assert [bytes(one) for one in taken] == list(whole.boxes)
    assert (others.header, others.signature, list(others.boxes)) == (whole.header, whole.signature, [])


def test_elements_of_more_fields_than_allowed_are_refused():
    body = b"\x1a\x00" * 3_000_000
    assert len(take_elements(body[:18], 3, at_most=9)[0]) == 9
    for wrong in (body, body[:20]):
        with pytest.raises(SumRefusedError):
            take_elements(wrong, 3, at_most=9)
