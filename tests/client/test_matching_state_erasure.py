"""An erasure takes one person out of a matching, and what was sent or given stays as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from highstreet.client.errors import MatchingContradictedError
from highstreet.client.matching_state import MatchingState
from highstreet.privacy.matching import HolderKeys, IdentifierKind, KeyHolder, MatchedStore, identifier_input
from tests.client.drawn_matching import CONTEXT, INPUTS, TABLE, begin_in, match_in, open_state
from tests.client.made_up_context import IDS, OWN, SIGNING, matching_context


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "matching.db"


@pytest.fixture
def state(path: Path) -> Iterator[MatchingState]:
    with open_state(path) as opened:
        yield opened


def test_before_the_table_was_given_an_erasure_takes_one_person_and_the_list_stays_as_it_was_sent(
    state: MatchingState, path: Path
) -> None:
    begin_in(state)
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
    begin_in(state)
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
    begin_in(state)
    matched = match_in(state)
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
    with open_state(path) as state:
        begin_in(state, context)
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
    with open_state(path) as state:
        assert state.erase(gone) == 1
    held = path.read_bytes()
    assert [name for name in gone if inputs[name] in held] == []
    assert [name for name in inputs if inputs[name] not in held] == [one for one in inputs if one in gone]
