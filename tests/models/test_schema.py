from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.models.errors import InvalidPlanError
from highstreet.models.schema import FIELDS, FeatureSchema, public_gtin


def test_a_schema_survives_its_plain_form():
    schema = FeatureSchema(price_edges=(1.0, 2.5))
    assert FeatureSchema.from_dict(schema.to_dict()) == schema


def test_the_hash_of_a_schema_changes_with_any_entry():
    schema = FeatureSchema()
    assert schema.sha256() == FeatureSchema().sha256()
    assert schema.sha256() != replace(schema, hash_seed=schema.hash_seed + 1).sha256()


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"version": 2},
        {"hash_name": "md5"},
        {"hash_seed": 2**63},
        {"hash_seed": -(2**63) - 1},
        {"key_buckets": 1},
        {"key_buckets": True},
        {"price_edges": [2.0, 1.0]},
        {"price_edges": "cheap"},
        {"price_edges": [1.0, "2"]},
    ],
)
def test_a_schema_with_a_wrong_entry_is_refused(change):
    with pytest.raises(InvalidPlanError):
        FeatureSchema.from_dict({**FeatureSchema().to_dict(), **change})


def test_a_schema_with_a_missing_entry_is_refused():
    plain = FeatureSchema().to_dict()
    del plain["hash_seed"]
    with pytest.raises(InvalidPlanError):
        FeatureSchema.from_dict(plain)


@given(text=st.text(max_size=30), name=st.sampled_from(FIELDS))
def test_a_bucket_is_in_range_and_zero_only_for_empty_text(text, name):
    schema = FeatureSchema()
    bucket = schema.bucket(name, text)
    assert 0 <= bucket < schema.buckets(name)
    assert (bucket == 0) == (not text.strip())


def test_spelling_by_hand_does_not_change_the_bucket():
    schema = FeatureSchema()
    assert schema.bucket("brand", " ACME  Foods") == schema.bucket("brand", "acme foods")


def test_price_bands_are_bounded_by_their_edges():
    schema = FeatureSchema(price_edges=(1.0, 2.0))
    assert [schema.price_band(p) for p in (None, -1.0, float("nan"), 0.0, 1.0, 1.5, 2.0, 99.0)] == [
        0, 0, 0, 1, 2, 2, 3, 3,
    ]  # fmt: skip
    assert schema.price_bands == 4


@pytest.mark.parametrize(
    ("gtin", "public"),
    [
        ("4006381333931", "04006381333931"),
        ("036000291452", "00036000291452"),
        ("96385074", "00000096385074"),
        ("4006381333932", ""),
        ("2012345678900", ""),
        ("0212345678908", ""),
        ("00000000", ""),
        ("", ""),
        ("40063813339AB", ""),
    ],
)
def test_only_valid_unrestricted_bar_codes_are_public(gtin, public):
    assert public_gtin(gtin) == public


def test_a_product_with_a_public_bar_code_has_one_key_whatever_its_descriptors():
    schema = FeatureSchema()
    first = schema.shared_key(gtin="036000291452", descriptors=("a", "", "", "", ""))
    second = schema.shared_key(gtin="0036000291452", descriptors=("b", "", "", "", ""))
    assert first == second > 0
    assert schema.shared_key(gtin="2012345678900", descriptors=("", " ", "", "", "")) == 0
