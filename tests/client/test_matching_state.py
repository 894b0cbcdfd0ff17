"""Matching state: what was drawn, answered and given is drawn, answered and given once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from highstreet.client.errors import (
    MatchingContradictedError,
    MatchingOverError,
    MatchingStateError,
    MatchingTooSoonError,
)
from highstreet.client.matching_state import MatchingState
from highstreet.privacy.matching import MatchedStore, MatchingRefusal, MatchingRefusedError
from tests.client.drawn_matching import (
    CONTEXT,
    INPUTS,
    REQUEST,
    TABLE,
    answered_list,
    begin_in,
    match_in,
    open_state,
)
from tests.client.made_up_context import IDS, OWN, matching_context


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "matching.db"


@pytest.fixture
def state(path: Path) -> Iterator[MatchingState]:
    with open_state(path) as opened:
        yield opened


def test_what_was_drawn_is_drawn_for_good_and_outlives_the_process(path: Path) -> None:
    with open_state(path) as first:
        begin_in(first)
        assert first.holder(CONTEXT, OWN) is None
        assert first.store(CONTEXT, OWN) is None
        holder, store = (
            first.draw_holder(CONTEXT, OWN),
            first.draw_store(CONTEXT, OWN, INPUTS, consent_position=7),
        )
        assert set(store.customers) == set(INPUTS)
    with open_state(path) as again:
        begin_in(again)
        assert again.draw_holder(CONTEXT, OWN) == again.holder(CONTEXT, OWN) == holder
        assert again.draw_store(CONTEXT, OWN, {}, consent_position=9) == again.store(CONTEXT, OWN) == store


def test_a_whole_matching_comes_back_as_it_was(state: MatchingState, path: Path) -> None:
    begin_in(state)
    assert state.matched(CONTEXT) is None
    matched = match_in(state)
    assert set(matched.tags) == set(INPUTS)
    with open_state(path) as again:
        kept = again.matched(CONTEXT)
        assert kept == matched
        assert (kept.table() == matched.table()).all()
        holder = again.holder(CONTEXT, OWN)
        assert holder is not None
        assert list(holder.answered) == [OWN]
        assert holder.keys_sha256 is not None


def test_tags_are_kept_once(state: MatchingState) -> None:
    begin_in(state)
    matched = match_in(state)
    assert state.keep_matched(CONTEXT, replace(matched, mask_seed=b"m" * 32)) == matched
    assert state.matched(CONTEXT) == matched


def test_tags_of_others_than_those_who_take_part_are_refused(state: MatchingState) -> None:
    begin_in(state)
    store = state.draw_store(CONTEXT, OWN, INPUTS, consent_position=7)
    fits = MatchedStore(
        shape=CONTEXT.shape, mask_seed=b"m" * 32, made_up_seed=b"d" * 32, dummies=store.dummies, tags={}
    )
    for odd in (replace(fits, tags={"9": b"t" * 64}), replace(fits, dummies=(store.dummies + 1) % 48)):
        with pytest.raises(MatchingContradictedError):
            state.keep_matched(CONTEXT, odd)
        assert state.matched(CONTEXT) is None
    assert state.keep_matched(CONTEXT, fits) == fits


def test_a_list_is_recorded_once_for_each_member_and_under_one_set_of_keys(state: MatchingState) -> None:
    begin_in(state)
    state.draw_holder(CONTEXT, OWN)
    for _ in range(2):
        state.record_answer(REQUEST, answered_list(2))
    state.record_answer(REQUEST, answered_list(3, which=b"m"))
    for asked, code in (
        (answered_list(2, which=b"x"), MatchingRefusal.SECOND_LIST),
        (answered_list(2, keys=b"x"), MatchingRefusal.OTHER_KEYS),
        (answered_list(1, keys=b"x"), MatchingRefusal.OTHER_KEYS),
    ):
        with pytest.raises(MatchingRefusedError) as caught:
            state.record_answer(REQUEST, asked)
        assert caught.value.code is code
    holder = state.holder(CONTEXT, OWN)
    assert holder is not None
    assert holder.answered == {IDS[2]: b"l" * 32, IDS[3]: b"m" * 32}
    assert holder.keys_sha256 == b"k" * 32


def test_an_answer_without_a_key_is_not_recorded(state: MatchingState) -> None:
    with pytest.raises(MatchingContradictedError):
        state.record_answer(REQUEST, answered_list())
    begin_in(state)
    with pytest.raises(MatchingContradictedError):
        state.record_answer(REQUEST, answered_list())


def test_a_table_is_given_to_one_sum_only(state: MatchingState) -> None:
    begin_in(state)
    with pytest.raises(MatchingContradictedError, match="no tags"):
        state.give_table(CONTEXT, TABLE)
    matched = match_in(state)
    assert state.table_request(CONTEXT) is None
    assert state.give_table(CONTEXT, TABLE) == state.give_table(CONTEXT, TABLE) == matched
    with pytest.raises(MatchingContradictedError, match="another sum"):
        state.give_table(CONTEXT, b"u" * 32)
    assert state.table_request(CONTEXT) == TABLE


@pytest.mark.parametrize("is_matched", [True, False])
def test_who_withdraws_is_in_no_table_and_the_list_stays(state: MatchingState, is_matched: bool) -> None:
    begin_in(state)
    store = state.draw_store(CONTEXT, OWN, INPUTS, consent_position=7)
    if is_matched:
        match_in(state)
    state.leave_out(CONTEXT, ["2", "99"])
    assert state.store(CONTEXT, OWN) == store
    matched = state.matched(CONTEXT) if is_matched else match_in(state)
    assert matched is not None
    assert set(matched.tags) == {"1", "3"}
    assert state.give_table(CONTEXT, TABLE) == matched == state.matched(CONTEXT)
    # The table that is about to leave is on record, and has not left: who says no now is not in it.
    state.leave_out(CONTEXT, ["1"])
    assert set(state.give_table(CONTEXT, TABLE).tags) == {"3"}


def test_nothing_is_drawn_for_a_matching_that_was_not_begun(state: MatchingState) -> None:
    for attempt in (
        lambda: state.draw_holder(CONTEXT, OWN),
        lambda: state.draw_store(CONTEXT, OWN, INPUTS, consent_position=7),
        lambda: state.give_table(CONTEXT, TABLE),
        lambda: state.leave_out(CONTEXT, ["1"]),
    ):
        with pytest.raises(MatchingContradictedError, match="never begun"):
            attempt()
    assert state.holder(CONTEXT, OWN) is state.store(CONTEXT, OWN) is state.matched(CONTEXT) is None
    assert state.table_request(CONTEXT) is None


def test_a_request_stands_for_one_matching_and_an_id_for_one_request(state: MatchingState) -> None:
    begin_in(state)
    state.draw_holder(CONTEXT, OWN)
    other_terms = matching_context(identifiers=9)
    assert other_terms.request_sha256 == REQUEST
    with pytest.raises(MatchingContradictedError):
        begin_in(state, other_terms)
    with pytest.raises(MatchingContradictedError):
        state.holder(other_terms, OWN)
    same_id = matching_context(1, matching_id=0)
    with pytest.raises(MatchingContradictedError, match="Its id"):
        begin_in(state, same_id, day=9999)


def test_a_matching_does_not_go_on_over_a_vault_that_was_made_anew(state: MatchingState, path: Path) -> None:
    begin_in(state)
    match_in(state)
    with open_state(path, vault_id="another") as anew:
        for attempt in (
            lambda: begin_in(anew),
            lambda: anew.store(CONTEXT, OWN),
            lambda: anew.matched(CONTEXT),
            lambda: anew.give_table(CONTEXT, TABLE),
        ):
            with pytest.raises(MatchingContradictedError, match="made anew"):
                attempt()
        assert not anew.may_begin(100, 365)
        anew.destroy(REQUEST)
    with pytest.raises(MatchingOverError):
        begin_in(state)


def test_there_is_one_matching_in_a_period(state: MatchingState) -> None:
    assert state.may_begin(100, 365)
    begin_in(state, day=100)
    second = matching_context(1)
    for day in (100, 464, 50):  # a clock set back frees nothing
        assert not state.may_begin(day, 365)
        with pytest.raises(MatchingTooSoonError, match="every 365 days"):
            begin_in(state, second, day=day)
    begin_in(state, day=464)  # the one under way may go on
    assert state.may_begin(465, 365)
    begin_in(state, second, day=465)
    assert state.under_way() == (second.request_sha256, REQUEST)


def test_a_matching_counts_for_the_period_once_its_table_was_given(state: MatchingState) -> None:
    begin_in(state, day=100)
    state.destroy(REQUEST)  # spoilt by a silent holder
    assert state.may_begin(101, 365)
    second = matching_context(1)
    begin_in(state, second, day=101)
    match_in(state, second)
    state.give_table(second, TABLE)
    state.destroy(second.request_sha256)
    assert not state.may_begin(465, 365)
    assert state.may_begin(466, 365)


def test_matchings_begun_in_vain_fill_no_disk(state: MatchingState) -> None:
    """What was given up before the table counts for no period, and stays in the register for good."""
    for number in range(64):
        begin_in(state, matching_context(number), day=100)
        state.destroy(matching_context(number).request_sha256)
    late = matching_context(64)
    with pytest.raises(MatchingTooSoonError, match="today"):
        begin_in(state, late, day=100)
    with pytest.raises(MatchingTooSoonError):
        begin_in(state, late, day=99)  # a clock set back frees nothing
    begin_in(state, late, day=101)
    begin_in(state, late, day=101)


def test_a_member_that_is_no_holder_draws_no_key(state: MatchingState) -> None:
    begin_in(state)
    with pytest.raises(MatchingStateError):
        state.draw_holder(CONTEXT, IDS[3])
    assert state.holder(CONTEXT, OWN) is None


def test_many_threads_and_two_processes_handles_draw_one_key(path: Path) -> None:
    states = [open_state(path) for _ in range(2)]
    begin_in(states[0])
    barrier, keys, recorded = threading.Barrier(6), [], []

    def draw(number: int) -> None:
        barrier.wait()
        keys.append(states[number % 2].draw_holder(CONTEXT, OWN).secret_key)
        try:
            states[number % 2].record_answer(REQUEST, answered_list(which=bytes([number])))
        except MatchingRefusedError:
            return
        recorded.append(number)

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(keys), len(set(keys)), len(recorded)) == (6, 1, 1)
    for state in states:
        state.close()
