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
from highstreet.client.person_counts import KeptCounts, PersonCounts, _digest
from highstreet.files import FileAccessError
from highstreet.privacy.matching import Counts
from highstreet.privacy.secure_sum.limits import MAX_MEMBERS

SUM, OTHER = b"s" * 32, b"o" * 32
INPUTS = {str(key): b"address %d" % key for key in range(MAX_MEMBERS + 1)}
PRESENT = {customer: frozenset({message}) for customer, message in INPUTS.items()}


@pytest.fixture
def counts(tmp_path: Path) -> PersonCounts:
    return PersonCounts(tmp_path / "person_counts.json", vault_id="vault")


def _save(counts: PersonCounts, shops: dict[str, int], request: bytes = SUM) -> None:
    counts.save(request, Counts(shops), {**INPUTS, "ann": b"ann"}, consent_position=0)


def _weights(counts: PersonCounts, *customers: str, request: bytes = SUM) -> list[float]:
    return list(counts.weights(request, customers, PRESENT, most_shops=MAX_MEMBERS))


def test_a_customer_weighs_one_over_the_count_and_an_unknown_one_nothing(counts: PersonCounts) -> None:
    _save(counts, {"1": 1, "2": 4, "7": 3}, SUM)
    weights = counts.weights(SUM, ("7", "1", "5", "2"), PRESENT, most_shops=4)
    assert (weights.dtype, list(weights)) == (np.float64, [1 / 3, 1.0, 0.0, 0.25])
    assert _weights(PersonCounts(counts._path, vault_id="vault"), "2") == [0.25]  # kept
    assert counts.weights(SUM, (), PRESENT, most_shops=4).shape == (0,)


def test_weights_are_rounded_once_and_add_up_to_hardly_more_than_one(counts: PersonCounts) -> None:
    _save(counts, {str(k): k for k in range(1, MAX_MEMBERS + 1)}, SUM)
    weights = counts.weights(
        SUM, [str(k) for k in range(1, MAX_MEMBERS + 1)], PRESENT, most_shops=MAX_MEMBERS
    )
    for k, weight in enumerate(weights, start=1):
        assert weight == float(Fraction(1, k)) == float(Counts({"x": k}).weight("x"))
        assert k * Fraction(float(weight)) <= 1 + Fraction(1, 2**53)
    # The next larger float would be too much somewhere: the bound is one that can fail.
    assert any(
        k * Fraction(float(np.nextafter(weight, 2))) > 1 + Fraction(1, 2**53)
        for k, weight in enumerate(weights, start=1)
    )


def test_who_shops_in_more_shops_than_a_person_may_weighs_nothing(counts: PersonCounts) -> None:
    _save(counts, {"1": 3, "2": 4, "3": 5}, SUM)
    assert list(counts.weights(SUM, ("1", "2", "3"), PRESENT, most_shops=4)) == [1 / 3, 0.25, 0.0]
    assert list(counts.weights(SUM, ("1", "2", "3"), PRESENT, most_shops=3)) == [1 / 3, 0.0, 0.0]


def test_before_a_matching_and_under_another_request_nobody_weighs_anything(counts: PersonCounts) -> None:
    assert counts.latest() is None
    assert _weights(counts, "1") == [0.0]
    _save(counts, {"1": 1}, SUM)
    assert _weights(counts, "1", request=OTHER) == [0.0]
    _save(counts, {"1": 2}, OTHER)
    assert (_weights(counts, "1"), _weights(counts, "1", request=OTHER)) == ([0.0], [0.5])


def test_a_sum_without_receipts_is_never_used(counts: PersonCounts) -> None:
    _save(counts, {"1": 1}, OTHER)
    counts.refuse(SUM)
    assert counts.latest() == KeptCounts(table_request_sha256=SUM, vault_id="vault", shops=None)
    assert _weights(counts, "1") == [0.0]
    assert _weights(counts, "1", request=OTHER) == [0.0]
    counts.refuse(SUM)
    with pytest.raises(PersonCountsError):
        _save(counts, {"1": 1}, SUM)
    assert _weights(counts, "1") == [0.0]


