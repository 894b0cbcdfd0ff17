"""Matching state: drawn once, answered once, given once; secrets go, and the fact that they were stays."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
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
from highstreet.privacy.matching import (
    AnsweredList,
    HolderKeys,
    IdentifierKind,
    KeyHolder,
    MatchedStore,
    MatchingContext,
    MatchingRefusal,
    MatchingRefusedError,
    identifier_input,
)
from tests.client.made_up_context import IDS, OWN, SIGNING, matching_context

DRIVER = Path(__file__).with_name("matching_kill_driver.py")
CONTEXT = matching_context()
REQUEST = CONTEXT.request_sha256
INPUTS = {name: identifier_input(IdentifierKind.EMAIL, f"{name}@example.org") for name in ("1", "2", "3")}
TABLE = b"t" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "matching.db"


@pytest.fixture
def state(path: Path) -> Iterator[MatchingState]:
    with _open(path) as opened:
        yield opened


def _open(path: Path, *, vault_id: str = "v") -> MatchingState:
    return MatchingState.open(path, vault_id=vault_id)


def _begin(state: MatchingState, context: MatchingContext = CONTEXT, *, day: int = 100) -> None:
    state.begin(context, day=day, period_days=365)


def _answered(member: int = 2, *, which: bytes = b"l", keys: bytes = b"k") -> AnsweredList:
    return AnsweredList(member_id=IDS[member], list_sha256=which * 32, keys_sha256=keys * 32)


def _match(state: MatchingState, context: MatchingContext = CONTEXT) -> MatchedStore:
    """A real exchange with two holders, this store's own and another's, up to the kept tags."""
    own = state.draw_holder(context, OWN)
    other = KeyHolder.draw(context, IDS[1])
    keys = HolderKeys.collect(context, [own.offer(SIGNING[0]), other.offer(SIGNING[1])])
    store = state.draw_store(context, OWN, INPUTS, consent_position=7)
    sent = store.blinded_list(keys, SIGNING[0])
    answers = [
        own.evaluate(sent, keys, SIGNING[0]).release(
            lambda answered: state.record_answer(context.request_sha256, answered)
        ),
        other.evaluate(sent, keys, SIGNING[1]).release(lambda _: None),
    ]
    return state.keep_matched(context, store.match(keys, answers))


def test_what_was_drawn_is_drawn_for_good_and_outlives_the_process(path: Path) -> None:
    with _open(path) as first:
        _begin(first)
        assert first.holder(CONTEXT, OWN) is None
        assert first.store(CONTEXT, OWN) is None
        holder, store = (
            first.draw_holder(CONTEXT, OWN),
            first.draw_store(CONTEXT, OWN, INPUTS, consent_position=7),
        )
        assert set(store.customers) == set(INPUTS)
    with _open(path) as again:
        _begin(again)
        assert again.draw_holder(CONTEXT, OWN) == again.holder(CONTEXT, OWN) == holder
        assert again.draw_store(CONTEXT, OWN, {}, consent_position=9) == again.store(CONTEXT, OWN) == store


def test_a_whole_matching_comes_back_as_it_was(state: MatchingState, path: Path) -> None:
    _begin(state)
    assert state.matched(CONTEXT) is None
    matched = _match(state)
    assert set(matched.tags) == set(INPUTS)
    with _open(path) as again:
        kept = again.matched(CONTEXT)
        assert kept == matched
        assert (kept.table() == matched.table()).all()
        holder = again.holder(CONTEXT, OWN)
        assert holder is not None
        assert list(holder.answered) == [OWN]
        assert holder.keys_sha256 is not None


def test_tags_are_kept_once(state: MatchingState) -> None:
    _begin(state)
    matched = _match(state)
    assert state.keep_matched(CONTEXT, replace(matched, mask_seed=b"m" * 32)) == matched
    assert state.matched(CONTEXT) == matched


def test_tags_of_others_than_those_who_take_part_are_refused(state: MatchingState) -> None:
    _begin(state)
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
    _begin(state)
    state.draw_holder(CONTEXT, OWN)
    for _ in range(2):
        state.record_answer(REQUEST, _answered(2))
    state.record_answer(REQUEST, _answered(3, which=b"m"))
    for asked, code in (
        (_answered(2, which=b"x"), MatchingRefusal.SECOND_LIST),
        (_answered(2, keys=b"x"), MatchingRefusal.OTHER_KEYS),
        (_answered(1, keys=b"x"), MatchingRefusal.OTHER_KEYS),
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
        state.record_answer(REQUEST, _answered())
    _begin(state)
    with pytest.raises(MatchingContradictedError):
        state.record_answer(REQUEST, _answered())


def test_a_table_is_given_to_one_sum_only(state: MatchingState) -> None:
    _begin(state)
    with pytest.raises(MatchingContradictedError, match="no tags"):
        state.give_table(CONTEXT, TABLE)
    matched = _match(state)
    assert state.table_request(CONTEXT) is None
    assert state.give_table(CONTEXT, TABLE) == state.give_table(CONTEXT, TABLE) == matched
    with pytest.raises(MatchingContradictedError, match="another sum"):
        state.give_table(CONTEXT, b"u" * 32)
    assert state.table_request(CONTEXT) == TABLE


@pytest.mark.parametrize("is_matched", [True, False])
def test_who_withdraws_is_in_no_table_and_the_list_stays(state: MatchingState, is_matched: bool) -> None:
    _begin(state)
    store = state.draw_store(CONTEXT, OWN, INPUTS, consent_position=7)
    if is_matched:
        _match(state)
    state.leave_out(CONTEXT, ["2", "99"])
    assert state.store(CONTEXT, OWN) == store
    matched = state.matched(CONTEXT) if is_matched else _match(state)
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
    _begin(state)
    state.draw_holder(CONTEXT, OWN)
    other_terms = matching_context(identifiers=9)
    assert other_terms.request_sha256 == REQUEST
    with pytest.raises(MatchingContradictedError):
        _begin(state, other_terms)
    with pytest.raises(MatchingContradictedError):
        state.holder(other_terms, OWN)
    same_id = matching_context(1, matching_id=0)
    with pytest.raises(MatchingContradictedError, match="Its id"):
        _begin(state, same_id, day=9999)


def test_a_matching_does_not_go_on_over_a_vault_that_was_made_anew(state: MatchingState, path: Path) -> None:
    _begin(state)
    _match(state)
    with _open(path, vault_id="another") as anew:
        for attempt in (
            lambda: _begin(anew),
            lambda: anew.store(CONTEXT, OWN),
            lambda: anew.matched(CONTEXT),
            lambda: anew.give_table(CONTEXT, TABLE),
        ):
            with pytest.raises(MatchingContradictedError, match="made anew"):
                attempt()
        assert not anew.may_begin(100, 365)
        anew.destroy(REQUEST)
    with pytest.raises(MatchingOverError):
        _begin(state)


def test_there_is_one_matching_in_a_period(state: MatchingState) -> None:
    assert state.may_begin(100, 365)
    _begin(state, day=100)
    second = matching_context(1)
    for day in (100, 464, 50):  # a clock set back frees nothing
        assert not state.may_begin(day, 365)
        with pytest.raises(MatchingTooSoonError, match="every 365 days"):
            _begin(state, second, day=day)
    _begin(state, day=464)  # the one under way may go on
    assert state.may_begin(465, 365)
    _begin(state, second, day=465)
    assert state.under_way() == (second.request_sha256, REQUEST)


def test_a_matching_counts_for_the_period_once_its_table_was_given(state: MatchingState) -> None:
    _begin(state, day=100)
    state.destroy(REQUEST)  # spoilt by a silent holder
    assert state.may_begin(101, 365)
    second = matching_context(1)
    _begin(state, second, day=101)
    _match(state, second)
    state.give_table(second, TABLE)
    state.destroy(second.request_sha256)
    assert not state.may_begin(465, 365)
    assert state.may_begin(466, 365)


def test_secrets_are_destroyed_and_a_replay_finds_nothing(state: MatchingState, path: Path) -> None:
    _begin(state)
    holder, matched = state.draw_holder(CONTEXT, OWN), _match(state)
    store = state.store(CONTEXT, OWN)
    assert store is not None
    secrets = [holder.secret_key, matched.mask_seed, matched.made_up_seed, *store.inputs, *store.blindings]
    secrets += matched.tags.values()
    assert all(secret in path.read_bytes() for secret in secrets)
    state.destroy(REQUEST)
    kept = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert not any(secret in kept for secret in secrets)
    state.destroy(REQUEST)
    state.destroy(b"never begun".ljust(32))
    assert state.under_way() == ()
    for attempt in (
        lambda: _begin(state),
        lambda: state.holder(CONTEXT, OWN),
        lambda: state.draw_holder(CONTEXT, OWN),
        lambda: state.record_answer(REQUEST, _answered()),
        lambda: state.store(CONTEXT, OWN),
        lambda: state.draw_store(CONTEXT, OWN, INPUTS, consent_position=7),
        lambda: state.matched(CONTEXT),
        lambda: state.keep_matched(CONTEXT, matched),
        lambda: state.leave_out(CONTEXT, ["1"]),
        lambda: state.give_table(CONTEXT, TABLE),
        lambda: state.table_request(CONTEXT),
    ):
        with pytest.raises(MatchingOverError) as caught:
            attempt()
        assert caught.value.next_step


def test_without_overwriting_a_destroyed_secret_would_be_found(path: Path) -> None:
    with _open(path) as state:
        state._connection.execute("PRAGMA secure_delete = OFF")
        _begin(state)
        secret = state.draw_holder(CONTEXT, OWN).secret_key
        state.destroy(REQUEST)
    assert secret in path.read_bytes()


def test_what_was_cannot_be_undone_by_a_careless_statement(state: MatchingState) -> None:
    _begin(state)
    _match(state)
    state.give_table(CONTEXT, TABLE)
    for statement in (
        "DELETE FROM matchings",
        "UPDATE matchings SET table_request_sha256 = NULL",
        "UPDATE matchings SET table_request_sha256 = zeroblob(32)",
        "UPDATE matchings SET request_sha256 = zeroblob(32)",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            state._connection.execute(statement)
    state.destroy(REQUEST)
    with pytest.raises(sqlite3.IntegrityError):
        state._connection.execute("UPDATE matchings SET is_destroyed = 0")


def test_a_member_that_is_no_holder_draws_no_key(state: MatchingState) -> None:
    _begin(state)
    with pytest.raises(MatchingStateError):
        state.draw_holder(CONTEXT, IDS[3])
    assert state.holder(CONTEXT, OWN) is None


def _garbled(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 8192)


def _overwritten(path: Path) -> None:
    with _open(path) as state:
        _begin(state)
        state.draw_store(CONTEXT, OWN, {str(n): b"%d" % n * 200 for n in range(8)}, consent_position=7)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * 8192 + whole[12288:])


@pytest.mark.parametrize("damage", [_garbled, _overwritten])
def test_a_file_that_is_not_whole_is_told_and_left_alone(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    before = path.read_bytes()
    with pytest.raises(MatchingStateError) as caught:
        _open(path)
    assert caught.value.next_step
    assert path.read_bytes() == before


def test_rows_that_no_draw_gives_open_nothing(state: MatchingState) -> None:
    _begin(state)
    state.draw_holder(CONTEXT, OWN)
    state.draw_store(CONTEXT, OWN, INPUTS, consent_position=7)
    state._connection.execute("UPDATE holders SET secret_key = zeroblob(32)")
    state._connection.execute("UPDATE stores SET dummies = 1000")
    for attempt in (
        lambda: state.holder(CONTEXT, OWN),
        lambda: state.draw_holder(CONTEXT, OWN),
        lambda: state.draw_store(CONTEXT, OWN, INPUTS, consent_position=7),
    ):
        with pytest.raises(MatchingStateError) as caught:
            attempt()
        assert caught.value.next_step


def test_many_threads_and_two_processes_handles_draw_one_key(path: Path) -> None:
    states = [_open(path) for _ in range(2)]
    _begin(states[0])
    barrier, keys, recorded = threading.Barrier(6), [], []

    def draw(number: int) -> None:
        barrier.wait()
        keys.append(states[number % 2].draw_holder(CONTEXT, OWN).secret_key)
        try:
            states[number % 2].record_answer(REQUEST, _answered(which=bytes([number])))
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


def _check_after_kills(folder: Path, kills: int, seed: int, *how: str) -> dict[str, int]:
    """Kill real processes, then look for anything let out that contradicts something else that was."""
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), str(kills), str(seed), *how],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=True,
    )
    assert json.loads(done.stdout) == {"killed": kills}, done.stderr
    out = [json.loads(line) for line in (folder / "out.log").read_text().splitlines()]
    said = defaultdict(set)
    for kind, matching, value in out:
        said[kind, matching].add(value)
    contradictory = [place for place, values in said.items() if len(values) > 1]
    assert not contradictory, contradictory
    with _open(folder / "matching.db") as state:  # whole, after every one of the kills
        over = [matching for kind, matching in said if kind == "over"]
        for matching in over:
            with pytest.raises(MatchingOverError):
                state.holder(matching_context(matching), OWN)
        assert len(state.under_way()) <= 1
        for request in state.under_way():
            under_way = next(n for n in range(10_000) if matching_context(n).request_sha256 == request)
            holder = state.holder(matching_context(under_way), OWN)
            if holder is not None and said["key", under_way]:
                assert said["key", under_way] == {holder.secret_key.hex()}
    return {"let out": len(out), "matchings": len(over)}


@pytest.mark.system
def test_after_eighty_kills_nothing_let_out_contradicts_anything_else(tmp_path: Path) -> None:
    seen = _check_after_kills(tmp_path, 80, 3)
    assert seen["let out"] > 100
    assert seen["matchings"] >= 5


@pytest.mark.system
def test_what_is_let_out_before_it_is_kept_would_be_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="answer to"):
        _check_after_kills(tmp_path, 400, 5, "careless")


def test_before_the_table_was_given_an_erasure_takes_one_person_and_the_list_stays_as_it_was_sent(
    state: MatchingState, path: Path
) -> None:
    _begin(state)
    own, other = state.draw_holder(CONTEXT, OWN), KeyHolder.draw(CONTEXT, IDS[1])
    keys = HolderKeys.collect(CONTEXT, [own.offer(SIGNING[0]), other.offer(SIGNING[1])])
    drawn = state.draw_store(CONTEXT, OWN, INPUTS, consent_position=7)
    sent = drawn.blinded_list(keys, SIGNING[0])
    of_two = drawn.blindings[1 + drawn.customers.index("2")]
    assert of_two in path.read_bytes()
    assert state.erase({"nobody"}) == 0
    assert state.store(CONTEXT, OWN) == drawn
    assert state.erase({"2"}) == 1
    held = path.read_bytes()
    assert INPUTS["2"] not in held
    assert of_two not in held  # whoever guesses the identifier cannot find it in the list that was sent
    left = state.store(CONTEXT, OWN)
    assert left is not None
    assert left.blinded_list(keys, SIGNING[0]) == sent
    answers = [
        holder.evaluate(sent, keys, signing).release(lambda _: None)
        for holder, signing in ((own, SIGNING[0]), (other, SIGNING[1]))
    ]
    matched = state.keep_matched(CONTEXT, left.match(keys, answers))
    # The others are counted by the very tags that they would have had.
    whole = drawn.match(keys, answers)
    assert matched.tags == {name: tag for name, tag in whole.tags.items() if name != "2"}
    assert state.give_table(CONTEXT, TABLE).table().shape == whole.table().shape


def test_a_list_that_has_not_left_is_overwritten_and_drawn_anew(state: MatchingState, path: Path) -> None:
    _begin(state)
    first = state.draw_store(CONTEXT, OWN, INPUTS, consent_position=7)
    state.forget_list(CONTEXT)
    assert state.store(CONTEXT, OWN) is None
    held = path.read_bytes()
    assert not [value for value in (*first.blindings, *INPUTS.values()) if value in held]
    second = state.draw_store(CONTEXT, OWN, {"1": INPUTS["1"]}, consent_position=8)
    assert second.customers == ("1",)
    assert second.elements != first.elements
    assert state.consent_position(CONTEXT) == 8
    matched = state.keep_matched(
        CONTEXT,
        MatchedStore(
            shape=CONTEXT.shape, mask_seed=b"m" * 32, made_up_seed=b"d" * 32, dummies=second.dummies, tags={}
        ),
    )
    assert state.give_table(CONTEXT, TABLE) == matched
    with pytest.raises(MatchingContradictedError, match="given"):
        state.forget_list(CONTEXT)


def test_after_the_table_was_given_an_erasure_takes_one_person_and_counts_the_others(
    state: MatchingState, path: Path
) -> None:
    _begin(state)
    matched = _match(state)
    state.give_table(CONTEXT, TABLE)
    assert state.erase({"2"}) == 1
    after, listed = state.matched(CONTEXT), state.store(CONTEXT, OWN)
    assert after is not None
    assert listed is not None
    assert after.tags == {name: matched.tags[name] for name in matched.tags if name != "2"}
    assert len(listed.customers) == len(INPUTS)
    assert "2" not in listed.customers
    counts = after.counts(matched.table(), contributors=1)
    assert set(counts.shops) <= {"1", "3"}
    held = path.read_bytes()
    assert INPUTS["2"] not in held
    assert matched.tags["2"] not in held
    assert state.erase({"2"}) == 0


def _long_list(path: Path) -> dict[str, bytes]:
    """Leave a list on the disk whose rows grew by their tags, so that pages were taken apart."""
    context = matching_context(identifiers=300)
    inputs = {str(n): identifier_input(IdentifierKind.EMAIL, f"customer {n}@example.org") for n in range(300)}
    with _open(path) as state:
        _begin(state, context)
        store = state.draw_store(context, OWN, inputs, consent_position=7)
        tags = {customer: hashlib.sha512(customer.encode()).digest() for customer in store.customers}
        state.keep_matched(
            context,
            MatchedStore(
                shape=context.shape,
                mask_seed=b"m" * 32,
                made_up_seed=b"d" * 32,
                dummies=store.dummies,
                tags=tags,
            ),
        )
    return inputs


def test_nothing_of_an_erased_person_is_in_what_pages_do_not_use(path: Path) -> None:
    inputs = _long_list(path)
    gone = {str(n) for n in range(0, 300, 3)}
    with _open(path) as state:
        assert state.erase(gone) == 1
    held = path.read_bytes()
    assert [name for name in gone if inputs[name] in held] == []
    assert [name for name in inputs if inputs[name] not in held] == [one for one in inputs if one in gone]
