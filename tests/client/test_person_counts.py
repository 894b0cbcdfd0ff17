"""Person counts: weights come from one sum, are never too large, and are zero where anything is in doubt."""

from __future__ import annotations

import json
import stat
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.client.errors import PersonCountsError
from highstreet.client.person_counts import KeptCounts, PersonCounts
from highstreet.files import FileAccessError
from highstreet.privacy.matching import Counts
from highstreet.privacy.secure_sum.limits import MAX_MEMBERS

SUM, OTHER = b"s" * 32, b"o" * 32


@pytest.fixture
def counts(tmp_path: Path) -> PersonCounts:
    return PersonCounts(tmp_path / "person_counts.json", vault_id="vault")


def _weights(counts: PersonCounts, *customers: str, request: bytes = SUM) -> list[float]:
    return list(counts.weights(request, customers, most_shops=MAX_MEMBERS))


def test_a_customer_weighs_one_over_the_count_and_an_unknown_one_nothing(counts: PersonCounts) -> None:
    counts.save(SUM, Counts({"1": 1, "2": 4, "7": 3}))
    weights = counts.weights(SUM, ("7", "1", "5", "2"), most_shops=4)
    assert (weights.dtype, list(weights)) == (np.float64, [1 / 3, 1.0, 0.0, 0.25])
    assert _weights(PersonCounts(counts._path, vault_id="vault"), "2") == [0.25]  # kept
    assert counts.weights(SUM, (), most_shops=4).shape == (0,)


def test_weights_are_rounded_once_and_add_up_to_hardly_more_than_one(counts: PersonCounts) -> None:
    counts.save(SUM, Counts({str(k): k for k in range(1, MAX_MEMBERS + 1)}))
    weights = counts.weights(SUM, [str(k) for k in range(1, MAX_MEMBERS + 1)], most_shops=MAX_MEMBERS)
    for k, weight in enumerate(weights, start=1):
        assert weight == float(Fraction(1, k)) == float(Counts({"x": k}).weight("x"))
        assert k * Fraction(float(weight)) <= 1 + Fraction(1, 2**53)
    # The next larger float would be too much somewhere: the bound is one that can fail.
    assert any(
        k * Fraction(float(np.nextafter(weight, 2))) > 1 + Fraction(1, 2**53)
        for k, weight in enumerate(weights, start=1)
    )


def test_who_shops_in_more_shops_than_a_person_may_weighs_nothing(counts: PersonCounts) -> None:
    counts.save(SUM, Counts({"1": 3, "2": 4, "3": 5}))
    assert list(counts.weights(SUM, ("1", "2", "3"), most_shops=4)) == [1 / 3, 0.25, 0.0]
    assert list(counts.weights(SUM, ("1", "2", "3"), most_shops=3)) == [1 / 3, 0.0, 0.0]


def test_before_a_matching_and_under_another_request_nobody_weighs_anything(counts: PersonCounts) -> None:
    assert counts.latest() is None
    assert _weights(counts, "1") == [0.0]
    counts.save(SUM, Counts({"1": 1}))
    assert _weights(counts, "1", request=OTHER) == [0.0]
    counts.save(OTHER, Counts({"1": 2}))
    assert (_weights(counts, "1"), _weights(counts, "1", request=OTHER)) == ([0.0], [0.5])


def test_a_sum_without_receipts_is_never_used(counts: PersonCounts) -> None:
    counts.save(OTHER, Counts({"1": 1}))
    counts.refuse(SUM)
    assert counts.latest() == KeptCounts(table_request_sha256=SUM, vault_id="vault", shops=None)
    assert _weights(counts, "1") == [0.0]
    assert _weights(counts, "1", request=OTHER) == [0.0]
    counts.refuse(SUM)
    with pytest.raises(PersonCountsError):
        counts.save(SUM, Counts({"1": 1}))
    assert _weights(counts, "1") == [0.0]


def test_one_sum_tells_one_thing(counts: PersonCounts) -> None:
    counts.save(SUM, Counts({"1": 1, "2": 2}))
    counts.save(SUM, Counts({"1": 1, "2": 2}))
    for other in ({"1": 2, "2": 2}, {"1": 1}, {}):
        with pytest.raises(PersonCountsError, match="same sum"):
            counts.save(SUM, Counts(other))
    with pytest.raises(PersonCountsError):
        counts.refuse(SUM)
    assert _weights(counts, "1", "2") == [1.0, 0.5]