def test_one_sum_tells_one_thing(counts: PersonCounts) -> None:
    _save(counts, {"1": 1, "2": 2}, SUM)
    _save(counts, {"1": 1, "2": 2}, SUM)
    for other in ({"1": 2, "2": 2}, {"1": 1}, {}):
        with pytest.raises(PersonCountsError, match="same sum"):
            _save(counts, other, SUM)
    with pytest.raises(PersonCountsError):
        counts.refuse(SUM)
    assert _weights(counts, "1", "2") == [1.0, 0.5]


def test_who_was_forgotten_stays_forgotten(counts: PersonCounts) -> None:
    counts.forget(["1"])  # nothing there yet
    _save(counts, {"1": 1, "2": 2}, SUM)
    counts.forget({"1", "9"})
    assert _weights(counts, "1", "2") == [0.0, 0.5]
    _save(counts, {"1": 1, "2": 2}, SUM)  # read again after a crash
    assert _weights(counts, "1", "2") == [0.0, 0.5]
    assert b'"1"' not in counts._path.read_bytes()
    counts.refuse(OTHER)
    counts.forget({"2"})


def test_in_a_vault_made_anew_row_keys_are_other_people_and_weigh_nothing(counts: PersonCounts) -> None:
    _save(counts, {"1": 1}, SUM)
    anew = PersonCounts(counts._path, vault_id="another")
    assert anew.latest() is None
    assert _weights(anew, "1") == [0.0]
    anew.forget(["1"])
    assert _weights(counts, "1") == [1.0]


def test_a_count_holds_for_the_identifier_it_was_read_for_and_for_nobody_elses(counts: PersonCounts) -> None:
    _save(counts, {"1": 1, "2": 2, "3": 3})
    moved = {"1": PRESENT["2"], "2": frozenset[bytes](), "9": PRESENT["1"]}  # 3 is gone
    customers = ("1", "2", "3", "9")
    assert list(counts.weights(SUM, customers, moved, most_shops=4)) == [0.0] * 4
    kept = counts.latest()
    assert kept is not None
    assert kept.held_by(moved) == kept.held_by({}) == {}
    # The twin: it holds where the identifier is what it was, beside another one or alone.
    assert kept.held_by({**PRESENT, "2": PRESENT["2"] | {b"a loyalty number"}}) == {"1": 1, "2": 2, "3": 3}
    assert list(counts.weights(SUM, customers, PRESENT, most_shops=4)) == [1.0, 0.5, 1 / 3, 0.0]


def test_the_file_tells_no_identifier_and_no_digest_twice(counts: PersonCounts) -> None:
    read_for = {"1": b"ann@example.org", "2": b"ann@example.org"}
    digests = []
    for request in (SUM, OTHER):
        counts.save(request, Counts({"1": 1}), read_for, consent_position=3)
        kept = counts.latest()
        assert kept is not None
        assert (kept.consent_position, kept.digests.keys()) == (3, {"1"})
        digests.append(kept.digests["1"])
        assert b"ann" not in counts._path.read_bytes()
        assert not any(one.hex() in repr(kept) for one in (kept.salt, kept.digests["1"]))
    assert digests[0] != digests[1]  # each matching has a salt of its own
    counts.forget({"1"})
    assert digests[1].hex().encode() not in counts._path.read_bytes()
    with pytest.raises(PersonCountsError):
        counts.save(b"n" * 32, Counts({"3": 1}), read_for, consent_position=3)


def test_only_the_owner_reads_the_file_and_nothing_shows_counts(counts: PersonCounts) -> None:
    _save(counts, {"1": 3}, SUM)
    assert stat.S_IMODE(counts._path.stat().st_mode) == 0o600
    assert {path.name for path in counts._path.parent.iterdir()} == {
        "person_counts.json",
        "person_counts.json.lock",
    }
    kept = counts.latest()
    assert kept is not None
    assert "3" not in repr(kept).replace(repr(SUM), "")


