"""The store's decision on a round: everything is looked at before anything is spent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from highstreet.audit.attestation import AttestedUse
from highstreet.audit.charter import Charter
from highstreet.audit.limits import StoreLimits
from highstreet.audit.matchings import TABLE_PHASE, table_floor, table_release
from highstreet.audit.requests import mechanism_of, open_reply, release_spec
from highstreet.audit.roster import Roster
from highstreet.audit.signing import SignatureKind, sign
from highstreet.client.errors import PersonCountsError, RoundRefusedError
from highstreet.client.round_answers import RoundAnswer, Step
from highstreet.client.round_members import CountedRoster
from highstreet.client.round_terms import Agreement, AskedRound, examine_sum
from highstreet.client.rounds import RoundDesk
from highstreet.models.programme import apply_sum, initial_state
from highstreet.models.state import SharedState
from highstreet.privacy.secure_sum import open_contribution
from highstreet.protos.rounds_pb2 import (
    REFUSAL_BUDGET,
    REFUSAL_CHARTER,
    REFUSAL_DEADLINE,
    REFUSAL_PARTICIPANTS,
    REFUSAL_RELEASE,
    REFUSAL_REPEATED,
    REFUSAL_SIGNATURE,
    REFUSAL_STATE,
    REFUSAL_UNAVAILABLE,
    REFUSAL_UNREADABLE,
    REFUSAL_VERSION,
    REFUSAL_WRONG_COOP,
    ContributeStep,
    RoundMessage,
    RoundReply,
    RoundRequest,
    SignedRequest,
    SumStep,
    TableBinding,
)
from tests.client.made_up_coop import (
    CHARTER,
    COORDINATOR,
    IDS,
    KEYS,
    LIMITS,
    ME,
    NOW,
    PLAN,
    PROGRAMME,
    ROSTER,
    STRANGER,
    TABLE,
    about_persons,
    by_counts,
    context_of,
    contribute_message,
    find_roster,
    fresh_keys,
    member,
    round_request,
)

#: A day that the store has not first seen for the programme.
ANOTHER_DAY = NOW // 86_400 - 7
USE = AttestedUse(cohort=b"h" * 32, consent=b"k" * 32, policy_sha256=b"p" * 32, epsilon=0.5, delta=1e-5)
VALUES = np.arange(PLAN.phases[0].dimension, dtype=np.int64)


@dataclass
class Till:
    """Remembers what it was asked to pay for; answers the same request with the same bytes."""

    taken: list[AskedRound] = field(default_factory=list)
    replies: dict[bytes, bytes] = field(default_factory=dict)
    sets: dict[bytes, bytes] = field(default_factory=dict)
    refuse_with: Exception | None = None

    def given(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        if self.replies and sha256 not in self.replies:
            raise RoundRefusedError(REFUSAL_REPEATED, "it was asked for before by another request")
        return self.replies.get(sha256)

    def agreed_set(self, request: RoundRequest, sha256: bytes) -> bytes | None:
        return self.sets.get(sha256)

    def agree(self, request: RoundRequest, sha256: bytes, set_sha256: bytes) -> None:
        self.sets[sha256] = set_sha256

    def take(self, asked: AskedRound, seal: Callable[[NDArray[np.int64], AttestedUse], bytes]) -> bytes:
        if self.refuse_with is not None:
            raise self.refuse_with
        self.taken.append(asked)
        self.replies[asked.sha256] = seal(np.resize(VALUES, asked.phase.dimension), USE)
        return self.replies[asked.sha256]


def _desk(
    till: Till,
    *,
    limits: StoreLimits = LIMITS,
    now: float = NOW,
    charter: Charter = CHARTER,
    find: Callable[[bytes, Collection[str], int], CountedRoster | None] = find_roster,
) -> RoundDesk:
    agreement = Agreement(
        member_id=ME,
        coordinator_public_key=COORDINATOR.public_key().public_bytes_raw(),
        charter=charter,
        limits=limits,
        find_roster=find,
        holds_to_day=lambda programme_id, day: (programme_id, day) != (PROGRAMME, ANOTHER_DAY),
    )
    return RoundDesk(agreement, keys=KEYS[ME], till=till, clock=lambda: now)


def _ask(desk: RoundDesk, request: RoundRequest, key: Ed25519PrivateKey = COORDINATOR) -> RoundReply:
    return _open(desk.answer(contribute_message(request, key=key)))


def _open(answer: RoundAnswer) -> RoundReply:
    reply = open_reply(answer.body, member_public_key=KEYS[ME].signing.public_key().public_bytes_raw())
    assert (answer.refusal or 0) == reply.refusal
    return reply


def test_a_request_in_order_is_paid_for_and_answered_under_its_own_hash() -> None:
    till = Till()
    request = round_request()
    answer = _desk(till).answer(contribute_message(request))
    reply = _open(answer)
    assert reply.request_sha256 == hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    assert (reply.programme_id, reply.round, reply.member_id) == (PROGRAMME, 0, ME)
    assert (answer.step, answer.phase, answer.is_refused) == (Step.CONTRIBUTION, "popularity", False)
    (asked,) = till.taken
    assert asked.phase == PLAN.phases[0]
    assert asked.mechanism == mechanism_of(PLAN.phases[0], CHARTER, participants=len(IDS))


def test_what_leaves_is_a_contribution_that_the_coordinator_can_check_and_not_read() -> None:
    request = round_request()
    reply = _ask(_desk(Till()), request)
    opened = open_contribution(reply.contribution, context_of(request))
    assert opened.header.contributor_id == ME
    assert len(opened.boxes) == len(context_of(request).committee.members) == 5
    assert VALUES.astype("<i4").tobytes() not in reply.contribution


def test_the_same_request_gets_the_same_bytes_also_after_the_deadline() -> None:
    till = Till()
    body = contribute_message(round_request())
    first = _desk(till).answer(body)
    assert _desk(till).answer(body) == first
    assert _desk(till, now=NOW + 10_000).answer(body) == first
    assert len(till.taken) == 1


def _set(name: str, value: object) -> Callable[[RoundRequest], None]:
    return lambda request: setattr(request, name, value)


def _set_release(name: str, value: object) -> Callable[[RoundRequest], None]:
    return lambda request: setattr(request.release, name, value)


def _participants(*names: str) -> Callable[[RoundRequest], None]:
    """Other participants, with the release that goes with so many."""

    def change(request: RoundRequest) -> None:
        del request.participants[:]
        request.participants.extend(names)
        release = release_spec(PLAN.phases[0], CHARTER, participants=max(3, len(names)))
        request.release.CopyFrom(release)

    return change


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
    (_set("cohort_floor", 4), REFUSAL_RELEASE),
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
    (_set_release("privacy_unit", "person"), REFUSAL_RELEASE),
    (_set_release("weighting", "one_over_most"), REFUSAL_RELEASE),
    (_set_release("shops_per_person", 3), REFUSAL_RELEASE),
    (_set_release("neighbouring", "replace"), REFUSAL_RELEASE),
    (_set_release("colluders", 0), REFUSAL_RELEASE),
    (_set_release("colluders", 2), REFUSAL_RELEASE),
    (_set_release("share_log2_stddev", 1), REFUSAL_RELEASE),
    (_participants(*IDS[:2]), REFUSAL_RELEASE),
    (_set("state_sha256", bytes(32)), REFUSAL_STATE),
    (_participants(*IDS[1:]), REFUSAL_PARTICIPANTS),
    (_participants(*IDS, STRANGER), REFUSAL_PARTICIPANTS),
    (_participants("0" * 16, *IDS), REFUSAL_PARTICIPANTS),
    (_participants(*IDS, IDS[-1]), REFUSAL_UNREADABLE),
    (_participants(*reversed(IDS)), REFUSAL_UNREADABLE),
    (_participants(*IDS, "not an id"), REFUSAL_UNREADABLE),
    (_participants(), REFUSAL_UNREADABLE),
    (_set("deadline_unix_seconds", NOW - 1), REFUSAL_DEADLINE),
    (_set("deadline_unix_seconds", NOW + 86_400), REFUSAL_DEADLINE),
    (_set("opened_unix_seconds", NOW + 3_600), REFUSAL_DEADLINE),
]


@pytest.mark.parametrize(("change", "code"), REFUSED)
def test_a_request_that_differs_in_one_thing_is_refused_and_nothing_is_spent(
    change: Callable[[RoundRequest], None], code: int
) -> None:
    till = Till()
    request = round_request()
    change(request)
    reply = _ask(_desk(till), request)
    assert reply.WhichOneof("outcome") == "refusal"
    assert reply.refusal == code
    assert till.taken == []


PERSONS = about_persons(CHARTER, shops=4)


@pytest.mark.parametrize(
    ("asked", "change", "code"),
    [
        (PERSONS, None, 0),
        (CHARTER, None, REFUSAL_CHARTER),
        (about_persons(CHARTER, shops=3), None, REFUSAL_CHARTER),
        # The charter that was signed by name, and another one's release.
        (CHARTER, _set("charter_sha256", PERSONS.sha256()), REFUSAL_RELEASE),
        (about_persons(CHARTER, shops=3), _set("charter_sha256", PERSONS.sha256()), REFUSAL_RELEASE),
        (PERSONS, _set_release("weighting", "one_over_shops"), REFUSAL_RELEASE),
        (PERSONS, _set_release("weighting", "whole"), REFUSAL_RELEASE),
        (PERSONS, _set_release("shops_per_person", 5), REFUSAL_RELEASE),
        (PERSONS, _set_release("privacy_unit", "customer_at_store"), REFUSAL_RELEASE),
    ],
)
def test_a_store_of_a_charter_about_persons_answers_its_very_release(
    asked: Charter, change: Callable[[RoundRequest], None] | None, code: int
) -> None:
    till, request = Till(), round_request(charter=asked)
    if change is not None:
        change(request)
    limits = replace(LIMITS, require_person_unit=True)
    assert _ask(_desk(till, limits=limits, charter=PERSONS), request).refusal == code
    assert len(till.taken) == (code == 0)


COUNTED = by_counts(CHARTER, shops=4)


@pytest.mark.parametrize(
    ("charter", "table", "code"),
    [
        (COUNTED, TABLE, 0),
        (COUNTED, b"", REFUSAL_RELEASE),
        (COUNTED, TABLE[:-1], REFUSAL_UNREADABLE),
        (COUNTED, TABLE + b"t", REFUSAL_UNREADABLE),
        (PERSONS, b"", 0),
        (PERSONS, TABLE, REFUSAL_RELEASE),
        (CHARTER, TABLE, REFUSAL_RELEASE),
        (CHARTER, b"t", REFUSAL_UNREADABLE),
    ],
)
def test_a_request_names_a_table_exactly_where_the_charter_takes_counts(
    charter: Charter, table: bytes, code: int
) -> None:
    till, request = Till(), round_request(charter=charter)
    request.matching_table_sha256 = table
    assert _ask(_desk(till, charter=charter), request).refusal == code
    assert [asked.request.matching_table_sha256 for asked in till.taken] == [table] * (code == 0)


def test_the_sum_of_a_matchings_tables_takes_no_counts_and_has_a_floor_of_its_own() -> None:
    request = round_request(charter=COUNTED)
    request.phase, request.matching_table_sha256 = TABLE_PHASE, b""
    request.release.CopyFrom(table_release(COUNTED, participants=len(IDS)))
    request.cohort_floor = table_floor(COUNTED, participants=len(IDS))
    request.table.CopyFrom(TableBinding(matching_sha256=TABLE, keys_sha256=TABLE))
    agreement = Agreement(
        member_id=ME,
        coordinator_public_key=COORDINATOR.public_key().public_bytes_raw(),
        charter=COUNTED,
        limits=LIMITS,
        find_roster=find_roster,
        holds_to_day=lambda programme_id, day: True,
    )
    assert examine_sum(request, b"h" * 32, agreement, now=NOW).dimension == request.release.dimension
    for change in ({"matching_table_sha256": TABLE}, {"cohort_floor": COUNTED.rounds.cohort_floor}):
        changed = RoundRequest.FromString(request.SerializeToString())
        for name, value in change.items():
            setattr(changed, name, value)
        with pytest.raises(RoundRefusedError) as caught:
            examine_sum(changed, b"h" * 32, agreement, now=NOW)
        assert caught.value.code == REFUSAL_RELEASE


def test_counts_that_cannot_be_read_stop_a_round_as_any_failure_of_the_computer_does() -> None:
    till = Till(refuse_with=PersonCountsError("The counts are damaged."))
    request = round_request(charter=COUNTED)
    assert _ask(_desk(till, charter=COUNTED), request).refusal == REFUSAL_UNAVAILABLE
    assert till.replies == {}


def test_a_request_signed_by_another_is_refused() -> None:
    till = Till()
    assert _ask(_desk(till), round_request(), Ed25519PrivateKey.generate()).refusal == REFUSAL_SIGNATURE
    assert till.taken == []


@pytest.mark.parametrize(
    "limits",
    [
        replace(LIMITS, max_dimension=10),
        replace(LIMITS, min_cohort_floor=4),
        replace(LIMITS, max_phases=0),
        replace(LIMITS, require_person_unit=True),
    ],
)
def test_the_stores_own_limits_hold_against_a_charter_that_was_accepted_under_wider_ones(
    limits: StoreLimits,
) -> None:
    till = Till()
    assert _ask(_desk(till, limits=limits), round_request()).refusal == REFUSAL_RELEASE
    assert till.taken == []


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
        assert _open(_desk(till).answer(_second_round(state))).refusal == REFUSAL_STATE
        assert till.taken == []
    till = Till()
    assert _open(_desk(till).answer(_second_round(honest))).contribution
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
        assert _open(_desk(till).answer(body)).refusal == REFUSAL_STATE
        assert till.taken == []


def test_a_state_larger_than_the_store_allows_is_refused() -> None:
    desk = _desk(Till(), limits=replace(LIMITS, max_state_bytes=8))
    assert _ask(desk, round_request()).refusal == REFUSAL_STATE


def test_a_contribution_to_a_sum_that_is_settled_without_this_store_costs_nothing() -> None:
    till = Till()
    body = contribute_message(round_request())
    sha256 = _open(_desk(till, now=NOW + 10_000).answer(body)).request_sha256
    till.sets[sha256] = b"s" * 32
    assert _open(_desk(till).answer(body)).refusal == REFUSAL_DEADLINE
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
    desk = _desk(
        till, find=lambda sha256, participants, opened_at: CountedRoster(roster=swapped, counted=counted)
    )
    assert _ask(desk, round_request()).refusal == REFUSAL_PARTICIPANTS
    assert till.taken == []


def test_a_member_whose_encryption_key_everybody_can_open_is_no_participant() -> None:
    weak = replace(ROSTER.members[3], encryption_public_key=bytes(32))
    roster = replace(ROSTER, members=(*ROSTER.members[:3], weak, *ROSTER.members[4:]))
    till = Till()
    desk = _desk(
        till,
        find=lambda sha256, participants, opened_at: CountedRoster(roster=roster, counted=frozenset(IDS)),
    )
    assert _ask(desk, round_request()).refusal == REFUSAL_PARTICIPANTS
    assert till.taken == []


def test_another_request_for_the_same_round_is_refused_as_repeated() -> None:
    till = Till()
    desk = _desk(till)
    _ask(desk, round_request())
    again = round_request()
    again.opened_unix_seconds -= 1
    again.deadline_unix_seconds -= 1
    assert _ask(desk, again).refusal == REFUSAL_REPEATED
    assert len(till.taken) == 1


def test_a_full_budget_is_a_refusal_like_any_other() -> None:
    till = Till(refuse_with=RoundRefusedError(REFUSAL_BUDGET, "nobody's budget allows it"))
    assert _ask(_desk(till), round_request()).refusal == REFUSAL_BUDGET


def test_an_error_in_the_store_says_unavailable_and_not_a_word_more() -> None:
    body = contribute_message(round_request())
    quiet = _desk(Till(refuse_with=KeyError("customer 17 bought plum jam"))).answer(body)
    other = _desk(Till(refuse_with=ZeroDivisionError("17"))).answer(body)
    assert quiet == other
    assert b"plum" not in quiet.body
    assert _open(quiet).refusal == REFUSAL_UNAVAILABLE


@given(st.binary(max_size=300))
def test_any_bytes_get_a_signed_refusal(body: bytes) -> None:
    till = Till()
    reply = _open(_desk(till).answer(body))
    assert reply.refusal in {REFUSAL_UNREADABLE, REFUSAL_SIGNATURE}
    assert till.taken == []


@given(st.binary(max_size=300), st.sampled_from(["contribute", "inspect", "agree", "open"]))
def test_any_bytes_the_coordinator_signed_get_a_refusal(content: bytes, step: str) -> None:
    signed = SignedRequest(request=content, signature=sign(SignatureKind.REQUEST, content, COORDINATOR))
    kind = ContributeStep if step == "contribute" else SumStep
    body = RoundMessage(**{step: kind(request=signed)}).SerializeToString()
    till = Till()
    assert _open(_desk(till).answer(body)).WhichOneof("outcome") == "refusal"
    assert (till.taken, till.sets) == ([], {})
