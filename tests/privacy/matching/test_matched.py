"""A matched store: its table, its receipts, its counts."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from highstreet.privacy.matching import Counts, MatchedStore, ReceiptsMissingError, TableShape
from highstreet.privacy.matching.errors import InvalidMatchingError
from highstreet.privacy.matching.shape import RECEIPTS
from highstreet.privacy.matching.table import masked_table, read_counts
from highstreet.privacy.matching.tags import made_up_tag, places
from highstreet.privacy.secure_sum.field import MODULUS, centre

SHAPE = TableShape(stores=5, identifiers_per_store=4)


def store(number, names, *, dummies=20, shape=SHAPE):
    return MatchedStore(
        shape=shape,
        mask_seed=b"m" * 32,
        made_up_seed=hashlib.sha256(f"made up {number}".encode()).digest(),
        dummies=dummies,
        tags={name: hashlib.sha512(name.encode()).digest() for name in names},
    )


def wrapped(total):
    return centre((total % MODULUS).astype(np.uint32))


@pytest.fixture
def four():
    return [store(0, ["ann", "bob"]), store(1, ["ann"]), store(2, ["ann", "cleo"]), store(3, [])]


def test_each_store_reads_its_own_customers_and_nobody_else(four):
    total = wrapped(sum(one.table() for one in four))
    read = [dict(one.counts(total, contributors=4).shops) for one in four]
    assert read == [{"ann": 3, "bob": 1}, {"ann": 3}, {"ann": 3, "cleo": 1}, {}]


def test_a_store_whose_table_is_not_in_the_sum_uses_nothing_of_it(four):
    for left_out in range(4):
        others = [one for number, one in enumerate(four) if number != left_out]
        total = wrapped(sum(one.table() for one in others))
        for contributors in (3, 4):
            with pytest.raises(ReceiptsMissingError):
                four[left_out].counts(total, contributors=contributors)
        for other in others:
            assert other.counts(total, contributors=3)  # the twin: those in it see their receipts


def test_a_store_counted_twice_uses_nothing_of_it(four):
    total = wrapped(sum(one.table() for one in [*four, four[0]]))
    with pytest.raises(ReceiptsMissingError):
        four[0].counts(total, contributors=5)


def test_a_receipt_that_contradicts_makes_the_whole_table_unusable(four):
    total = wrapped(sum(one.table() for one in four))
    where = places([made_up_tag(four[0].made_up_seed, RECEIPTS - 1)], SHAPE)
    altered = total.copy()
    altered[where.coordinates] += where.values.astype(np.int64)
    with pytest.raises(ReceiptsMissingError):
        four[0].counts(wrapped(altered), contributors=4)
    dummy = places([made_up_tag(four[0].made_up_seed, RECEIPTS)], SHAPE)
    altered = total.copy()
    altered[dummy.coordinates] += dummy.values.astype(np.int64)
    assert four[0].counts(wrapped(altered), contributors=4).shops == {"ann": 3, "bob": 1}


def test_one_receipt_that_shows_is_enough_and_none_is_not(four):
    """Receipts that meet other entries are no sign of anything; when all do, nothing is used."""
    total = wrapped(sum(one.table() for one in four))
    where = places([made_up_tag(four[0].made_up_seed, number) for number in range(RECEIPTS)], SHAPE)
    altered = total.copy()
    altered[where.coordinates[:, : RECEIPTS - 1]] += 1
    assert four[0].counts(wrapped(altered), contributors=4).shops == {"ann": 3, "bob": 1}
    altered[where.coordinates[:, RECEIPTS - 1]] += 1
    with pytest.raises(ReceiptsMissingError):
        four[0].counts(wrapped(altered), contributors=4)


def test_a_sum_scaled_together_with_the_number_of_contributors_is_stopped_by_the_receipts_alone():
    """Half the sum of four, said to be of two: the mask fits, and even counts would be read as their half."""
    shops = [store(number, ["ann"]) for number in range(4)]
    total = wrapped(sum(one.table() for one in shops))
    halved = wrapped(total % MODULUS * ((MODULUS + 1) // 2))
    tags, seed = [shops[0].tags["ann"]], shops[0].mask_seed
    assert read_counts(total, tags, SHAPE, contributors=4, mask_seed=seed).tolist() == [4]
    assert read_counts(halved, tags, SHAPE, contributors=2, mask_seed=seed).tolist() == [2]
    for contributors in range(1, 6):
        with pytest.raises(ReceiptsMissingError):
            shops[0].counts(halved, contributors=contributors)


def test_who_alters_without_the_mask_key_only_makes_people_unknown(four):
    """Whatever is added, zeroed, doubled, halved, moved or exchanged: exact, unknown, or all unusable."""
    truth = {"ann": 3, "bob": 1, "cleo": 1}
    total = wrapped(sum(one.table() for one in four))
    generator = np.random.default_rng(3)
    half = (MODULUS + 1) // 2
    outcomes = set()
    for share in (0.02, 0.1, 0.5, 0.75, 1.0):
        for kind in range(6):
            cells = generator.random(SHAPE.dimension) < share
            altered = total.copy()
            altered[cells] = [
                total[cells] + generator.integers(1, MODULUS, cells.sum()),
                np.zeros(cells.sum(), dtype=np.int64),
                total[cells] * 2,
                total[cells] * half % MODULUS,
                np.roll(total, 4)[cells],
                four[1].table()[cells],
            ][kind]
            for one in four:
                try:
                    read = one.counts(wrapped(altered), contributors=4).shops
                except ReceiptsMissingError:
                    outcomes.add("refused")
                    continue
                assert all(read[name] == truth[name] for name in read)
                outcomes.add("exact" if len(read) == len(one.tags) else "unknown")
    assert outcomes == {"refused", "exact", "unknown"}


def test_a_member_that_helps_the_coordinator_can_halve_even_counts_which_is_a_stated_limit():
    """Documented limit (docs/matching.md, section 6): the mask key in the coordinator's hands.

    It halves the cells it guesses to be one person's; a store that opens the sum from surplus answers of the
    committee itself would notice. Without the mask key the same factor does nothing.
    """
    shops = [store(number, ["ann"]) for number in range(4)]
    total = wrapped(sum(one.table() for one in shops))
    assert shops[0].counts(total, contributors=4).shops == {"ann": 4}
    half = (MODULUS + 1) // 2
    own = places([shops[0].tags["ann"]], SHAPE).coordinates
    masks = 4 * masked_table([], SHAPE, mask_seed=shops[0].mask_seed)
    altered = total.copy()
    altered[own] = ((total - masks)[own] % MODULUS * half + masks[own]) % MODULUS
    assert shops[0].counts(wrapped(altered), contributors=4).shops == {"ann": 2}
    without_key = total.copy()
    without_key[own] = total[own] % MODULUS * half % MODULUS
    assert shops[0].counts(wrapped(without_key), contributors=4).shops == {}


def test_a_customer_who_withdraws_is_in_no_table_and_has_weight_zero(four):
    left = four[0].without({"ann"})
    total = wrapped(sum(one.table() for one in (left, *four[1:])))
    assert four[1].counts(total, contributors=4).shops == {"ann": 2}
    counts = left.counts(total, contributors=4)
    assert counts.weight("ann") == 0
    assert counts.weight("bob") == 1
    assert left.table().shape == four[0].table().shape


def test_weights_are_one_over_k_exactly_and_zero_for_the_unknown():
    counts = Counts({"ann": 3})
    assert counts.weight("ann") == Fraction(1, 3)
    assert 3 * counts.weight("ann") == 1
    assert counts.weight("nobody") == 0
    assert "ann" not in repr(counts)


def test_the_same_state_makes_the_same_table_and_dummies_change_it():
    one = store(0, ["ann"])
    assert np.array_equal(one.table(), store(0, ["ann"]).table())
    assert not np.array_equal(one.table(), store(0, ["ann"], dummies=21).table())


def test_a_matched_store_is_not_restored_from_what_cannot_be_its_state_and_shows_none_of_it():
    one = store(0, ["ann", "bob"])
    same = one.tags["ann"]
    wrong = [
        {"mask_seed": b"short"},
        {"made_up_seed": b"short"},
        {"dummies": -1},
        {"tags": {"ann": same, "bob": same}},
        {"tags": {"ann": b"short"}},
        {"tags": {str(n): hashlib.sha512(bytes([n])).digest() for n in range(5)}},
    ]
    for change in wrong:
        with pytest.raises(InvalidMatchingError):
            replace(one, **change)
    assert not any(word in repr(one) for word in ("ann", "seed", "tags", "dummies"))