SALT, DIGEST = bytes(range(32)), _digest(bytes(range(32)), INPUTS["1"]).hex()
GOOD: dict[str, object] = {
    "version": 2,
    "table_request_sha256": SUM.hex(),
    "vault_id": "vault",
    "consent_position": 5,
    "salt": SALT.hex(),
    "shops": {"1": [2, DIGEST]},
}
DAMAGED = {
    "nothing": b"",
    "no JSON": b"{",
    "deep": b"[" * 100_000,
    "another form": b"[]",
    "another version": json.dumps({**GOOD, "version": 1}).encode(),
    "a field more": json.dumps({**GOOD, "more": 1}).encode(),
    "a field less": json.dumps({k: v for k, v in GOOD.items() if k != "shops"}).encode(),
    "a short hash": json.dumps({**GOOD, "table_request_sha256": "00"}).encode(),
    "no vault": json.dumps({**GOOD, "vault_id": None}).encode(),
    "no hash": json.dumps({**GOOD, "table_request_sha256": 5}).encode(),
    "the first version": json.dumps(
        {"version": 1, "table_request_sha256": SUM.hex(), "vault_id": "vault", "shops": {"1": 2}}
    ).encode(),
    "counts alone": json.dumps({**GOOD, "shops": {"1": 2}}).encode(),
    "no digest": json.dumps({**GOOD, "shops": {"1": [2]}}).encode(),
    "a short digest": json.dumps({**GOOD, "shops": {"1": [2, DIGEST[2:]]}}).encode(),
    "a digest of a number": json.dumps({**GOOD, "shops": {"1": [2, 5]}}).encode(),
    "a short salt": json.dumps({**GOOD, "salt": ""}).encode(),
    "a position before the first": json.dumps({**GOOD, "consent_position": -1}).encode(),
    "true as a position": json.dumps({**GOOD, "consent_position": True}).encode(),
    "a list": json.dumps({**GOOD, "shops": [1]}).encode(),
    "zero shops": json.dumps({**GOOD, "shops": {"1": [0, DIGEST]}}).encode(),
    "negative shops": json.dumps({**GOOD, "shops": {"1": [-1, DIGEST]}}).encode(),
    "half a shop": json.dumps({**GOOD, "shops": {"1": [0.5, DIGEST]}}).encode(),
    "true shops": json.dumps({**GOOD, "shops": {"1": [True, DIGEST]}}).encode(),
    "too many shops": json.dumps({**GOOD, "shops": {"1": [MAX_MEMBERS + 1, DIGEST]}}).encode(),
    "no row key": json.dumps({**GOOD, "shops": {"ann": [1, DIGEST]}}).encode(),
    "odd digits": json.dumps({**GOOD, "shops": {"\u0661": [1, DIGEST]}}).encode(),
    "one customer twice": json.dumps(GOOD).encode().replace(b'"1": [2', b'"1": [1, "00"], "1": [2'),
    "not a number": json.dumps({**GOOD, "shops": {"1": [float("nan"), DIGEST]}}).encode(),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_gives_no_weight_and_says_what_to_do(counts: PersonCounts, kind: str) -> None:
    counts._path.write_bytes(DAMAGED[kind])
    for attempt in (
        counts.latest,
        lambda: counts.weights(SUM, ["1"], PRESENT, most_shops=4),
        lambda: counts.forget(["1"]),
        lambda: _save(counts, {"1": 1}, OTHER),
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
        counts.weights(SUM, ["1"], PRESENT, most_shops=4)


def test_counts_that_no_matching_gives_are_not_kept(counts: PersonCounts) -> None:
    for odd in ({"1": 0}, {"ann": 1}, {"1": MAX_MEMBERS + 1}):
        with pytest.raises(PersonCountsError):
            _save(counts, odd, SUM)
    with pytest.raises(PersonCountsError):
        _save(counts, {}, b"short")
    assert counts.latest() is None


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200))
def test_any_bytes_give_an_error_in_words(body: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "person_counts.json"
        path.write_bytes(body)
        with pytest.raises(PersonCountsError):
            PersonCounts(path, vault_id="vault").weights(SUM, ["1"], PRESENT, most_shops=4)
