"""One person, one spelling."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.privacy.matching.errors import InvalidIdentifierError
from highstreet.privacy.matching.identifiers import LABEL, IdentifierKind, identifier_input, normalise


@pytest.mark.parametrize(
    ("typed", "spelt"),
    [
        ("Ann@Example.org", "ann@example.org"),
        ("\t ann@example.org\n", "ann@example.org"),
        ("ＡＮＮ@example.org", "ann@example.org"),
        ("ann@straße.example", "ann@strasse.example"),
        ("e\u0301va@example.org", "\u00e9va@example.org"),
        ("№ 12-34", "no 12-34"),
        ("\u00a04711\u3000", "4711"),
    ],
)
def test_ways_to_type_one_identifier_have_one_spelling(typed, spelt):
    assert normalise(typed) == spelt


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "a\x00b",
        "a\nb",
        "a\u200bb",
        "a\u202eb",
        "a\ud800",
        "a\ue000",
        "a\u2028b",
        "x" * 255,
        "ﷺ" * 15,
    ],
)
def test_what_nobody_types_is_refused_without_being_repeated(typed):
    with pytest.raises(InvalidIdentifierError) as refused:
        normalise(typed)
    assert not typed.strip() or typed not in refused.value.for_user()


def test_a_longer_text_than_anybody_types_is_refused_before_it_is_looked_at():
    with pytest.raises(InvalidIdentifierError):
        normalise(" " * 1024 + "a")
    assert normalise(" " * 1023 + "a") == "a"
    assert normalise("x" * 254) == "x" * 254


@given(st.text(max_size=40))
def test_a_spelling_is_its_own_spelling_and_whatever_case_it_is_typed_in(typed):
    try:
        spelt = normalise(typed)
    except InvalidIdentifierError:
        return
    assert (
        normalise(spelt) == spelt == spelt.strip() == spelt.casefold() == unicodedata.normalize("NFKC", spelt)
    )
    assert normalise(f"  {typed} ") == spelt


def test_kinds_never_match_each_other_and_nobody_is_the_label():
    email = identifier_input(IdentifierKind.EMAIL, "4711")
    assert email != identifier_input(IdentifierKind.LOYALTY_NUMBER, "4711")
    assert email == b"highstreet/v1/matching-identifier\x00email\x004711"
    assert not LABEL.startswith(b"highstreet/v1/matching-identifier\x00")
