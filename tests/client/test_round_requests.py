"""A request that differs in one thing from what the charter and the store allow is refused, unpaid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.charter import Charter
from highstreet.audit.limits import StoreLimits
from highstreet.audit.matchings import TABLE_PHASE, table_floor, table_release
from highstreet.audit.requests import release_spec
from highstreet.client.errors import PersonCountsError, RoundRefusedError
from highstreet.client.round_terms import Agreement, examine_sum
from highstreet.protos.rounds_pb2 import (
    REFUSAL_CHARTER,
    REFUSAL_DEADLINE,
    REFUSAL_PARTICIPANTS,
    REFUSAL_RELEASE,
    REFUSAL_SIGNATURE,
    REFUSAL_STATE,
    REFUSAL_UNAVAILABLE,
    REFUSAL_UNREADABLE,
    REFUSAL_VERSION,
    REFUSAL_WRONG_COOP,
    RoundRequest,
    TableBinding,
)
from tests.client.decided_round import ANOTHER_DAY, Till, ask_desk, desk_of
from tests.client.made_up_coop import (
    CHARTER,
    COORDINATOR,
    IDS,
    LIMITS,
    ME,
    NOW,
    PLAN,
    STRANGER,
    TABLE,
    about_persons,
    by_counts,
    find_roster,
    round_request,
)


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
    reply = ask_desk(desk_of(till), request)
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
    assert ask_desk(desk_of(till, limits=limits, charter=PERSONS), request).refusal == code
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
    assert ask_desk(desk_of(till, charter=charter), request).refusal == code
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
    assert ask_desk(desk_of(till, charter=COUNTED), request).refusal == REFUSAL_UNAVAILABLE
    assert till.replies == {}


def test_a_request_signed_by_another_is_refused() -> None:
    till = Till()
    assert ask_desk(desk_of(till), round_request(), Ed25519PrivateKey.generate()).refusal == REFUSAL_SIGNATURE
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
    assert ask_desk(desk_of(till, limits=limits), round_request()).refusal == REFUSAL_RELEASE
    assert till.taken == []
