from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.privacy.secure_sum.errors import SumRefusal, SumRefusedError
from highstreet.privacy.secure_sum.wire import refuse_many_fields
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