def test_who_was_forgotten_stays_forgotten(counts: PersonCounts) -> None:
    counts.forget(["1"])  # nothing there yet
    counts.save(SUM, Counts({"1": 1, "2": 2}))
    counts.forget({"1", "9"})
    assert _weights(counts, "1", "2") == [0.0, 0.5]
    counts.save(SUM, Counts({"1": 1, "2": 2}))  # read again after a crash
    assert _weights(counts, "1", "2") == [0.0, 0.5]
    assert b'"1"' not in counts._path.read_bytes()
    counts.refuse(OTHER)
    counts.forget({"2"})


def test_in_a_vault_made_anew_row_keys_are_other_people_and_weigh_nothing(counts: PersonCounts) -> None:
    counts.save(SUM, Counts({"1": 1}))
    anew = PersonCounts(counts._path, vault_id="another")
    assert anew.latest() is None
    assert _weights(anew, "1") == [0.0]
    anew.forget(["1"])
    assert _weights(counts, "1") == [1.0]


def test_only_the_owner_reads_the_file_and_nothing_shows_counts(counts: PersonCounts) -> None:
    counts.save(SUM, Counts({"1": 3}))
    assert stat.S_IMODE(counts._path.stat().st_mode) == 0o600
    assert {path.name for path in counts._path.parent.iterdir()} == {
        "person_counts.json",
        "person_counts.json.lock",
    }
    kept = counts.latest()
    assert kept is not None
    assert "3" not in repr(kept).replace(repr(SUM), "")


GOOD = {"version": 1, "table_request_sha256": SUM.hex(), "vault_id": "vault", "shops": {"1": 2}}
DAMAGED = {
    "nothing": b"",
    "no JSON": b"{",
    "deep": b"[" * 100_000,
    "another form": b"[]",
    "another version": json.dumps({**GOOD, "version": 2}).encode(),
    "a field more": json.dumps({**GOOD, "more": 1}).encode(),
    "a field less": json.dumps({k: v for k, v in GOOD.items() if k != "shops"}).encode(),
    "a short hash": json.dumps({**GOOD, "table_request_sha256": "00"}).encode(),
    "no vault": json.dumps({**GOOD, "vault_id": None}).encode(),
    "no hash": json.dumps({**GOOD, "table_request_sha256": 5}).encode(),
    "a list": json.dumps({**GOOD, "shops": [1]}).encode(),
    "zero shops": json.dumps({**GOOD, "shops": {"1": 0}}).encode(),
    "negative shops": json.dumps({**GOOD, "shops": {"1": -1}}).encode(),
    "half a shop": json.dumps({**GOOD, "shops": {"1": 0.5}}).encode(),
    "true shops": json.dumps({**GOOD, "shops": {"1": True}}).encode(),
    "too many shops": json.dumps({**GOOD, "shops": {"1": MAX_MEMBERS + 1}}).encode(),
    "no row key": json.dumps({**GOOD, "shops": {"ann": 1}}).encode(),
    "odd digits": json.dumps({**GOOD, "shops": {"\u0661": 1}}).encode(),
    "one customer twice": json.dumps(GOOD).encode().replace(b'"1": 2', b'"1": 2, "1": 1'),
    "not a number": json.dumps({**GOOD, "shops": {"1": float("nan")}}).encode(),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_gives_no_weight_and_says_what_to_do(counts: PersonCounts, kind: str) -> None:
    counts._path.write_bytes(DAMAGED[kind])
    for attempt in (
        counts.latest,
        lambda: counts.weights(SUM, ["1"], most_shops=4),
        lambda: counts.forget(["1"]),
        lambda: counts.save(OTHER, Counts({"1": 1})),
        lambda: counts.refuse(OTHER),
    ):
        with pytest.raises(PersonCountsError, match="damaged") as caught:
            attempt()
        assert "next matching" in caught.value.next_step
    assert counts._path.read_bytes() == DAMAGED[kind]


def test_the_file_that_the_damaged_ones_are_made_from_is_good(counts: PersonCounts) -> None:
    counts._path.write_text(json.dumps(GOOD))
    assert _weights(counts, "1") == [0.5]


def test_an_enormous_file_is_not_read(counts: PersonCounts) -> None:
    with counts._path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(FileAccessError, match="larger"):
        counts.weights(SUM, ["1"], most_shops=4)


def test_counts_that_no_matching_gives_are_not_kept(counts: PersonCounts) -> None:
    for odd in ({"1": 0}, {"ann": 1}, {"1": MAX_MEMBERS + 1}):
        with pytest.raises(PersonCountsError):
            counts.save(SUM, Counts(odd))
    with pytest.raises(PersonCountsError):
        counts.save(b"short", Counts({}))
    assert counts.latest() is None


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200))
def test_any_bytes_give_an_error_in_words(body: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "person_counts.json"
        path.write_bytes(body)
        with pytest.raises(PersonCountsError):
            PersonCounts(path, vault_id="vault").weights(SUM, ["1"], most_shops=4)
