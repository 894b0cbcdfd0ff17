"""What the coordinator asks, which replies it accepts, when a round is over."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from played_coop import PROGRAMME, made_charter

from highstreet.audit.charter import RoundTerms
from highstreet.audit.requests import (
    mechanism_of,
    open_request,
    refuse_odd_sizes,
    release_spec,
    seal_reply,
    sign_request,
)
from highstreet.audit.requests import request_sha256 as name_of
from highstreet.models.programme import initial_state
from highstreet.privacy.errors import InvalidReleaseError
from highstreet.protos.rounds_pb2 import (
    REFUSAL_BUDGET,
    REFUSAL_UNAVAILABLE,
    RoundReply,
    RoundRequest,
)
from highstreet.server.errors import OddReplyError
from highstreet.server.membership import Member
from highstreet.server.rounds import (
    PATIENCE_SECONDS,
    Contributed,
    Decision,
    Refusal,
    Tally,
    build_request,
    read_reply,
    required_stores,
)

CHARTER = made_charter()
PHASE = CHARTER.plan.phases[0]
STATE = initial_state(CHARTER.plan).to_bytes()
COORDINATOR = Ed25519PrivateKey.generate()
STORE = Ed25519PrivateKey.generate()
PARTICIPANTS = [f"{number:016x}" for number in (3, 1, 2, 4)]
ME = PARTICIPANTS[1]


def _member(key: Ed25519PrivateKey = STORE, member_id: str = ME) -> Member:
    return Member(
        member_id=member_id,
        name=member_id,
        signing_public_key=key.public_key().public_bytes_raw(),
        encryption_public_key=b"",
        node_public_key=b"",
        node_id=1,
        certificate_pem=b"",
        joined_at=1,
        left_at=None,
    )


def _request() -> tuple[RoundRequest, bytes]:
    request = build_request(
        CHARTER,
        PHASE,
        STATE,
        programme_id=PROGRAMME,
        roster_sha256=bytes(32),
        participants=PARTICIPANTS,
        opened_at=1000,
        as_of_day=20_000,
    )
    return request, hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def _reply(**changes: object) -> RoundReply:
    request, sha256 = _request()
    reply = RoundReply(
        format_version=1,
        coop_id=request.coop_id,
        programme_id=request.programme_id,
        round=request.round,
        request_sha256=sha256,
        member_id=ME,
        contribution=b"shares",
    )
    for name, value in changes.items():
        setattr(reply, name, value)
    return reply


def _read(reply: RoundReply, key: Ed25519PrivateKey = STORE) -> Contributed | Refusal:
    request, sha256 = _request()
    return read_reply(seal_reply(reply, key), request=request, request_sha256=sha256, member=_member())


def test_the_request_names_everything_that_was_agreed() -> None:
    request, _ = _request()
    assert request.charter_sha256 == CHARTER.sha256()
    assert request.state_sha256 == hashlib.sha256(STATE).digest()
    assert STATE not in request.SerializeToString()
    assert request.release == release_spec(PHASE, CHARTER, participants=4)
    assert request.release.noise_multiplier == PHASE.noise_multiplier
    assert request.release.colluders == CHARTER.rounds.colluders
    assert request.cohort_floor == CHARTER.rounds.cohort_floor
    assert request.deadline_unix_seconds == 1600


def test_the_request_names_its_participants_in_order_and_has_the_form_stores_ask_for() -> None:
    request, _ = _request()
    assert list(request.participants) == sorted(PARTICIPANTS)
    refuse_odd_sizes(request)


def test_a_sum_without_room_for_its_participants_is_not_asked_for() -> None:
    crowded = replace(CHARTER, plan=replace(CHARTER.plan, clients_per_store=10**9))
    with pytest.raises(InvalidReleaseError, match="no room"):
        build_request(
            crowded,
            PHASE,
            STATE,
            programme_id=PROGRAMME,
            roster_sha256=bytes(32),
            participants=PARTICIPANTS,
            opened_at=1000,
            as_of_day=20_000,
        )


def test_the_mechanism_depends_on_how_many_may_contribute() -> None:
    few, many = (mechanism_of(PHASE, CHARTER, participants=count) for count in (3, 900))
    assert few.largest_sum > many.largest_sum


def test_the_signed_request_is_always_the_same_bytes_and_opens_again() -> None:
    request, sha256 = _request()
    signed = sign_request(request, COORDINATOR)
    assert signed == sign_request(RoundRequest.FromString(request.SerializeToString()), COORDINATOR)
    assert name_of(signed) == sha256
    assert open_request(signed, coordinator_public_key=COORDINATOR.public_key().public_bytes_raw()) == request


def test_a_contribution_is_handed_on_as_it_is_and_never_shown() -> None:
    answer = _read(_reply(contribution=b"\x00\x01"))
    assert isinstance(answer, Contributed)
    assert answer.contribution == b"\x00\x01"
    assert "x01" not in repr(answer)


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": 2},
        {"coop_id": "another"},
        {"member_id": PARTICIPANTS[0]},
        {"programme_id": "00000000000000a2"},
        {"round": 1},
        {"request_sha256": bytes(32)},
    ],
)
def test_an_odd_reply_is_dropped(changes: dict[str, object]) -> None:
    with pytest.raises(OddReplyError):
        _read(_reply(**changes))


def test_a_reply_without_an_outcome_is_dropped() -> None:
    reply = _reply()
    reply.ClearField("contribution")
    with pytest.raises(OddReplyError, match="no outcome"):
        _read(reply)


def test_a_reply_signed_by_another_is_dropped() -> None:
    with pytest.raises(OddReplyError):
        _read(_reply(), key=Ed25519PrivateKey.generate())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_reply_or_are_dropped(body: bytes) -> None:
    request, sha256 = _request()
    with pytest.raises(OddReplyError):
        read_reply(body, request=request, request_sha256=sha256, member=_member())


def test_a_refusal_is_read_with_its_code() -> None:
    answer = _read(_reply(refusal=REFUSAL_BUDGET))
    assert isinstance(answer, Refusal)
    assert (answer.name, answer.is_final) == ("budget", True)


@pytest.mark.parametrize("other", [b"", bytes(32)])
def test_a_refusal_of_another_request_is_dropped(other: bytes) -> None:
    with pytest.raises(OddReplyError):
        _read(_reply(refusal=REFUSAL_BUDGET, request_sha256=other))


def test_an_unknown_refusal_code_is_final_and_named_unknown() -> None:
    answer = _read(_reply(refusal=99))
    assert isinstance(answer, Refusal)
    assert (answer.name, answer.is_final) == ("unknown", True)


def test_unavailable_is_no_answer_yet() -> None:
    tally = _tally(members=2, required=1)
    answer = _read(_reply(refusal=REFUSAL_UNAVAILABLE))
    assert isinstance(answer, Refusal)
    tally.refuses("m1", answer)
    assert not tally.has_answered("m1")


def _tally(*, members: int, required: int) -> Tally:
    return Tally(members=members, required=required, opened_at=0, deadline=1000)


def test_a_round_closes_as_soon_as_everybody_answered() -> None:
    tally = _tally(members=2, required=1)
    tally.contributed("m1", now=1)
    assert tally.decide(now=1) is Decision.WAIT
    tally.refuses("m2", Refusal(code=REFUSAL_BUDGET))
    assert tally.decide(now=2) is Decision.CLOSE


def test_the_first_answer_of_a_store_stands() -> None:
    tally = _tally(members=2, required=1)
    tally.contributed("m1", now=1)
    tally.refuses("m1", Refusal(code=REFUSAL_BUDGET))
    tally.left("m1")
    assert (tally.contributors, tally.refused) == ({"m1"}, {})
    tally.refuses("m2", Refusal(code=REFUSAL_BUDGET))
    tally.contributed("m2", now=2)
    assert (tally.contributors, tally.refused) == ({"m1"}, {"m2": "budget"})


def test_nothing_is_waited_for_from_a_store_that_left() -> None:
    tally = _tally(members=3, required=2)
    tally.contributed("m1", now=1)
    tally.contributed("m2", now=1)
    assert tally.decide(now=2) is Decision.WAIT
    tally.left("m3")
    assert tally.decide(now=2) is Decision.CLOSE
    assert "codes: left" in tally.failure("popularity")


def test_with_a_quorum_the_others_are_waited_for_as_long_again() -> None:
    tally = _tally(members=3, required=2)
    tally.contributed("m1", now=5)
    tally.contributed("m2", now=100)
    assert tally.decide(now=199) is Decision.WAIT
    assert tally.decide(now=200) is Decision.CLOSE


def test_a_fast_quorum_still_waits_a_little() -> None:
    tally = _tally(members=3, required=1)
    tally.contributed("m1", now=1)
    assert tally.decide(now=PATIENCE_SECONDS) is Decision.WAIT
    assert tally.decide(now=PATIENCE_SECONDS + 1) is Decision.CLOSE


def test_without_a_quorum_the_deadline_ends_the_round_in_failure() -> None:
    tally = _tally(members=3, required=2)
    tally.contributed("m1", now=1)
    assert tally.decide(now=999) is Decision.WAIT
    assert tally.decide(now=1000) is Decision.FAIL


def test_a_quorum_at_the_deadline_closes_the_round() -> None:
    tally = _tally(members=4, required=2)
    tally.contributed("m1", now=1)
    tally.contributed("m2", now=990)
    assert tally.decide(now=1000) is Decision.CLOSE


def test_too_many_refusals_end_the_round_at_once_and_say_why() -> None:
    tally = _tally(members=3, required=3)
    tally.refuses("m1", Refusal(code=REFUSAL_BUDGET))
    assert tally.decide(now=2) is Decision.FAIL
    assert "0 of 3 stores took part in phase popularity, 3 are required" in tally.failure("popularity")
    assert "budget" in tally.failure("popularity")


@given(st.integers(2, 50), st.floats(0.01, 1.0), st.integers(1, 200))
def test_never_fewer_stores_than_the_floor_or_the_quorum(floor: int, quorum: float, members: int) -> None:
    terms = RoundTerms(cohort_floor=floor, quorum=quorum)
    required = required_stores(terms, members=members)
    assert required >= floor
    assert required >= quorum * members
