"""A programme from its first phase to its release, crashed and resumed at any moment."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from held_programme import (
    CHARTER,
    WHOLE,
    assert_asked_with_one_voice,
    coop_of,
    outcome_of,
    raising,
    result_of,
)
from played_coop import CrashError, PlayedCoop, stores

from highstreet.audit.charter import PrivacyTerms
from highstreet.audit.requests import mechanism_of
from highstreet.protos.rounds_pb2 import RoundMessage
from highstreet.server.checkpoints import Checkpoints
from highstreet.server.errors import PublishError


def test_every_phase_is_held_once_and_the_result_is_published(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, WHOLE, stores(3))
    coop.run()
    (candidate,) = coop.published
    assert candidate.rounds == len(WHOLE.plan.phases)
    assert candidate.participants == 3
    assert "ranker/weights" in candidate.state
    assert candidate.evaluation["noise_stddev"] == candidate.state["evaluation/stddev"].item() > 0
    assert candidate.evaluation["customers/all"] == candidate.state["evaluation/all/customers"].item()
    for store in coop.stores.values():
        assert len(store.asked) == 4 * len(WHOLE.plan.phases)
        assert all(len(bodies) == 1 for bodies in store.asked.values())
    assert {coop.request(phase.index)[0].as_of_day for phase in WHOLE.plan.phases} == {17_489}
    assert coop.ended() == ("finished", "")


def test_the_state_moves_by_the_exact_sum_of_those_who_contributed(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s2={"contribute": "refuses"})
    coop.run()
    assert result_of(coop) == coop.state_after([1, 3, 4, 5, 6])
    assert outcome_of(coop) == (5, 6, 0, 1)
    assert result_of(coop) != coop.state_after([1, 2, 3, 4, 5, 6])  # one store more would be seen


def test_the_noise_is_that_of_the_real_number_of_contributors(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, WHOLE, stores(5, s2={"contribute": "refuses"}))
    coop.run()
    (candidate,) = coop.published
    mechanism = mechanism_of(WHOLE.plan.phases[-1], WHOLE, participants=5)
    noise = mechanism.grid_step * 2**mechanism.share_log2_stddev * np.sqrt(4)
    assert candidate.evaluation["noise_stddev"] == pytest.approx(noise, rel=1e-6)
    assert candidate.participants == 4


def test_every_store_is_asked_with_the_same_request_and_state_and_the_request_holds_no_state(
    tmp_path: Path,
) -> None:
    coop = coop_of(tmp_path)
    coop.run()
    bodies = {store.asked[0, "contribute"][0] for store in coop.stores.values()}
    (body,) = bodies
    step = RoundMessage.FromString(body).contribute
    request, _ = coop.request()
    assert len(step.state) not in {0, len(step.request.request)}
    assert step.state not in step.request.request
    assert list(request.participants) == [store.member_id for store in coop.stores.values()]
    assert request.cohort_floor == 3


def test_wherever_it_crashes_the_same_messages_are_sent_and_the_same_model_comes_out() -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole = coop_of(Path(folder), count=5)
        used = 10**9 - whole.run().calls
        sent = {key: bodies for store in whole.stores.values() for key, bodies in store.asked.items()}
    assert {step for _, step in sent} == {"contribute", "inspect", "agree", "open"}
    for calls in range(used):
        with tempfile.TemporaryDirectory() as folder:
            broken = coop_of(Path(folder), count=5)
            with pytest.raises(CrashError):
                broken.run(calls=calls)
            broken.run()
            assert_asked_with_one_voice(broken)
            for number, store in broken.stores.items():
                assert store.asked[0, "contribute"][0] == whole.stores[number].asked[0, "contribute"][0]
                assert store.asked[0, "agree"][0] == whole.stores[number].asked[0, "agree"][0]
            assert result_of(broken) == result_of(whole)
            assert broken.ended() == ("finished", "")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "write", ["save_reply", "save_complaints", "announce", "save_committee_reply", "close_round"]
)
def test_a_crash_around_any_write_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: str, when: str
) -> None:
    told = {"s1": {"agree": "lost ok", "open": "lost ok"}}  # so that replies come one after the other
    coop = PlayedCoop(tmp_path, CHARTER, stores(5, **told))
    sound = getattr(Checkpoints, write)
    for nth in range(1, 11):
        count = 0

        def crashes(*arguments: object, nth: int = nth, **named: object) -> object:
            nonlocal count
            count += 1
            if count == nth and when == "before":
                raise CrashError
            result = sound(*arguments, **named)
            if count == nth:
                raise CrashError
            return result

        monkeypatch.setattr(Checkpoints, write, crashes)
        try:
            coop.run()
        except CrashError:
            continue
        break
    assert coop.ended() == ("finished", "")
    assert result_of(coop) == coop.state_after(range(1, 6))
    assert_asked_with_one_voice(coop)


def test_after_a_crash_the_request_stays_though_time_and_members_moved_on(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    with pytest.raises(CrashError):
        coop.run(calls=2)
    request, sha256 = coop.request()
    coop.clock.now += 100
    coop.leave(6)
    coop.vouch([])
    coop.run()
    assert coop.request() == (request, sha256)
    assert coop.rows("SELECT count(*) FROM rounds") == [(1,)]
    assert_asked_with_one_voice(coop)


def test_closing_a_round_keeps_the_sum_and_drops_what_the_stores_sent(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s2={"contribute": "refuses"})
    coop.run()
    assert coop.rows("SELECT count(*) FROM replies WHERE reply IS NOT NULL AND refusal = ''") == [(0,)]
    assert coop.rows("SELECT count(*) FROM replies WHERE reply IS NOT NULL") == [(1,)]
    assert coop.rows("SELECT count(*) FROM committee_replies") == [(0,)]
    assert coop.rows("SELECT asked_state FROM rounds") == [(None,)]


def test_a_crash_between_the_release_and_the_last_note_is_made_good(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    with pytest.raises(CrashError):
        coop.run(publish=raising(CrashError()))
    assert coop.ended()[0] == "running"
    asked = {number: dict(store.asked) for number, store in coop.stores.items()}
    coop.run()
    assert {number: dict(store.asked) for number, store in coop.stores.items()} == asked
    assert coop.ended() == ("finished", "")


def test_a_release_that_may_not_be_published_fails_the_programme(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    coop.run(publish=raising(PublishError("The model is larger than a release may be.")))
    assert coop.ended() == ("failed", "The model is larger than a release may be.")


def test_a_programme_requested_under_another_charter_is_not_run(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    coop.run(charter=replace(CHARTER, privacy=PrivacyTerms(epsilon=2.0, delta=1e-5)))
    assert coop.ended()[0] == "failed"
    assert not any(store.asked for store in coop.stores.values())
