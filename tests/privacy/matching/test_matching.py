"""Whole matchings among several stores, the table summed by the secure sum and by a plain one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.privacy.matching import ReceiptsMissingError
from highstreet.privacy.matching.errors import InvalidMatchingError
from highstreet.privacy.matching.tags import places

CUSTOMERS = [
    ["ann", "bob", "cleo", "dora"],
    ["ann", "bob", "eli"],
    ["ann", "cleo", "finn", "gus", "hal"],
    ["ann"],
    [],
]


def counts_of(matched, total, contributors):
    return {one: dict(store.counts(total, contributors=contributors).shops) for one, store in matched.items()}


def in_cells_of_others(matched, name):
    """Whether a person meets another entry in every row, by looking at every entry of every store."""
    shape = next(iter(matched.values())).shape
    entries = {
        tag
        for store in matched.values()
        for tag in [*store.tags.values(), *store._made_up(12 + store.dummies)]
    }
    own = next(store.tags[name] for store in matched.values() if name in store.tags)
    where, others = places([own], shape), places(list(entries - {own}), shape)
    return all(where.coordinates[row, 0, 0] in others.coordinates[row, :, 0] for row in range(shape.rows))


@pytest.mark.parametrize("colluders", [0, 1, 2])
def test_every_store_learns_k_for_its_own_customers_through_the_real_secure_sum(
    made_up_matching, shops_of, colluders
):
    made_up = made_up_matching(c=colluders)
    customers = dict(zip(made_up.ids, CUSTOMERS, strict=True))
    matched = made_up.matched(customers)
    tables = {one: store.table() for one, store in matched.items()}
    total = made_up.secure_sum(tables)
    assert np.array_equal(total, made_up.plain_sum(tables.values()))
    truth = shops_of(customers)
    assert not any(in_cells_of_others(matched, name) for name in truth)
    assert counts_of(matched, total, 5) == {
        one: {name: truth[name] for name in names} for one, names in customers.items()
    }


def test_only_those_in_the_set_count_and_only_they_may_use_the_counts(made_up_matching, shops_of):
    made_up = made_up_matching()
    customers = dict(zip(made_up.ids, CUSTOMERS, strict=True))
    matched = made_up.matched(customers)
    left_out = made_up.ids[1]
    there = {one: store for one, store in matched.items() if one != left_out}
    total = made_up.secure_sum({one: store.table() for one, store in there.items()})
    truth = shops_of({one: customers[one] for one in there})
    for one, names in counts_of(there, total, 4).items():
        assert names == {name: truth[name] for name in customers[one]}
    with pytest.raises(ReceiptsMissingError):
        matched[left_out].counts(total, contributors=4)
    # Told that it was counted, with the right number of all stores, it still sees that it was not.
    with pytest.raises(ReceiptsMissingError):
        matched[left_out].counts(total, contributors=5)


names = st.sampled_from([f"p{number}" for number in range(10)])


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sets(names, max_size=6), min_size=3, max_size=5))
def test_no_count_is_ever_wrong_and_no_person_weighs_more_than_one(made_up_matching, shops_of, shops):
    made_up = made_up_matching(n=5)
    customers = dict(zip(made_up.ids, shops, strict=False))
    matched = made_up.matched(customers)
    total = made_up.plain_sum(store.table() for store in matched.values())
    truth, weights = shops_of(customers), Counter()
    for store in matched.values():
        counts = store.counts(total, contributors=len(matched))
        for name in store.tags:
            assert counts.shops.get(name) in (None, truth[name])
            weights[name] += counts.weight(name)
    assert all(weight <= 1 for weight in weights.values())


def test_a_customer_beyond_the_limit_is_not_matched_and_weighs_nothing(made_up_matching):
    made_up = made_up_matching(identifiers=3)
    customers = {one: [f"p{n}" for n in range(8)] for one in made_up.ids[:3]}
    matched = made_up.matched(customers)
    total = made_up.plain_sum(store.table() for store in matched.values())
    truth = Counter(name for store in matched.values() for name in store.tags)
    for store in matched.values():
        counts = store.counts(total, contributors=3)
        weights = {name: counts.weight(name) for name in customers[made_up.ids[0]]}
        assert sum(weight > 0 for weight in weights.values()) == 3
        assert all(counts.shops[name] == truth[name] for name in counts.shops)


def test_people_who_give_different_identifiers_are_different_people(made_up_matching):
    made_up = made_up_matching()
    first, second, third = made_up.ids[:3]
    matched = made_up.matched({first: ["ann"], second: ["ann+shop"], third: ["ANN "]})
    total = made_up.plain_sum(store.table() for store in matched.values())
    assert counts_of(matched, total, 3) == {first: {"ann": 1}, second: {"ann+shop": 1}, third: {"ANN ": 1}}
    # "ANN @example.org" holds a blank inside and is another address; without it the spelling is one.
    matched = made_up_matching().matched({first: ["ann"], second: ["ANN"], third: []})
    total = made_up.plain_sum(store.table() for store in matched.values())
    assert counts_of(matched, total, 3)[first] == {"ann": 2}


def test_tables_of_two_matchings_tell_nothing_together(made_up_matching):
    """A coordinator that puts a table of an earlier matching into a sum makes everybody unknown."""
    made_up, earlier = made_up_matching(), made_up_matching(request="earlier")
    customers = dict(zip(made_up.ids[:3], CUSTOMERS, strict=False))
    now, before = made_up.matched(customers), earlier.matched(customers)
    replayed = made_up.ids[0]
    tables = [before[replayed].table(), *(store.table() for one, store in now.items() if one != replayed)]
    total = made_up.plain_sum(tables)
    for store in now.values():
        with pytest.raises(ReceiptsMissingError):
            store.counts(total, contributors=3)


def test_a_malicious_member_that_knows_a_person_can_lower_that_persons_count_which_is_a_stated_limit(
    made_up_matching,
):
    """Documented limit (docs/matching.md, section 6): no proof says that a member enters its tags once."""
    made_up = made_up_matching()
    customers = {one: ["ann", "bob"] for one in made_up.ids[:4]}
    matched = made_up.matched(customers)
    liar = matched[made_up.ids[3]]
    where = places([liar.tags["ann"]], liar.shape)
    forged = liar.table()
    forged[where.coordinates] -= 2 * where.values.astype(np.int64)
    tables = [store.table() for one, store in matched.items() if one != made_up.ids[3]]
    counts = matched[made_up.ids[0]].counts(made_up.plain_sum([*tables, forged]), contributors=4)
    assert counts.shops == {"ann": 2, "bob": 4}  # ann: truly 4; bob, whom it left alone, as he is


def test_a_coordinator_without_a_member_gets_no_tag_and_no_mask(made_up_matching):
    """Holders answer lists that counted members signed; nobody else has a list."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from highstreet.privacy.matching import MatchingRefusal, MatchingRefusedError, MatchingStore
    from highstreet.privacy.matching.wire import written
    from highstreet.privacy.secure_sum.signatures import Signed, sign
    from highstreet.protos.matching_pb2 import BlindedList, SignedBlindedList

    made_up = made_up_matching()
    coordinator = Ed25519PrivateKey.generate()
    list_ = BlindedList.FromString(
        SignedBlindedList.FromString(made_up.list_of(made_up.store(made_up.ids[0], ["ann"]))).list
    )
    for claimed in (made_up.ids[0], "00" * 8):
        list_.member_id = claimed
        content = written(list_)
        body = written(
            SignedBlindedList(list=content, signature=sign(Signed.MATCHING_LIST, content, coordinator))
        )
        for one, holder in made_up.holders.items():
            with pytest.raises(MatchingRefusedError) as refused:
                holder.evaluate(body, made_up.holder_keys(), made_up.keys[one].signing)
            assert refused.value.code in {MatchingRefusal.SIGNATURE, MatchingRefusal.UNKNOWN_MEMBER}
    with pytest.raises(InvalidMatchingError):
        MatchingStore.draw(made_up.context, "00" * 8, {})


