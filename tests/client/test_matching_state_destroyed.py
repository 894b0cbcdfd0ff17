"""Secrets of a matching go, the fact that they were stays, and a file that is not whole opens nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from highstreet.client.errors import MatchingOverError, MatchingStateError
from highstreet.client.matching_state import MatchingState
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
from tests.client.made_up_context import OWN


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "matching.db"


@pytest.fixture
def state(path: Path) -> Iterator[MatchingState]:
    with open_state(path) as opened:
        yield opened


def test_secrets_are_destroyed_and_a_replay_finds_nothing(state: MatchingState, path: Path) -> None:
    begin_in(state)
    holder, matched = state.draw_holder(CONTEXT, OWN), match_in(state)
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
        lambda: begin_in(state),
        lambda: state.holder(CONTEXT, OWN),
        lambda: state.draw_holder(CONTEXT, OWN),
        lambda: state.record_answer(REQUEST, answered_list()),
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
    with open_state(path) as state:
        state._connection.execute("PRAGMA secure_delete = OFF")
        begin_in(state)
        secret = state.draw_holder(CONTEXT, OWN).secret_key
        state.destroy(REQUEST)
    assert secret in path.read_bytes()


def test_what_was_cannot_be_undone_by_a_careless_statement(state: MatchingState) -> None:
    begin_in(state)
    match_in(state)
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


def _garbled(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 8192)


def _overwritten(path: Path) -> None:
    with open_state(path) as state:
        begin_in(state)
        state.draw_store(CONTEXT, OWN, {str(n): b"%d" % n * 200 for n in range(8)}, consent_position=7)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * 8192 + whole[12288:])


@pytest.mark.parametrize("damage", [_garbled, _overwritten])
def test_a_file_that_is_not_whole_is_told_and_left_alone(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    before = path.read_bytes()
    with pytest.raises(MatchingStateError) as caught:
        open_state(path)
    assert caught.value.next_step
    assert path.read_bytes() == before


def test_rows_that_no_draw_gives_open_nothing(state: MatchingState) -> None:
    begin_in(state)
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
