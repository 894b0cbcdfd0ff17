"""The store on a round's committee: one set of contributors, on record before a word of it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.requests import release_spec
from highstreet.client.errors import LedgerFullError
from highstreet.client.home import StoreHome
from highstreet.client.round_answers import Step
from highstreet.client.vault import Vault
from highstreet.privacy.secure_sum import SumRefusal
from highstreet.privacy.secure_sum.inspection import open_inspection
from highstreet.protos.rounds_pb2 import (
    REFUSAL_CHARTER,
    REFUSAL_DEADLINE,
    REFUSAL_PARTICIPANTS,
    REFUSAL_RELEASE,
    REFUSAL_REPEATED,
    REFUSAL_SIGNATURE,
    REFUSAL_UNAVAILABLE,
    RoundRequest,
)
from highstreet.protos.secure_sum_pb2 import SumInspectionRequest, SumRequest
from tests.client.made_up_coop import (
    CHARTER,
    COORDINATOR,
    IDS,
    KEYS,
    ME,
    NOW,
    PLAN,
    STRANGER,
    agree_message,
    charter_of,
    context_of,
    contribute_message,
    contribution_of,
    inspect_message,
    open_message,
    opening_of,
    round_request,
)
from tests.client.sum_store import Store, played_round, refused_on_committee, reply_in


@pytest.fixture
def store(tmp_path: Path, full_vault: Vault) -> Iterator[Store]:
    found = Store(StoreHome(tmp_path / "store"))
    with closing(found.ledger):
        yield found
    found.ledger.close()


def test_the_committee_opens_the_sum_and_the_stores_share_of_it_is_right(store: Store) -> None:
    played = played_round(store)
    agreed = store.answer(played.agree_body())
    assert (agreed.step, agreed.is_refused, agreed.phase) == (Step.AGREEMENT, False, "popularity")
    played.opening.add_agreement(agreed.body)
    played.agree()
    played.share()
    without = played.opening.open()  # four of five are enough
    given = store.answer(played.open_body())
    assert (given.step, given.is_refused) == (Step.SUM_SHARE, False)
    played.opening.add_answer(given.body)
    opened = played.opening.open()
    assert (opened.contributors, opened.wrong, opened.is_checked) == (IDS, (), True)
    assert np.array_equal(opened.values, without.values)
    assert store.rounds_paid_for() == 1  # opening a sum costs nothing


def test_looking_contributions_through_is_signed_and_leaves_no_record(store: Store) -> None:
    played = played_round(store)
    inspections = played.opening.inspections(COORDINATOR)
    body = inspect_message(played.request, inspections.request(ME))
    looked = store.answer(body)
    assert (looked.step, looked.is_refused) == (Step.INSPECTION, False)
    inspections.add(looked.body)
    assert inspections.complaints == {ME: frozenset()}
    fewer = inspect_message(played.request, played.another_set().inspections(COORDINATOR).request(ME))
    assert not store.answer(fewer).is_refused  # another set: nobody is bound by what was shown
    assert not store.answer(played.agree_body()).is_refused
    assert store.answer(body) == looked  # and not by an agreement either
    assert store.rounds_paid_for() == 1


def test_so_many_sets_of_a_round_are_looked_through_and_no_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("highstreet.client.rounds._SETS_LOOKED_THROUGH", 2)
    played, desk = played_round(store), store.desk()
    sets = (played.opening, played.another_set(), played.another_set(without=IDS[2]))
    first, second, third = (
        inspect_message(played.request, each.inspections(COORDINATOR).request(ME)) for each in sets
    )
    assert [desk.answer(body).refusal for body in (first, second, third, first, second)] == [
        None,
        None,
        REFUSAL_REPEATED,
        None,
        None,
    ]
    later = played_round(store, request=_changed("programme_id", "b1b2c3d4e5f60718"))
    again = inspect_message(later.request, later.opening.inspections(COORDINATOR).request(ME))
    assert desk.answer(again).refusal is None  # of another training
    assert not desk.answer(played.agree_body()).is_refused


def test_contributions_that_the_coordinator_did_not_show_are_not_looked_through(store: Store) -> None:
    played = played_round(store)
    shown = SumInspectionRequest.FromString(played.opening.inspections(COORDINATOR).request(ME))
    shown.signature = bytes(64)
    answer = store.answer(inspect_message(played.request, shown.SerializeToString()))
    assert answer.sum_refusal is SumRefusal.COORDINATOR_SIGNATURE
    said = open_inspection(answer.body, played.context)
    assert (said.member_id, said.refusal) == (ME, SumRefusal.COORDINATOR_SIGNATURE)


def test_the_same_set_gets_the_same_bytes_also_after_a_restart(store: Store) -> None:
    played = played_round(store)
    played.agree()
    first = [store.answer(body) for body in (played.agree_body(), played.open_body())]
    store.restart()
    assert [store.answer(body) for body in (played.agree_body(), played.open_body())] == first


@pytest.mark.parametrize("restarts", [False, True])
def test_a_second_set_is_refused_also_after_a_restart(store: Store, restarts: bool) -> None:
    played = played_round(store)
    assert not store.answer(played.agree_body()).is_refused
    if restarts:
        store.restart()
    other = played.another_set()
    assert refused_on_committee(store.answer(played.agree_body(other))) is SumRefusal.SECOND_SET
    for one in played.others():  # everybody else was made to agree to the second set
        prepared = played.seat(one).agree(other.agreement_request(one), KEYS[one])
        other.add_agreement(prepared.release(lambda set_sha256: None))
    assert refused_on_committee(store.answer(played.open_body(other))) is SumRefusal.SECOND_SET


def test_a_store_bound_by_its_share_alone_gives_no_other(store: Store) -> None:
    """It was away when the others agreed, and is asked for its share at once."""
    played = played_round(store)
    played.agree()
    assert not store.answer(played.open_body()).is_refused
    store.restart()
    body = played.agree_body(played.another_set())
    assert refused_on_committee(store.answer(body)) is SumRefusal.SECOND_SET


def test_nothing_is_said_of_a_set_that_could_not_be_written_down(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = played_round(store)

    def full(*_: object) -> None:
        raise LedgerFullError("There is no room left on the disk.")

    monkeypatch.setattr(store.ledger, "agree", full)
    answer = store.answer(played.agree_body())
    assert reply_in(answer).refusal == REFUSAL_UNAVAILABLE
    monkeypatch.undo()
    assert not store.answer(played.agree_body(played.another_set())).is_refused


def test_a_store_that_was_away_serves_on_the_committee_and_pays_nothing(store: Store) -> None:
    played = played_round(None)
    agreed = store.answer(played.agree_body())
    played.opening.add_agreement(agreed.body)
    played.agree()
    played.share()
    played.opening.add_answer(store.answer(played.open_body()).body)
    opened = played.opening.open()
    assert (opened.contributors, opened.wrong, opened.is_checked) == (IDS[1:], (), True)
    assert np.array_equal(opened.values, np.full(played.context.dimension, 4))
    # Its own numbers would come too late: nothing is spent on them.
    assert reply_in(store.answer(contribute_message(played.request))).refusal == REFUSAL_DEADLINE
    assert store.rounds_paid_for() == 0


def test_a_contribution_in_its_name_that_it_never_sent_is_refused(store: Store) -> None:
    away = played_round(None)
    forged = {one: each.body for one, each in away.made.items()}
    forged[ME] = contribution_of(away.context, ME).body
    opening = opening_of(away.context, forged)
    assert refused_on_committee(store.answer(away.agree_body(opening))) is SumRefusal.OWN_CONTRIBUTION


def test_its_own_contribution_replaced_by_another_is_refused(store: Store) -> None:
    played = played_round(store)
    replaced = {one: each.body for one, each in played.made.items()}
    replaced[ME] = contribution_of(played.context, ME).body
    opening = opening_of(played.context, replaced)
    assert refused_on_committee(store.answer(played.agree_body(opening))) is SumRefusal.OWN_CONTRIBUTION
    assert not store.answer(played.agree_body()).is_refused


def test_too_few_agreements_open_nothing(store: Store) -> None:
    played = played_round(store)
    played.agree()
    message = SumRequest.FromString(played.opening.sum_request(ME))
    threshold = played.context.committee.threshold
    del message.agreements[threshold - 1 :]
    few = open_message(played.request, message.SerializeToString())
    assert refused_on_committee(store.answer(few)) is SumRefusal.FEW_AGREEMENTS
    assert not store.answer(played.open_body()).is_refused


def test_a_set_announced_by_somebody_else_is_refused(store: Store) -> None:
    played, other = played_round(store), Ed25519PrivateKey.generate()
    bodies = {one: each.body for one, each in played.made.items()}
    context = replace(played.context, coordinator_public_key=other.public_key().public_bytes_raw())
    foreign = opening_of(context, bodies, key=other)
    code = refused_on_committee(store.answer(played.agree_body(foreign)))
    assert code is SumRefusal.COORDINATOR_SIGNATURE
    signed_by_other = agree_message(played.request, played.opening.agreement_request(ME), other)
    assert reply_in(store.answer(signed_by_other)).refusal == REFUSAL_SIGNATURE


@pytest.mark.parametrize("message", [b"", b"\xff", b"\x08\x02", bytes(64)])
def test_what_is_no_request_of_the_secure_sum_gets_a_code(store: Store, message: bytes) -> None:
    request = round_request()
    for body in (agree_message(request, message), open_message(request, message)):
        code = refused_on_committee(store.answer(body))
        assert code in {SumRefusal.UNREADABLE, SumRefusal.VERSION}


def test_a_store_that_has_no_seat_says_so(store: Store) -> None:
    charter = charter_of(PLAN, committee_size=3)
    request = round_request(charter=charter)
    for number in range(100):
        request.programme_id = f"{number:016x}"
        context = context_of(request, charter=charter)
        if context.committee.position(ME) is None:
            break
    else:
        pytest.fail("it always has a seat")
    made = {one: contribution_of(context, one) for one in IDS[1:]}
    opening = opening_of(context, {one: each.body for one, each in made.items()})
    seated = context.committee.members[0].member_id
    for build in (agree_message, open_message):
        answer = store.answer(build(request, opening.agreement_request(seated)), charter=charter)
        assert reply_in(answer).refusal == REFUSAL_PARTICIPANTS


def test_a_sum_may_be_opened_until_twice_the_deadline(store: Store) -> None:
    played = played_round(store)
    opened = played.request.opened_unix_seconds
    late = reply_in(store.answer(played.agree_body(), now=opened + 1201))
    assert late.refusal == REFUSAL_DEADLINE
    assert not store.answer(played.agree_body(), now=opened + 1200).is_refused


def _changed(name: str, value: object) -> RoundRequest:
    request = round_request()
    setattr(request, name, value)
    return request


def _with_release(name: str, value: object) -> RoundRequest:
    request = round_request()
    setattr(request.release, name, value)
    return request


def _with_participants(*names: str) -> RoundRequest:
    request = round_request(participants=names)
    request.release.CopyFrom(release_spec(PLAN.phases[0], CHARTER, participants=len(names)))
    return request


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (_changed("charter_sha256", bytes(32)), REFUSAL_CHARTER),
        (_changed("roster_sha256", bytes(32)), REFUSAL_CHARTER),
        (_changed("cohort_floor", 2), REFUSAL_RELEASE),
        (_with_release("noise_multiplier", 0.01), REFUSAL_RELEASE),
        (_with_release("colluders", 0), REFUSAL_RELEASE),
        (_with_release("share_log2_stddev", 1), REFUSAL_RELEASE),
        (_with_participants(*IDS[1:]), REFUSAL_PARTICIPANTS),
        (_with_participants(*IDS, STRANGER), REFUSAL_PARTICIPANTS),
    ],
)
def test_the_request_is_looked_at_again_before_a_sum_is_opened(
    store: Store, request_: RoundRequest, code: int
) -> None:
    for build in (agree_message, open_message):
        assert reply_in(store.answer(build(request_, b"any"))).refusal == code


def test_another_request_for_the_same_phase_has_no_seat(store: Store) -> None:
    played = played_round(store)
    other = round_request(opened=NOW - 11)
    again = played_round(None, request=other)
    assert reply_in(store.answer(again.agree_body())).refusal == REFUSAL_REPEATED
    assert not store.answer(played.agree_body()).is_refused


def test_after_an_agreement_another_request_for_the_phase_is_refused(store: Store) -> None:
    away = played_round(None)
    assert not store.answer(away.agree_body()).is_refused
    other = round_request(opened=NOW - 11)
    assert reply_in(store.answer(contribute_message(other))).refusal == REFUSAL_REPEATED
    assert store.rounds_paid_for() == 0