def test_members_see_how_many_people_there_are_and_no_counts_of_strangers(made_up_matching):
    """With the mask off, a stranger's cell is a uniform value: without the tag its k cannot be read."""
    made_up = made_up_matching()
    first, second, third = made_up.ids[:3]
    matched = made_up.matched({first: ["ann"], second: ["bob"], third: ["bob", "cleo"]})
    total = made_up.plain_sum(store.table() for store in matched.values())
    curious = matched[first]
    from highstreet.privacy.matching.table import masked_table
    from highstreet.privacy.secure_sum.field import MODULUS

    bare = (total - 3 * masked_table([], curious.shape, mask_seed=curious.mask_seed)) % MODULUS
    occupied = (bare.reshape(curious.shape.rows, -1, 2) != 0).any(axis=2).sum(axis=1)
    entries = {
        tag
        for store in matched.values()
        for tag in [*store.tags.values(), *store._made_up(12 + store.dummies)]
    }
    assert len(entries) == sum(12 + store.dummies for store in matched.values()) + 3
    cells = places(list(entries), curious.shape).coordinates[:, :, 0]
    assert occupied.tolist() == [len(set(row)) for row in cells.tolist()]
    assert curious.counts(total, contributors=3).shops == {"ann": 1}
    stranger = places([matched[second].tags["bob"]], curious.shape)
    others = places(list(entries - {matched[second].tags["bob"]}), curious.shape).coordinates[:, :, 0]
    own = stranger.coordinates[:, 0, 0]
    alone, another, *_ = (row for row in range(curious.shape.rows) if own[row] not in others[row])
    value = bare[stranger.coordinates[alone, 0]]
    assert value.tolist() == (2 * stranger.values[alone, 0] % MODULUS).tolist()  # seen with the tag only
    assert bare[stranger.coordinates[another, 0]].tolist() != value.tolist()  # and rows cannot be paired
