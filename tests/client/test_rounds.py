"""The store's decision on a round: everything is looked at before anything is spent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.charter import COOP_LEARNING, Charter, CoopIdentity, PrivacyTerms, RoundTerms
from highstreet.audit.limits import StoreLimits
from highstreet.audit.requests import open_reply, release_spec, seal_request
from highstreet.client.errors import RoundRefusedError
from highstreet.client.rounds import Agreement, AskedRound, RoundDesk
from highstreet.models.programme import apply_sum, default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.state import SharedState
from highstreet.protos.rounds_pb2 import (
    REFUSAL_BUDGET,
    REFUSAL_CHARTER,
    REFUSAL_DEADLINE,
    REFUSAL_RELEASE,
    REFUSAL_REPEATED,
    REFUSAL_SIGNATURE,
    REFUSAL_STATE,
    REFUSAL_UNAVAILABLE,
    REFUSAL_UNREADABLE,
    REFUSAL_VERSION,
    REFUSAL_WRONG_COOP,
    RoundReply,
    RoundRequest,
    SignedRequest,
)

NOW = 1_800_000_000
#: A day that the store has not first seen for the programme.
ANOTHER_DAY = NOW // 86_400 - 7
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
    rounds=RoundTerms(cohort_floor=3, quorum=0.5, deadline_seconds=600),
)
LIMITS = StoreLimits(
    max_epsilon=3.0,
    delta=1e-5,
    period_days=365,
    min_cohort_floor=3,
    max_phases=24,
    max_dimension=1 << 20,
    max_state_bytes=1 << 20,
    purposes=(COOP_LEARNING,),
)
COORDINATOR = Ed25519PrivateKey.generate()
STORE = Ed25519PrivateKey.generate()
ROSTER = b"r" * 32
VALUES = b"\1\0\0\0" * PLAN.phases[0].dimension


@dataclass
class Till:
    """Remembers what it was asked to pay for; answers the same request with the same bytes."""

    taken: list[AskedRound] = field(default_factory=list)
    replies: dict[bytes, bytes] = field(default_factory=dict)
    refuse_with: Exception | None = None

    def given(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        if self.replies and sha256 not in self.replies:
            raise RoundRefusedError(REFUSAL_REPEATED, "it was asked for before by another request")
        return self.replies.get(sha256)

    def take(self, asked: AskedRound, seal: Callable[[bytes], bytes]) -> bytes:
        if self.refuse_with is not None:
            raise self.refuse_with
        self.taken.append(asked)
        self.replies[asked.sha256] = seal(VALUES)
        return self.replies[asked.sha256]


def _request() -> RoundRequest:
    state = initial_state(PLAN)
    return RoundRequest(
        format_version=1,
        coop_id=CHARTER.coop.id,
        programme_id="a1b2c3d4e5f60718",
        round=0,
        phase=PLAN.phases[0].name,
        charter_sha256=CHARTER.sha256(),
        roster_sha256=ROSTER,
        schema_sha256=bytes.fromhex(SCHEMA.sha256()),
        state_sha256=bytes.fromhex(state.sha256()),
        cohort_floor=3,
        opened_unix_seconds=NOW - 10,
        deadline_unix_seconds=NOW + 590,
        release=release_spec(PLAN.phases[0]),
        state=state.to_bytes(),
        as_of_day=NOW // 86_400,
    )


def _desk(till: Till, *, limits: StoreLimits = LIMITS, now: float = NOW) -> RoundDesk:
    agreement = Agreement(
        member_id="m1",
        coordinator_public_key=COORDINATOR.public_key().public_bytes_raw(),
        charter=CHARTER,
        limits=limits,
        knows_roster=lambda sha256: sha256 == ROSTER,
        holds_to_day=lambda programme_id, day: (programme_id, day) != ("a1b2c3d4e5f60718", ANOTHER_DAY),
    )
    return RoundDesk(agreement, key=STORE, till=till, clock=lambda: now)


def _ask(desk: RoundDesk, request: RoundRequest, key: Ed25519PrivateKey = COORDINATOR) -> RoundReply:
    return _open(desk.answer(seal_request(request, key)))


def _open(body: bytes) -> RoundReply:
    return open_reply(body, member_public_key=STORE.public_key().public_bytes_raw())


def test_a_request_in_order_is_paid_for_and_answered_under_its_own_hash() -> None:
    till = Till()
    request = _request()
    reply = _ask(_desk(till), request)
    assert reply.values == VALUES
    assert reply.request_sha256 == hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    assert (reply.programme_id, reply.round, reply.member_id) == ("a1b2c3d4e5f60718", 0, "m1")
    assert [asked.phase for asked in till.taken] == [PLAN.phases[0]]


def test_the_same_request_gets_the_same_bytes_also_after_the_deadline() -> None:
    till = Till()
    body = seal_request(_request(), COORDINATOR)
    first = _desk(till).answer(body)
    assert _desk(till).answer(body) == first
    assert _desk(till, now=NOW + 10_000).answer(body) == first
    assert len(till.taken) == 1


def _set(name: str, value: object) -> Callable[[RoundRequest], None]:
    return lambda request: setattr(request, name, value)


def _set_release(name: str, value: object) -> Callable[[RoundRequest], None]:
    return lambda request: setattr(request.release, name, value)


def _another_state(request: RoundRequest) -> None:
    state = SharedState({"x": np.ones(3)})
    request.state, request.state_sha256 = state.to_bytes(), bytes.fromhex(state.sha256())


REFUSED = [
    (_set("format_version", 2), REFUSAL_VERSION),
    (_set("coop_id", "f" * 32), REFUSAL_WRONG_COOP),
    (_set("programme_id", "p" * 200), REFUSAL_UNREADABLE),
    (_set("roster_sha256", b"short"), REFUSAL_UNREADABLE),
    (_set("charter_sha256", bytes(32)), REFUSAL_CHARTER),
    (_set("roster_sha256", bytes(32)), REFUSAL_CHARTER),
    (_set("schema_sha256", bytes(32)), REFUSAL_CHARTER),
    (_set("round", 99), REFUSAL_RELEASE),
    (_set("round", 1), REFUSAL_RELEASE),
    (_set("phase", "another"), REFUSAL_RELEASE),
    (_set("cohort_floor", 2), REFUSAL_RELEASE),
    (_set("as_of_day", NOW // 86_400 + 2), REFUSAL_RELEASE),
    (_set("as_of_day", -1), REFUSAL_RELEASE),
    (_set("as_of_day", -(2**62)), REFUSAL_RELEASE),
    (_set("as_of_day", ANOTHER_DAY), REFUSAL_RELEASE),
    (_set_release("noise_multiplier", 0.01), REFUSAL_RELEASE),
    (_set_release("clipping_norm", 100.0), REFUSAL_RELEASE),
    (_set_release("sampling_rate", 0.5), REFUSAL_RELEASE),
    (_set_release("dimension", 1), REFUSAL_RELEASE),
    (_set_release("grid_step", 1e-9), REFUSAL_RELEASE),
    (_set_release("mechanism", "none"), REFUSAL_RELEASE),
    (_set_release("privacy_unit", "example"), REFUSAL_RELEASE),
    (_set_release("neighbouring", "replace"), REFUSAL_RELEASE),
    (_set("state", b"garbage"), REFUSAL_STATE),
    (_set("state_sha256", bytes(32)), REFUSAL_STATE),
    (_another_state, REFUSAL_STATE),
    (_set("deadline_unix_seconds", NOW - 1), REFUSAL_DEADLINE),
    (_set("deadline_unix_seconds", NOW + 86_400), REFUSAL_DEADLINE),
    (_set("opened_unix_seconds", NOW + 3_600), REFUSAL_DEADLINE),
]


@pytest.mark.parametrize(("change", "code"), REFUSED)
def test_a_request_that_differs_in_one_thing_is_refused_and_nothing_is_spent(
    change: Callable[[RoundRequest], None], code: int
) -> None:
    till = Till()
    request = _request()
    change(request)
    reply = _ask(_desk(till), request)
    assert reply.WhichOneof("outcome") == "refusal"
    assert reply.refusal == code
    assert till.taken == []


def test_a_request_signed_by_another_is_refused() -> None:
    till = Till()
    assert _ask(_desk(till), _request(), Ed25519PrivateKey.generate()).refusal == REFUSAL_SIGNATURE
    assert till.taken == []


@pytest.mark.parametrize(
    "limits",
    [
        replace(LIMITS, max_dimension=10),
        replace(LIMITS, min_cohort_floor=4),
        replace(LIMITS, max_phases=0),
    ],
)
def test_the_stores_own_limits_hold_against_a_charter_that_was_accepted_under_wider_ones(
    limits: StoreLimits,
) -> None:
    till = Till()
    assert _ask(_desk(till, limits=limits), _request()).refusal == REFUSAL_RELEASE
    assert till.taken == []


def _second_round(state: SharedState) -> RoundRequest:
    request, phase = _request(), PLAN.phases[1]
    request.round, request.phase, request.state = 1, phase.name, state.to_bytes()
    request.state_sha256 = bytes.fromhex(state.sha256())
    request.release.CopyFrom(release_spec(phase))
    return request


def test_a_later_state_is_taken_only_when_its_phases_could_have_made_it() -> None:
    phase = PLAN.phases[0]
    honest = apply_sum(PLAN, phase, initial_state(PLAN), np.ones(phase.dimension), stores=3, noise_stddev=4.0)
    extreme = honest.updated({"popularity/key": np.full_like(honest["popularity/key"], 1e30)})
    for state in (initial_state(PLAN), extreme, honest.updated({"foreign": np.zeros(1)})):
        till = Till()
        assert _ask(_desk(till), _second_round(state)).refusal == REFUSAL_STATE
        assert till.taken == []
    till = Till()
    assert _ask(_desk(till), _second_round(honest)).values == VALUES
    assert [asked.phase for asked in till.taken] == [PLAN.phases[1]]


def test_a_state_larger_than_the_store_allows_is_refused() -> None:
    till = Till()
    assert _ask(_desk(till, limits=replace(LIMITS, max_state_bytes=8)), _request()).refusal == REFUSAL_STATE


def test_another_request_for_the_same_round_is_refused_as_repeated() -> None:
    till = Till()
    desk = _desk(till)
    _ask(desk, _request())
    again = _request()
    again.opened_unix_seconds -= 1
    again.deadline_unix_seconds -= 1
    assert _ask(desk, again).refusal == REFUSAL_REPEATED
    assert len(till.taken) == 1


def test_a_full_budget_is_a_refusal_like_any_other() -> None:
    till = Till(refuse_with=RoundRefusedError(REFUSAL_BUDGET, "nobody's budget allows it"))
    assert _ask(_desk(till), _request()).refusal == REFUSAL_BUDGET


def test_an_error_in_the_store_says_unavailable_and_not_a_word_more() -> None:
    quiet = _desk(Till(refuse_with=KeyError("customer 17 bought plum jam"))).answer(
        seal_request(_request(), COORDINATOR)
    )
    other = _desk(Till(refuse_with=ZeroDivisionError("17"))).answer(seal_request(_request(), COORDINATOR))
    assert quiet == other
    assert b"plum" not in quiet
    assert _open(quiet).refusal == REFUSAL_UNAVAILABLE


@given(st.binary(max_size=300))
def test_any_bytes_get_a_signed_refusal(body: bytes) -> None:
    till = Till()
    reply = _open(_desk(till).answer(body))
    assert reply.refusal in {REFUSAL_UNREADABLE, REFUSAL_SIGNATURE}
    assert till.taken == []


@given(st.binary(max_size=300))
def test_any_bytes_the_coordinator_signed_get_a_refusal(content: bytes) -> None:
    from highstreet.audit.signing import SignatureKind, sign

    signature = sign(SignatureKind.REQUEST, content, COORDINATOR)
    body = SignedRequest(request=content, signature=signature).SerializeToString()
    till = Till()
    assert _open(_desk(till).answer(body)).WhichOneof("outcome") == "refusal"
    assert till.taken == []
