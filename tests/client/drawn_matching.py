"""One matching of a store: its context, the customers in it, and its state after a real exchange."""

from __future__ import annotations

from pathlib import Path

from highstreet.client.matching_state import MatchingState
from highstreet.privacy.matching import (
    AnsweredList,
    HolderKeys,
    IdentifierKind,
    KeyHolder,
    MatchedStore,
    MatchingContext,
    identifier_input,
)
from tests.client.made_up_context import IDS, OWN, SIGNING, matching_context

CONTEXT = matching_context()
REQUEST = CONTEXT.request_sha256
INPUTS = {name: identifier_input(IdentifierKind.EMAIL, f"{name}@example.org") for name in ("1", "2", "3")}
TABLE = b"t" * 32


def open_state(path: Path, *, vault_id: str = "v") -> MatchingState:
    return MatchingState.open(path, vault_id=vault_id)


def begin_in(state: MatchingState, context: MatchingContext = CONTEXT, *, day: int = 100) -> None:
    state.begin(context, day=day, period_days=365)


def answered_list(member: int = 2, *, which: bytes = b"l", keys: bytes = b"k") -> AnsweredList:
    return AnsweredList(member_id=IDS[member], list_sha256=which * 32, keys_sha256=keys * 32)


def match_in(state: MatchingState, context: MatchingContext = CONTEXT) -> MatchedStore:
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
