"""The store's decision on a round: everything is looked at before anything is spent."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.requests import mechanism_of, release_spec
from highstreet.audit.roster import Roster
from highstreet.audit.signing import SignatureKind, sign
from highstreet.client.errors import RoundRefusedError
from highstreet.client.round_answers import Step
from highstreet.client.round_members import CountedRoster
from highstreet.models.programme import apply_sum, initial_state
from highstreet.models.state import SharedState
from highstreet.privacy.secure_sum import open_contribution
from highstreet.protos.rounds_pb2 import (
    REFUSAL_BUDGET,
    REFUSAL_DEADLINE,
    REFUSAL_PARTICIPANTS,
    REFUSAL_REPEATED,
    REFUSAL_SIGNATURE,
    REFUSAL_STATE,
    REFUSAL_UNAVAILABLE,
    REFUSAL_UNREADABLE,
    ContributeStep,
    RoundMessage,
    SignedRequest,
    SumStep,
)
from tests.client.decided_round import VALUES, Till, ask_desk, desk_of, opened_answer
from tests.client.made_up_coop import (
    CHARTER,
    COORDINATOR,
    IDS,
    LIMITS,
    ME,
    NOW,
    PLAN,
    PROGRAMME,
    ROSTER,
    context_of,
    contribute_message,
    fresh_keys,
    member,
    round_request,
)


def test_a_request_in_order_is_paid_for_and_answered_under_its_own_hash() -> None:
    till = Till()
    request = round_request()
    answer = desk_of(till).answer(contribute_message(request))
    reply = opened_answer(answer)
    assert reply.request_sha256 == hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    assert (reply.programme_id, reply.round, reply.member_id) == (PROGRAMME, 0, ME)
    assert (answer.step, answer.phase, answer.is_refused) == (Step.CONTRIBUTION, "popularity", False)
    (asked,) = till.taken
    assert asked.phase == PLAN.phases[0]
    assert asked.mechanism == mechanism_of(PLAN.phases[0], CHARTER, participants=len(IDS))


def test_what_leaves_is_a_contribution_that_the_coordinator_can_check_and_not_read() -> None:
    request = round_request()
    reply = ask_desk(desk_of(Till()), request)
    opened = open_contribution(reply.contribution, context_of(request))
    assert opened.header.contributor_id == ME
    assert len(opened.boxes) == len(context_of(request).committee.members) == 5
    assert VALUES.astype("<i4").tobytes() not in reply.contribution


def test_the_same_request_gets_the_same_bytes_also_after_the_deadline() -> None:
    till = Till()
    body = contribute_message(round_request())
    first = desk_of(till).answer(body)
    assert desk_of(till).answer(body) == first
    assert desk_of(till, now=NOW + 10_000).answer(body) == first
    assert len(till.taken) == 1


def _second_round(state: SharedState) -> bytes:
    request, phase = round_request(), PLAN.phases[1]
    request.round, request.phase = 1, phase.name
    request.state_sha256 = bytes.fromhex(state.sha256())
    request.release.CopyFrom(release_spec(phase, CHARTER, participants=len(IDS)))
    return contribute_message(request, state)


def test_a_later_state_is_taken_only_when_its_phases_could_have_made_it() -> None:
    phase = PLAN.phases[0]
    honest = apply_sum(PLAN, phase, initial_state(PLAN), np.ones(phase.dimension), stores=3, noise_stddev=4.0)
    extreme = honest.updated({"popularity/key": np.full_like(honest["popularity/key"], 1e30)})
    for state in (initial_state(PLAN), extreme, honest.updated({"foreign": np.zeros(1)})):
        till = Till()
        assert opened_answer(desk_of(till).answer(_second_round(state))).refusal == REFUSAL_STATE
        assert till.taken == []
    till = Till()
    assert opened_answer(desk_of(till).answer(_second_round(honest))).contribution
    assert [asked.phase for asked in till.taken] == [PLAN.phases[1]]


def test_the_state_is_the_announced_one_and_the_first_one_is_known() -> None:
    other = SharedState({"x": np.ones(3)})
    announced = round_request()
    announced.state_sha256 = bytes.fromhex(other.sha256())
    signed = RoundMessage.FromString(contribute_message(round_request())).contribute.request
    garbage = RoundMessage(contribute=ContributeStep(request=signed, state=b"garbage")).SerializeToString()
    without = RoundMessage(contribute=ContributeStep(request=signed)).SerializeToString()
    for body in (
        contribute_message(round_request(), other),
        contribute_message(announced, other),
        garbage,
        without,
    ):
        till = Till()
        assert opened_answer(desk_of(till).answer(body)).refusal == REFUSAL_STATE
        assert till.taken == []


def test_a_state_larger_than_the_store_allows_is_refused() -> None:
    desk = desk_of(Till(), limits=replace(LIMITS, max_state_bytes=8))
    assert ask_desk(desk, round_request()).refusal == REFUSAL_STATE


def test_a_contribution_to_a_sum_that_is_settled_without_this_store_costs_nothing() -> None:
    till = Till()
    body = contribute_message(round_request())
    sha256 = opened_answer(desk_of(till, now=NOW + 10_000).answer(body)).request_sha256
    till.sets[sha256] = b"s" * 32
    assert opened_answer(desk_of(till).answer(body)).refusal == REFUSAL_DEADLINE
    assert till.taken == []


def test_nobody_is_added_up_with_members_whose_keys_were_exchanged() -> None:
    """The coordinator's own key in the place of a member's: this shop never vouched for it."""
    swapped = Roster(
        coop_id=ROSTER.coop_id,
        number=7,
        members=tuple(
            member(each.member_id, fresh_keys()) if each.member_id == IDS[3] else each
            for each in ROSTER.members
        ),
    )
    counted = frozenset(IDS) - {IDS[3]}
    till = Till()
    desk = desk_of(
        till, find=lambda sha256, participants, opened_at: CountedRoster(roster=swapped, counted=counted)
    )
    assert ask_desk(desk, round_request()).refusal == REFUSAL_PARTICIPANTS
    assert till.taken == []


def test_a_member_whose_encryption_key_everybody_can_open_is_no_participant() -> None:
    weak = replace(ROSTER.members[3], encryption_public_key=bytes(32))
    roster = replace(ROSTER, members=(*ROSTER.members[:3], weak, *ROSTER.members[4:]))
    till = Till()
    desk = desk_of(
        till,
        find=lambda sha256, participants, opened_at: CountedRoster(roster=roster, counted=frozenset(IDS)),
    )
    assert ask_desk(desk, round_request()).refusal == REFUSAL_PARTICIPANTS
    assert till.taken == []


def test_another_request_for_the_same_round_is_refused_as_repeated() -> None:
    till = Till()
    desk = desk_of(till)
    ask_desk(desk, round_request())
    again = round_request()
    again.opened_unix_seconds -= 1
    again.deadline_unix_seconds -= 1
    assert ask_desk(desk, again).refusal == REFUSAL_REPEATED
    assert len(till.taken) == 1


def test_a_full_budget_is_a_refusal_like_any_other() -> None:
    till = Till(refuse_with=RoundRefusedError(REFUSAL_BUDGET, "nobody's budget allows it"))
    assert ask_desk(desk_of(till), round_request()).refusal == REFUSAL_BUDGET


def test_an_error_in_the_store_says_unavailable_and_not_a_word_more() -> None:
    body = contribute_message(round_request())
    quiet = desk_of(Till(refuse_with=KeyError("customer 17 bought plum jam"))).answer(body)
    other = desk_of(Till(refuse_with=ZeroDivisionError("17"))).answer(body)
    assert quiet == other
    assert b"plum" not in quiet.body
    assert opened_answer(quiet).refusal == REFUSAL_UNAVAILABLE


@given(st.binary(max_size=300))
def test_any_bytes_get_a_signed_refusal(body: bytes) -> None:
    till = Till()
    reply = opened_answer(desk_of(till).answer(body))
    assert reply.refusal in {REFUSAL_UNREADABLE, REFUSAL_SIGNATURE}
    assert till.taken == []


@given(st.binary(max_size=300), st.sampled_from(["contribute", "inspect", "agree", "open"]))
def test_any_bytes_the_coordinator_signed_get_a_refusal(content: bytes, step: str) -> None:
    signed = SignedRequest(request=content, signature=sign(SignatureKind.REQUEST, content, COORDINATOR))
    kind = ContributeStep if step == "contribute" else SumStep
    body = RoundMessage(**{step: kind(request=signed)}).SerializeToString()
    till = Till()
    assert opened_answer(desk_of(till).answer(body)).WhichOneof("outcome") == "refusal"
    assert (till.taken, till.sets) == ([], {})
