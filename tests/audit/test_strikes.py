"""Of all ids of one shop at most one counts, whoever says what in whatever order."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.audit.roster import trusted_members
from highstreet.audit.strikes import struck_for, struck_out
from highstreet.audit.vouches import Replacement

IDS = st.sampled_from("abcdefgh")
SAID = st.lists(
    st.builds(Replacement, IDS, IDS, IDS).filter(lambda each: each.newcomer_id != each.former_id), max_size=12
)


def _shops(said: Collection[Replacement]) -> list[set[str]]:
    """Ids that are linked, found in another way: grow each until nothing changes."""
    shops = []
    for start in {each for one in said for each in (one.newcomer_id, one.former_id)}:
        shop = {start}
        while True:
            more = {
                each
                for one in said
                if shop & {one.newcomer_id, one.former_id}
                for each in (one.newcomer_id, one.former_id)
            }
            if more <= shop:
                break
            shop |= more
        shops.append(shop)
    return shops


@given(SAID, st.sets(IDS), st.sets(IDS))
def test_at_most_one_id_of_a_shop_is_left(
    said: list[Replacement], speakers: set[str], listed: set[str]
) -> None:
    heard = [each for each in said if each.voucher_id in speakers]
    struck = struck_out(listed, said, speakers)
    for shop in _shops(heard):
        assert len((shop & listed) - struck) <= 1
    assert {each.former_id for each in heard} <= struck
    named = {each for one in heard for each in (one.newcomer_id, one.former_id)}
    assert struck <= named  # nobody else is


@given(SAID, st.sets(IDS), st.sets(IDS), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(
    said: list[Replacement], speakers: set[str], listed: set[str], shuffle: Any
) -> None:
    shuffled = [*said, *said[:3]]
    shuffle.shuffle(shuffled)
    assert struck_out(listed, shuffled, speakers) == struck_out(listed, said, speakers)


def test_two_newcomers_in_the_place_of_one_wait_until_an_owner_says_which_is_which() -> None:
    said = [Replacement("s", "b", "a"), Replacement("t", "c", "a")]
    assert struck_out("abcst", said, "st") == {"a", "b", "c"}
    assert struck_out("acst", said, "st") == {"a"}  # one of the two has left
    assert struck_out("abcst", [*said, Replacement("s", "c", "b")], "st") == {"a", "b"}
    assert struck_out("abcst", said, "s") == {"a"}


def test_newcomers_of_newcomers_are_one_shop_too() -> None:
    said = [Replacement("s", "b", "a"), Replacement("t", "c", "a"), Replacement("u", "d", "c")]
    assert struck_out("abcdstu", said, "stu") == {"a", "b", "c", "d"}
    assert struck_out("bcstu", said[:2], "stu") == {"a", "b", "c"}


def test_whose_own_word_is_taken_back_counts_no_more_for_that_one_alone() -> None:
    assert struck_for("a", "abc", [], speakers="abc", withdrawn={("a", "b"), ("b", "c")}) == {"b"}
    assert struck_for("c", "abc", [], speakers="abc", withdrawn={("a", "b"), ("b", "c")}) == frozenset()
    assert struck_for("b", "abc", [Replacement("a", "c", "b")], speakers="a", withdrawn=()) == frozenset()


HONEST = ("s", "t", "u", "v")
MINE = ("e1", "e2", "e3")
ALL = (*HONEST, *MINE)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_one_member_never_counts_twice_when_honest_owners_say_whom_a_newcomer_replaces(data: Any) -> None:
    """One shop (c = 1) has three ids, all on one roster, and says of everybody what it likes.

    Honest owners that vouch for a later id name one that an honest owner vouched for before; each the one it
    knew, so not always the last.
    """
    edges = {(one, other) for one in HONEST for other in HONEST if one != other}
    edges |= {(one, other) for one in MINE for other in ALL if one != other}
    said: list[Replacement] = []
    vouched: list[str] = []
    for name in MINE:
        owners = data.draw(st.sets(st.sampled_from(HONEST)), label=f"who vouches for {name}")
        for owner in sorted(owners):
            edges.add((owner, name))
            if vouched:
                former = data.draw(st.sampled_from(vouched), label=f"{owner}: {name} replaces")
                said.append(Replacement(owner, name, former))
        vouched += [name] if owners else []
    lies = st.builds(Replacement, st.sampled_from(MINE), st.sampled_from(ALL), st.sampled_from(ALL))
    said += data.draw(st.lists(lies, max_size=4), label="lies")
    for me in HONEST:
        speakers = trusted_members(ALL, edges, me=me, colluders=1)
        struck = struck_for(me, ALL, said, speakers=speakers, withdrawn=())
        counted = trusted_members(set(ALL) - struck, edges, me=me, colluders=1)
        assert len(counted & set(MINE)) <= 1


def test_a_member_counts_twice_when_nobody_says_so() -> None:
    """The twin of the test above: it is the owners' answer that closes it."""
    edges = {(one, other) for one in "stu" for other in ("s", "t", "u", "e1", "e2") if one != other}
    listed = {"s", "t", "u", "e1", "e2"}
    counted = trusted_members(listed, edges, me="s", colluders=1)
    assert {"e1", "e2"} <= counted
    said = [Replacement("t", "e2", "e1")]
    struck = struck_for("s", listed, said, speakers=counted, withdrawn=())
    assert trusted_members(listed - struck, edges, me="s", colluders=1) == listed - {"e1"}
