"""A programme goes on without stores that fail, lie or leave, and fails with a sentence below the floor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from held_programme import CHARTER, coop_of, outcome_of, result_of
from played_coop import DEADLINE, CrashError, PlayedCoop, made_charter, stores
from played_store import LATE_SECONDS

from highstreet.audit.sums import sum_deadline


def test_a_contributor_that_vanishes_after_contributing_is_in_the_sum(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, CHARTER, stores(8, s7={"contribute": "leaves"}, s8={"contribute": "leaves"}))
    coop.run()
    assert result_of(coop) == coop.state_after(range(1, 9))


@pytest.mark.parametrize("step", ["inspect", "agree", "open"])
@pytest.mark.parametrize("word", ["vanishes", "refuses", "garbage", "lost", "error", "unavailable"])
def test_m_minus_t_committee_members_may_fail(tmp_path: Path, step: str, word: str) -> None:
    coop = coop_of(tmp_path, s2={step: word}, s5={step: word})  # m = 6, t = 4
    coop.run()
    assert coop.ended() == ("finished", "")
    assert result_of(coop) == coop.state_after(range(1, 7))
    contributors, answers, wrong, is_checked = outcome_of(coop)
    # Whoever only did not agree is asked for its share all the same.
    back = step != "open" and word != "vanishes"
    assert (contributors, answers, wrong, is_checked) == (6, 6 if back else 4, 0, int(back))


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("inspect", "looked the contributions through"),
        ("agree", "agreed to the set of contributors"),
        ("open", "gave their share of the sum"),
    ],
)
@pytest.mark.parametrize("word", ["vanishes", "garbage", "unavailable"])
def test_fewer_than_t_fail_by_the_deadline_with_a_sentence(
    tmp_path: Path, step: str, words: str, word: str
) -> None:
    coop = coop_of(tmp_path, **{f"s{number}": {step: word} for number in (1, 2, 3)})
    coop.run()
    state, failure = coop.ended()
    assert state == "failed"
    assert f"In phase popularity 3 of the 6 members of the committee {words} in time" in failure
    assert "4 are required; refused: 0 (codes: none)." in failure
    assert "train again" in failure
    request, _ = coop.request()
    ends = sum_deadline(CHARTER, opened_at=request.opened_unix_seconds)
    assert ends <= coop.clock.now < ends + 1
    assert coop.published == []
    assert coop.rows("SELECT count(*) FROM committee_replies") == [(0,)]
    assert coop.rows("SELECT count(*) FROM replies WHERE reply IS NOT NULL") == [(0,)]


@pytest.mark.parametrize("step", ["inspect", "agree", "open"])
def test_a_committee_that_refuses_fails_at_once_with_its_codes(tmp_path: Path, step: str) -> None:
    coop = coop_of(tmp_path, **{f"s{number}": {step: "refuses"} for number in (1, 2, 3)})
    coop.run()
    assert "refused: 3 (codes: own_contribution)" in coop.ended()[1]
    assert coop.clock.now < 1_000 + 60


def test_after_a_crash_a_store_that_missed_the_announcement_is_not_let_in(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s3={"contribute": "lost"})
    with pytest.raises(CrashError):
        coop.run(calls=83)  # half a minute of patience, and the set is announced
    (announced_at, set_sha256) = coop.rows("SELECT announced_at, set_sha256 FROM rounds")[0]
    assert announced_at is not None
    asked = len(coop.stores[3].asked[0, "contribute"])
    coop.stores[3].words = {}
    coop.run()
    assert len(coop.stores[3].asked[0, "contribute"]) == asked
    assert result_of(coop) == coop.state_after([1, 2, 4, 5, 6])
    assert coop.rows("SELECT announced_at, set_sha256 FROM rounds") == [(announced_at, set_sha256)]


def test_a_crash_past_the_deadline_of_the_sum_fails_and_says_so(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, **{f"s{number}": {"open": "lost"} for number in range(1, 7)})
    with pytest.raises(CrashError):
        coop.run(calls=15)
    assert coop.rows("SELECT count(*) FROM rounds WHERE announced_at IS NOT NULL") == [(1,)]
    coop.clock.now += 2 * DEADLINE
    coop.run()
    assert "0 of the 6 members of the committee" in coop.ended()[1]


@pytest.mark.parametrize("word", ["foreign", "replayed", "damaged", "garbage", "vanishes"])
def test_a_contribution_that_is_odd_is_dropped_and_the_round_goes_on(tmp_path: Path, word: str) -> None:
    coop = coop_of(tmp_path, s3={"contribute": word})
    coop.run()
    assert coop.ended() == ("finished", "")
    assert result_of(coop) == coop.state_after([1, 2, 4, 5, 6])
    assert outcome_of(coop)[0] == 5
    assert (coop.stores[3].member_id,) not in coop.rows("SELECT member_id FROM replies")


def test_a_store_that_is_late_is_waited_for_with_patience_and_no_longer(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s3={"contribute": "late"}, s4={"contribute": "unavailable unavailable ok"})
    coop.run()
    assert result_of(coop) == coop.state_after([1, 2, 4, 5, 6])
    assert coop.clock.now < 1_000 + LATE_SECONDS


def test_a_late_contribution_counts_where_the_quorum_needs_it(tmp_path: Path) -> None:
    charter = made_charter(quorum=1.0)
    coop = PlayedCoop(tmp_path, charter, stores(6, s3={"contribute": "late"}))
    coop.run()
    assert result_of(coop) == coop.state_after(range(1, 7))
    assert coop.clock.now >= 1_000 + LATE_SECONDS


def test_a_wrong_share_is_found_among_surplus_answers(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s4={"open": "wrong"})
    coop.run()
    assert outcome_of(coop) == (6, 6, 1, 1)
    assert result_of(coop) == coop.state_after(range(1, 7))


def test_a_wrong_share_waits_for_the_answer_that_tells_it(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s4={"open": "wrong"}, s2={"open": "lost ok"})
    coop.run()
    assert outcome_of(coop) == (6, 6, 1, 1)
    assert coop.clock.now > 1_000 + 60  # asked again after a minute, long after the others


def test_shares_that_contradict_each_other_fail_the_programme_and_open_nothing(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s4={"open": "wrong"}, s1={"open": "refuses"})
    coop.run()
    state, failure = coop.ended()
    assert state == "failed"
    assert "In phase popularity the shares of the sum contradict each other" in failure
    assert coop.published == []
    assert coop.rows("SELECT count(*) FROM rounds WHERE closed_at IS NOT NULL") == [(0,)]


def test_surplus_answers_are_waited_for_a_few_seconds_only(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s2={"open": "late"})
    coop.run()
    assert outcome_of(coop) == (6, 5, 0, 1)
    assert coop.clock.now < 1_000 + 20


def test_a_store_that_leaves_after_contributing_counts_but_is_asked_no_more(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    with pytest.raises(CrashError):
        coop.run(calls=7)
    assert coop.rows("SELECT count(*) FROM replies WHERE announced = 1") == [(6,)]
    coop.leave(2)
    coop.run()
    assert result_of(coop) == coop.state_after(range(1, 7))
    assert {step for _, step in coop.stores[2].asked} == {"contribute", "inspect"}
    assert outcome_of(coop) == (6, 5, 0, 1)


def test_a_store_that_leaves_between_contribution_and_announcement_counts_too(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s6={"contribute": "lost ok"})
    with pytest.raises(CrashError):
        coop.run(calls=5)
    assert coop.rows("SELECT count(*), sum(announced) FROM replies") == [(5, 0)]
    coop.leave(2)
    coop.run()
    assert result_of(coop) == coop.state_after(range(1, 7))
    assert len(coop.stores[2].asked) == 1
    assert outcome_of(coop) == (6, 5, 0, 1)


def test_a_store_that_leaves_before_contributing_is_not_waited_for(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, s2={"contribute": "lost"})
    with pytest.raises(CrashError):
        coop.run(calls=2)
    coop.leave(2)
    coop.run()
    assert len(coop.stores[2].asked[0, "contribute"]) <= 1
    assert result_of(coop) == coop.state_after([1, 3, 4, 5, 6])
    assert coop.clock.now < 1_000 + 20


def test_members_who_do_not_count_for_each_other_are_not_asked(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    coop.vouch((one, other) for one in range(1, 6) for other in range(1, 6) if one != other)
    coop.run()
    request, _ = coop.request()
    assert list(request.participants) == [f"{number:016x}" for number in range(1, 6)]
    assert not coop.stores[6].asked
    assert result_of(coop) == coop.state_after(range(1, 6))


def test_too_few_who_count_for_each_other_fail_before_anybody_is_asked(tmp_path: Path) -> None:
    coop = coop_of(tmp_path)
    coop.vouch([(1, 2), (2, 1)])
    coop.run()
    state, failure = coop.ended()
    assert state == "failed"
    assert "of the 6 in the co-op 2 do, and 4 are not vouched for yet." in failure
    assert "`highstreet store vouch`" in failure
    assert "`highstreet coop members`" in failure
    assert coop.rows("SELECT count(*) FROM rounds") == [(0,)]


def test_too_few_stores_fail_the_programme_with_a_reason(tmp_path: Path) -> None:
    coop = coop_of(tmp_path, count=3, s1={"contribute": "refuses"})
    coop.run()
    state, failure = coop.ended()
    assert state == "failed"
    assert (
        "2 of 3 stores took part in phase popularity, 3 are required; refused: 1 (codes: budget)" in failure
    )
    assert not any(step == "agree" for store in coop.stores.values() for _, step in store.asked)
    assert coop.published == []


def test_a_phase_without_room_for_so_many_stores_fails_with_a_sentence(tmp_path: Path) -> None:
    charter = replace(CHARTER, plan=replace(CHARTER.plan, clients_per_store=10**9))
    coop = PlayedCoop(tmp_path, charter, stores(5))
    coop.run()
    state, failure = coop.ended()
    assert state == "failed"
    assert "Phase 0 (popularity) cannot be summed over 5 stores" in failure
    assert not any(store.asked for store in coop.stores.values())
