"""What the coordinator asks, which replies it accepts, when a round is over."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.charter import COOP_LEARNING, Charter, CoopIdentity, PrivacyTerms, RoundTerms
from highstreet.audit.requests import open_request, seal_reply, seal_request
from highstreet.audit.requests import request_sha256 as name_of
from highstreet.models.programme import default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.protos.rounds_pb2 import (
    REFUSAL_BUDGET,
    REFUSAL_UNAVAILABLE,
    RoundReply,
    RoundRequest,
    SignedRequest,
)
from highstreet.server.aggregation import decode_values, encode_values
from highstreet.server.errors import OddReplyError
from highstreet.server.membership import Member
from highstreet.server.rounds import (
    PATIENCE_SECONDS,
    Decision,
    Refusal,
    Tally,
    Update,
    build_request,
    read_reply,
    required_stores,
)

SCHEMA = FeatureSchema(
    key_buckets=32,
    category_buckets=8,
    product_type_buckets=8,
    brand_buckets=8,
    maker_buckets=8,
    size_buckets=8,
)
PLAN = default_plan(SCHEMA, noise_multiplier=4.0, gradient_rounds=1)
CHARTER = Charter(
    coop=CoopIdentity(id="0" * 32, name="Tiny", created="2026-01-01"),
    purposes=(COOP_LEARNING,),
    plan=PLAN,
    privacy=PrivacyTerms(epsilon=3.0, delta=1e-5),
    rounds=RoundTerms(cohort_floor=2, quorum=0.5, deadline_seconds=600),
)
COORDINATOR = Ed25519PrivateKey.generate()
STORE = Ed25519PrivateKey.generate()
PHASE = PLAN.phases[0]


def _member(key: Ed25519PrivateKey = STORE, member_id: str = "m1") -> Member:
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
        initial_state(PLAN),
        programme_id="p1",
        roster_sha256=bytes(32),
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
        member_id="m1",
        values=bytes(4 * PHASE.dimension),
    )
    for name, value in changes.items():
        setattr(reply, name, value)
    return reply


def _read(reply: RoundReply, key: Ed25519PrivateKey = STORE) -> Update | Refusal:
    request, sha256 = _request()
    return read_reply(seal_reply(reply, key), request=request, request_sha256=sha256, member=_member())


def test_the_request_names_everything_that_was_agreed() -> None:
    request, _ = _request()
    assert request.charter_sha256 == CHARTER.sha256()
    assert request.state_sha256 == hashlib.sha256(request.state).digest()
    assert request.release.dimension == PHASE.dimension
    assert request.release.noise_multiplier == PHASE.noise_multiplier
    assert request.deadline_unix_seconds == 1600


def test_the_sealed_request_is_always_the_same_bytes_and_opens_again() -> None:
    request, sha256 = _request()
    sealed = seal_request(request, COORDINATOR)
    assert sealed == seal_request(RoundRequest.FromString(request.SerializeToString()), COORDINATOR)
    signed = SignedRequest.FromString(sealed)
    assert name_of(signed) == sha256
    assert open_request(signed, coordinator_public_key=COORDINATOR.public_key().public_bytes_raw()) == request


def test_a_proper_update_is_accepted() -> None:
    answer = _read(_reply(values=encode_values(np.arange(PHASE.dimension))))
    assert isinstance(answer, Update)
    np.testing.assert_array_equal(answer.values, np.arange(PHASE.dimension))


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": 2},
        {"coop_id": "another"},
        {"member_id": "m2"},
        {"programme_id": "p2"},
        {"round": 1},
        {"request_sha256": bytes(32)},
        {"values": bytes(4 * PHASE.dimension - 4)},
        {"values": bytes(4 * PHASE.dimension + 1)},
        {"values": b""},
    ],
)
def test_an_odd_update_is_dropped(changes: dict[str, object]) -> None:
    with pytest.raises(OddReplyError):
        _read(_reply(**changes))


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
    assert not tally.add("m1", answer, now=0)
    assert not tally.has_answered("m1")


def _tally(*, members: int, required: int) -> Tally:
    return Tally(members=members, required=required, opened_at=0, deadline=1000)


def _update(value: int = 0) -> Update:
    return Update(values=np.full(3, value, dtype=np.int64))


def test_a_round_closes_as_soon_as_everybody_answered() -> None:
    tally = _tally(members=2, required=1)
    tally.add("m1", _update(), now=1)
    assert tally.decide(now=1) is Decision.WAIT
    tally.add("m2", Refusal(code=REFUSAL_BUDGET), now=2)
    assert tally.decide(now=2) is Decision.CLOSE


def test_the_first_answer_of_a_store_stands() -> None:
    tally = _tally(members=2, required=1)
    assert tally.add("m1", _update(1), now=1)
    assert not tally.add("m1", _update(2), now=2)
    assert tally.updates["m1"][0] == 1


def test_with_a_quorum_the_others_are_waited_for_as_long_again() -> None:
    tally = _tally(members=3, required=2)
    tally.add("m1", _update(), now=5)
    tally.add("m2", _update(), now=100)
    assert tally.decide(now=199) is Decision.WAIT
    assert tally.decide(now=200) is Decision.CLOSE


def test_a_fast_quorum_still_waits_a_little() -> None:
    tally = _tally(members=3, required=1)
    tally.add("m1", _update(), now=1)
    assert tally.decide(now=PATIENCE_SECONDS) is Decision.WAIT
    assert tally.decide(now=PATIENCE_SECONDS + 1) is Decision.CLOSE


def test_without_a_quorum_the_deadline_ends_the_round_in_failure() -> None:
    tally = _tally(members=3, required=2)
    tally.add("m1", _update(), now=1)
    assert tally.decide(now=999) is Decision.WAIT
    assert tally.decide(now=1000) is Decision.FAIL


def test_a_quorum_at_the_deadline_closes_the_round() -> None:
    tally = _tally(members=4, required=2)
    tally.add("m1", _update(), now=1)
    tally.add("m2", _update(), now=990)
    assert tally.decide(now=1000) is Decision.CLOSE


def test_too_many_refusals_end_the_round_at_once_and_say_why() -> None:
    tally = _tally(members=3, required=3)
    tally.add("m1", Refusal(code=REFUSAL_BUDGET), now=1)
    assert tally.decide(now=2) is Decision.FAIL
    assert "0 of 3 stores took part in phase popularity, 3 are required" in tally.failure("popularity")
    assert "budget" in tally.failure("popularity")


@given(st.integers(2, 50), st.floats(0.01, 1.0), st.integers(1, 200))
def test_never_fewer_stores_than_the_floor_or_the_quorum(floor: int, quorum: float, members: int) -> None:
    terms = RoundTerms(cohort_floor=floor, quorum=quorum)
    required = required_stores(terms, members=members)
    assert required >= floor
    assert required >= quorum * members


def test_integers_survive_the_wire_and_are_cut_at_32_bits() -> None:
    values = np.array([0, -5, 2**31 - 1, -(2**31), 2**40, -(2**40)])
    decoded = decode_values(encode_values(values), dimension=6)
    np.testing.assert_array_equal(decoded, [0, -5, 2**31 - 1, -(2**31), 2**31 - 1, -(2**31)])
