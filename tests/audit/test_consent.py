"""Consent events: closed words, one spelling, and a leaf that binds to all of it."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.charter import COOP_LEARNING, MATCHING
from highstreet.audit.commitments import commit
from highstreet.audit.consent import (
    EVERYBODY,
    LAST_MOMENT,
    MAX_SOURCE_CHARACTERS,
    Act,
    Channel,
    ConsentEvent,
    ConsentState,
    Method,
    NoticeName,
    Purpose,
    inconsistent,
    read_event,
    read_spelling,
)
from highstreet.audit.consent_leaf import consent_leaf, event_commitment
from highstreet.audit.consent_tree import ConsentTree, consent_root
from highstreet.audit.errors import UnknownChannelError, UnknownPurposeError

SALT = bytes(range(32))
EVENT = ConsentEvent(
    event_id="0123456789abcdef" * 2,
    customer=7,
    purpose=Purpose.COOP_LEARNING,
    channel=Channel.WEB,
    act=Act.GIVEN,
    at=1_795_348_800_000_000,
    valid_until=1_895_348_800_000_000,
    method=Method.FORM,
    source="till 2",
    notice=NoticeName(version="2026-11", language="de-AT", sha256=b"n" * 32),
    evidence_sha256=b"e" * 32,
)
RAW = (
    EVENT.event_id, 7, "coop_learning", "web", "given", EVENT.at, EVENT.valid_until, "form", "till 2",
    "2026-11", "de-AT", b"n" * 32, b"e" * 32,
)  # fmt: skip


def test_an_event_is_read_back_from_its_values() -> None:
    assert read_event(RAW) == EVENT
    everybody = (
        RAW[0],
        None,
        "matching",
        "everywhere",
        "reconsent_needed",
        5,
        None,
        "rule",
        "",
        *(None,) * 4,
    )
    assert read_event(everybody).customer == EVERYBODY


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "0123"),
        (0, "G" * 32),
        (1, None),  # nobody says yes for everybody
        (1, -1),
        (1, True),
        (1, "7"),
        (2, "anything"),
        (3, "telepathy"),
        (4, "maybe"),
        (5, "yesterday"),
        (5, None),
        (6, 1.5),
        (7, "guessed"),
        (8, None),
        (9, None),
        (11, b"short"),
        (11, "n" * 32),
        (12, b""),
    ],
)
def test_an_event_with_a_value_that_has_no_meaning_is_refused(place: int, value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever it is: the log says which entry
        read_event([*RAW[:place], value, *RAW[place + 1 :]])
    with pytest.raises(ValueError):  # noqa: PT011
        read_event(RAW[:-1])


def test_the_spelling_of_an_event_is_canonical_json_of_all_its_fields() -> None:
    assert json.loads(EVENT.canonical()) == {
        "act": "given",
        "at": 1_795_348_800_000_000,
        "channel": "web",
        "customer": 7,
        "event_id": "0123456789abcdef" * 2,
        "evidence_sha256": "65" * 32,
        "format_version": 1,
        "language": "de-AT",
        "method": "form",
        "notice_sha256": "6e" * 32,
        "notice_version": "2026-11",
        "purpose": "coop_learning",
        "source": "till 2",
        "valid_until": 1_895_348_800_000_000,
    }


OTHER: dict[str, object] = {
    "event_id": "f" * 32,
    "customer": 8,
    "purpose": Purpose.MATCHING,
    "channel": Channel.TILL,
    "act": Act.WITHDRAWN,
    "at": 5,
    "valid_until": None,
    "method": Method.CLICK,
    "source": "till 3",
    "notice": None,
    "evidence_sha256": None,
}


@pytest.mark.parametrize("name", OTHER)
def test_a_leaf_binds_to_every_field_and_to_the_salt(name: str) -> None:
    changed = replace(EVENT, **{name: OTHER[name]})  # type: ignore[arg-type]  # of the field's own type
    assert consent_leaf(changed, SALT) != consent_leaf(EVENT, SALT)
    assert consent_leaf(EVENT, b"\xff" * 32) != consent_leaf(EVENT, SALT)


def test_a_leaf_is_what_the_document_says_it_is() -> None:
    name, value = b"highstreet/consent-event/v1", EVENT.canonical()
    spelled = b"highstreet/commitment/v1\0" + bytes([len(name)]) + name + SALT + value
    commitment = hashlib.sha256(spelled).digest()
    assert event_commitment(EVENT, SALT) == commitment
    assert consent_leaf(EVENT, SALT) == hashlib.sha256(b"\x00" + commitment).digest()


def test_a_salt_has_32_bytes() -> None:
    for salt in (b"", b"x" * 31, b"x" * 33):
        with pytest.raises(ValueError, match="32"):
            commit(salt, b"value", domain="test")


def test_commitments_of_two_domains_or_values_are_apart_however_they_are_cut() -> None:
    made = [commit(SALT, value, domain=domain) for domain, value in (("a", b"bc"), ("ab", b"c"), ("a", b"b"))]
    assert all(a != b for a, b in itertools.combinations(made, 2))


def _plain_root(leaves: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, as it is written there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + _plain_root(leaves[:split]) + _plain_root(leaves[split:])).digest()


@given(st.integers(0, 70))
def test_the_root_is_that_of_the_standard_at_every_size(size: int) -> None:
    leaves = [hashlib.sha256(bytes([number])).digest() for number in range(size)]
    assert consent_root(leaves) == _plain_root(leaves)
    tree = ConsentTree()
    for leaf in leaves:
        tree.add(leaf)
    assert (tree.size, tree.root()) == (size, _plain_root(leaves))


def test_purposes_are_read_by_name_and_nothing_else_is() -> None:
    assert Purpose.parse(" Coop-Learning ") is Purpose.COOP_LEARNING
    for text in ("", "everything", "coop"):
        with pytest.raises(UnknownPurposeError) as caught:
            Purpose.parse(text)
        assert "coop_learning" in caught.value.for_user()


def test_channels_are_read_by_name_and_nothing_else_is() -> None:
    assert Channel.parse(" Web ") is Channel.WEB
    for text in ("", "fax"):
        with pytest.raises(UnknownChannelError) as caught:
            Channel.parse(text)
        assert "everywhere" in caught.value.for_user()


def test_the_purposes_that_a_charter_can_name_are_ones_that_customers_can_agree_to() -> None:
    assert (Purpose.COOP_LEARNING, Purpose.MATCHING) == (COOP_LEARNING, MATCHING)


def test_every_purpose_has_words_of_its_own_for_an_owner() -> None:
    words = [purpose.plain_words for purpose in Purpose]
    assert all(a != b for a, b in itertools.combinations(words, 2))


def test_an_event_is_read_back_from_its_one_spelling_and_from_no_other() -> None:
    bare = replace(EVENT, notice=None, evidence_sha256=None, valid_until=None)
    everybody = replace(bare, customer=EVERYBODY, act=Act.RECONSENT_NEEDED, method=Method.RULE)
    for event in (EVENT, bare, everybody):
        assert read_spelling(event.canonical()) == event
    plain = json.loads(EVENT.canonical())
    for wrong in (
        b"",
        b"[]",
        b"null",
        b"[" * 100_000,
        EVENT.canonical() + b" ",
        json.dumps(plain).encode(),
        json.dumps(plain | {"more": 1}, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps(plain | {"act": "maybe"}, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps(plain | {"customer": 0}, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps(plain | {"notice_sha256": "zz"}, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps(plain | {"notice_sha256": 5}, sort_keys=True, separators=(",", ":")).encode(),
        EVENT.canonical().replace(b'"source":"till 2",', b""),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
            read_spelling(wrong)


def test_acts_and_states_are_a_no_a_lapse_or_neither() -> None:
    noes, lapses = {"refused", "withdrawn", "objected"}, {"expired", "reconsent_needed"}
    assert {act.value for act in Act if act.is_no} == noes
    assert {act.value for act in Act if act.is_lapse} == lapses
    assert {state.value for state in ConsentState if state.is_no} == noes
    assert {state.value for state in ConsentState if state.is_lapsed} == lapses


@pytest.mark.parametrize("kept", [9, 10, 11])
def test_half_a_name_of_a_notice_is_refused(kept: int) -> None:
    values = [value if place not in {9, 10, 11} - {kept} else None for place, value in enumerate(RAW)]
    with pytest.raises(ValueError, match="not a"):
        read_event(values)


def test_the_last_moment_is_the_last_one_of_a_calendar_with_four_digits() -> None:
    began = datetime(1970, 1, 1, tzinfo=UTC)
    assert began + timedelta(microseconds=LAST_MOMENT) == datetime.max.replace(tzinfo=UTC)


def test_a_source_takes_500_characters_as_in_every_receipt_that_was_given_out() -> None:
    assert MAX_SOURCE_CHARACTERS == 500


def test_a_log_that_cannot_be_relied_on_is_told_of_with_the_fact_and_what_to_do() -> None:
    error = inconsistent("entry 7 was changed")
    assert str(error) == "The consent log cannot be relied on: entry 7 was changed."
    assert error.next_step == "Nobody's data is used until the shop's data is put back from a good copy."
