"""Requests that are joined and taken apart here, against the library of messages."""

from __future__ import annotations

import pytest

from highstreet.privacy.secure_sum import SumRefusal, SumRefusedError, open_contribution
from highstreet.privacy.secure_sum.answer import read_answer
from highstreet.privacy.secure_sum.set_messages import read_set_message
from highstreet.privacy.secure_sum.signatures import Signed, sign
from highstreet.privacy.secure_sum.wire import element
from highstreet.protos.secure_sum_pb2 import (
    Contribution,
    SignedSumAnswer,
    SumAgreementRequest,
    SumAnswer,
    SumEntry,
    SumInspectionRequest,
    SumRefusalCode,
    SumRequest,
)


@pytest.fixture(params=[3, 70_000])
def held(made_up_round, request):
    made_up = made_up_round(dimension=request.param)
    made = made_up.contributions()
    return made_up, made, made_up.agreed(made)


def test_every_message_with_boxes_or_values_has_the_bytes_the_library_gives_it(held, coordinator_key):
    made_up, made, opening = held
    inspections = made_up.opening(made).inspections(coordinator_key)
    for one in made_up.seats:
        for body, kind in (
            (inspections.request(one), SumInspectionRequest),
            (opening.sum_request(one), SumRequest),
            (made_up.answer(one, opening, made), SignedSumAnswer),
        ):
            assert kind.FromString(body).SerializeToString(deterministic=True) == body
    for each in made.values():
        assert Contribution.FromString(each.body).SerializeToString(deterministic=True) == each.body


def test_a_request_is_read_as_the_library_reads_it(held):
    made_up, _, opening = held
    for one in made_up.seats:
        body = opening.sum_request(one)
        read, whole = read_set_message(body, SumRequest), SumRequest.FromString(body)
        assert [bytes(box) for box in read.boxes] == [entry.box for entry in whole.entries]
        for entry in whole.entries:
            entry.ClearField("box")
        assert read.message == whole
        asked = opening.agreement_request(one)
        assert read_set_message(asked, SumAgreementRequest).message == SumAgreementRequest.FromString(asked)


def test_an_entry_without_a_box_is_read_as_one_with_an_empty_box():
    body = SumRequest(format_version=1, entries=[SumEntry(header=b"h"), SumEntry(box=b"b")])
    read = read_set_message(body.SerializeToString(), SumRequest)
    assert [bytes(box) for box in read.boxes] == [b"", b"b"]
    assert [entry.header for entry in read.message.entries] == [b"h", b""]


def test_an_entry_of_more_fields_than_it_has_is_refused():
    entry = SumEntry(header=b"h", signature=b"s", box=b"b").SerializeToString()
    for extra in (b"\x1a\x01c", b"\x1a\x00" * 3_000_000, b"\x20\x01"):
        body = b"".join((SumRequest(format_version=1).SerializeToString(), *element(4, entry, extra)))
        assert len(SumRequest.FromString(body).entries) == 1
        with pytest.raises(SumRefusedError) as refused:
            read_set_message(body, SumRequest)
        assert refused.value.code is SumRefusal.UNREADABLE


def test_an_answer_that_also_refuses_is_unreadable(made_up_round):
    """The library would take the last of the two; an honest member signs one."""
    made_up = made_up_round()
    made = made_up.contributions()
    opening, one = made_up.agreed(made), made_up.seats[0]
    body = made_up.answer(one, opening, made)
    answered = SignedSumAnswer.FromString(body).answer
    refusal = SumAnswer(refusal=SumRefusalCode.SUM_REFUSAL_FLOOR).SerializeToString()
    assert read_answer(body, made_up.context).refusal is None
    for both in (answered + refusal, refusal + answered):
        signature = sign(Signed.SUM_ANSWER, both, made_up.keys[one].signing)
        with pytest.raises(SumRefusedError) as refused:
            read_answer(
                SignedSumAnswer(answer=both, signature=signature).SerializeToString(), made_up.context
            )
        assert refused.value.code is SumRefusal.UNREADABLE


def test_boxes_of_an_opened_contribution_cannot_be_changed(made_up_round):
    made_up = made_up_round()
    opened = open_contribution(made_up.contribution(made_up.ids[0]).body, made_up.context)
    for box in opened.boxes:
        with pytest.raises(TypeError):
            box[0] = 1
