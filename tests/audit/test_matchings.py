"""A matching as charter and request describe it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from highstreet.audit.charter import MATCHING, Charter, MatchingTerms
from highstreet.audit.charter_format import from_document, from_toml, to_toml
from highstreet.audit.claims import weights_in_words
from highstreet.audit.errors import CharterError, SignatureMismatchError, UnreadableDocumentError
from highstreet.audit.matching_requests import open_matching_request, sign_matching_request
from highstreet.audit.matchings import (
    drawn_holders,
    fewest_participants,
    influences,
    matching_request,
    refuse_impossible_matching,
    shares_stores,
    table_floor,
    table_release,
)
from highstreet.privacy.matching import IdentifierKind, TableShape
from highstreet.privacy.releases import PrivacyUnit, Weighting
from highstreet.protos.matching_pb2 import SignedMatchingRequest

Make = Callable[..., Charter]
KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()
IDS = [f"{number:016x}" for number in range(1, 7)]


def _matching(charter: Charter, **terms: object) -> Charter:
    return replace(
        charter,
        purposes=(*charter.purposes, MATCHING),
        matching=MatchingTerms(**terms),  # type: ignore[arg-type]  # names are checked by the dataclass
    )


def test_a_charter_without_the_section_is_spelled_as_before(charter_with: Make) -> None:
    charter = charter_with()
    assert b"matching" not in charter.document()
    assert "[matching]" not in to_toml(charter)


def test_the_section_survives_toml_and_signing(charter_with: Make) -> None:
    charter = _matching(charter_with(), identifiers_per_store=77, identifier_kind="loyalty-number")
    assert from_toml(to_toml(charter)) == charter
    assert from_document(charter.document()) == charter
    assert charter.sha256() != charter_with().sha256()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('identifier_kind = "email"', 'identifier_kind = "name"', "matching.identifier_kind"),
        ("identifiers_per_store = 1000", "identifiers_per_store = 0", "matching.identifiers_per_store"),
        ("identifiers_per_store = 1000", "identifiers_per_store = 70000", "matching.identifiers_per_store"),
        ("period_days = 90", "period_days = 0", "matching.period_days"),
        (', "matching"]', "]", "purposes must allow matching"),
    ],
)
def test_a_section_that_cannot_be_is_refused(charter_with: Make, old: str, new: str, said: str) -> None:
    text = to_toml(_matching(charter_with()))
    assert old in text
    with pytest.raises(CharterError, match=said):
        from_toml(text.replace(old, new))


def test_the_charters_kinds_are_those_of_the_matching(charter_with: Make) -> None:
    for kind in IdentifierKind:
        charter = _matching(charter_with(), identifier_kind=kind.value)
        assert from_toml(to_toml(charter)).matching == charter.matching


def _drawn(matching_id: str, *, colluders: int = 1) -> tuple[str, ...]:
    return drawn_holders(
        IDS, coop_id="ab" * 16, matching_id=matching_id, roster_sha256=b"r" * 32, colluders=colluders
    )


def test_there_is_one_holder_more_than_colluders_and_the_lot_falls_on_everybody() -> None:
    counted = dict.fromkeys(IDS, 0)
    draws = 600
    for number in range(draws):
        holders = _drawn(f"{number:016x}")
        assert list(holders) == sorted(set(holders))
        assert len(holders) == 2
        for one in holders:
            counted[one] += 1
    # Each is drawn with probability 1/3: five standard deviations of a binomial number.
    tolerance = 5 * (draws * (1 / 3) * (2 / 3)) ** 0.5
    assert all(abs(times - draws / 3) < tolerance for times in counted.values())
    assert abs(draws / 2 - draws / 3) > tolerance  # a lot that falls on one of two would be seen
    assert len(_drawn("0" * 16, colluders=2)) == 3


@pytest.mark.parametrize(("size", "colluders", "fewest"), [(6, 1, 4), (9, 2, 7), (4, 1, 4), (7, 2, 7)])
def test_so_many_must_take_part_that_t_plus_c_can_answer(
    charter_with: Make, size: int, colluders: int, fewest: int
) -> None:
    charter = _matching(charter_with(), identifiers_per_store=10)
    charter = replace(
        charter, rounds=replace(charter.rounds, committee_size=size, colluders=colluders, cohort_floor=3)
    )
    assert fewest_participants(charter) == fewest
    refuse_impossible_matching(charter, participants=fewest)
    with pytest.raises(CharterError, match=f"at least {fewest}"):
        refuse_impossible_matching(charter, participants=fewest - 1)


def test_a_committee_too_small_to_show_who_lies_is_refused(charter_with: Make) -> None:
    charter = _matching(charter_with())
    small = replace(charter, rounds=replace(charter.rounds, committee_size=3, colluders=1, cohort_floor=3))
    with pytest.raises(CharterError, match="committee of 3") as caught:
        fewest_participants(small)
    assert "to 4 or more" in caught.value.next_step


@pytest.mark.parametrize(("size", "colluders", "step"), [(6, 2, "to 7 or more"), (9, 3, "Lower colluders")])
def test_a_committee_too_small_is_told_how_large_it_has_to_be(
    charter_with: Make, size: int, colluders: int, step: str
) -> None:
    charter = _matching(charter_with())
    rounds = replace(charter.rounds, committee_size=size, colluders=colluders, cohort_floor=4)
    with pytest.raises(CharterError, match=f"of which {colluders} may collude") as caught:
        fewest_participants(replace(charter, rounds=rounds))
    assert step in caught.value.next_step


@pytest.mark.parametrize(("stores", "most"), [(6, 14_000), (14, 2_500), (22, 1_000), (41, 250)])
def test_the_table_of_sizes_in_the_note_holds(charter_with: Make, stores: int, most: int) -> None:
    charter = _matching(charter_with(), identifiers_per_store=most)
    refuse_impossible_matching(charter, participants=stores)
    assert table_release(charter, participants=stores).dimension > 0
    too_many = _matching(charter_with(), identifiers_per_store=most + most // 10)
    with pytest.raises(CharterError, match="cannot be matched"):
        refuse_impossible_matching(too_many, participants=stores)


def test_a_charter_without_the_section_matches_nobody(charter_with: Make) -> None:
    with pytest.raises(CharterError, match="matches nobody"):
        refuse_impossible_matching(charter_with(), participants=6)


def test_a_request_is_read_as_it_was_signed_and_in_no_other_way(charter_with: Make) -> None:
    request = matching_request(
        _matching(charter_with()),
        matching_id="c" * 16,
        roster_sha256=b"r" * 32,
        participants=IDS,
        opened_at=1_000,
    )
    signed = sign_matching_request(request, KEY)
    assert open_matching_request(signed, coordinator_public_key=PUBLIC) == request
    forged = SignedMatchingRequest(request=signed.request, signature=bytes(64))
    with pytest.raises(SignatureMismatchError):
        open_matching_request(forged, coordinator_public_key=PUBLIC)
    for field, value in (("matching_id", "C" * 16), ("roster_sha256", b"r"), ("coop_id", "")):
        other = type(request)()
        other.CopyFrom(request)
        setattr(other, field, value)
        with pytest.raises(UnreadableDocumentError):
            open_matching_request(sign_matching_request(other, KEY), coordinator_public_key=PUBLIC)
    twice = type(request)()
    twice.CopyFrom(request)
    twice.participants.append(IDS[0])
    with pytest.raises(UnreadableDocumentError):
        open_matching_request(sign_matching_request(twice, KEY), coordinator_public_key=PUBLIC)
    huge = SignedMatchingRequest(request=b"\x32\x00" * 40_000, signature=bytes(64))
    with pytest.raises(UnreadableDocumentError, match="longer"):
        open_matching_request(huge, coordinator_public_key=PUBLIC)


@pytest.mark.parametrize("identifiers", [1, 200, 1_000, 14_501, 14_502, 32_704])
def test_what_a_person_changes_of_others_is_told_for_every_size_that_is_not_refused(
    charter_with: Make, identifiers: int
) -> None:
    charter = _matching(charter_with(), identifiers_per_store=identifiers)
    found = influences(charter)
    fewest = 1
    for most, chance in found:
        shapes = [
            TableShape(stores=shops, identifiers_per_store=identifiers) for shops in range(fewest, most + 1)
        ]
        assert max(shape.influence for shape in shapes) == chance
        fewest = most + 1
    refuse_impossible_matching(charter, participants=most)
    with pytest.raises(CharterError):
        refuse_impossible_matching(charter, participants=most + 1)
    # Four stores have all rows up to 14,501 identifiers.
    assert (found[0][1] < 2**-20) == (identifiers <= 14_501)


def test_the_promise_names_what_a_matching_adds_to_delta_never_less(charter_with: Make) -> None:
    matched = _matching(charter_with(), identifiers_per_store=200)
    terms = replace(
        matched.privacy,
        privacy_unit=PrivacyUnit.PERSON,
        weighting=Weighting.ONE_OVER_SHOPS,
        shops_per_person=4,
    )
    charter = replace(matched, privacy=terms)
    (words,) = [line for line in weights_in_words(charter) if "delta" in line]
    (shops, chance), *_, (most, worst) = influences(charter)
    assert f"add 7.1e-07 to delta when it is of up to {shops} shops, and 0.0036 when of up to {most}" in words
    assert 7.0e-7 < chance <= 7.1e-7
    assert 0.0035 < worst <= 0.0036
    largest = replace(charter, matching=MatchingTerms(identifiers_per_store=32_704))
    (words,) = [line for line in weights_in_words(largest) if "delta" in line]
    assert "add 0.0036 to delta when it is of up to 4 shops: the chance" in words
    none = replace(charter, matching=MatchingTerms(identifiers_per_store=40_000))
    assert any("no matching can be held" in line for line in weights_in_words(none))


@pytest.mark.parametrize("colluders", [0, 1, 2, 3])
def test_halves_of_a_co_op_are_not_matched_apart(charter_with: Make, colluders: int) -> None:
    """Whatever is asked of whom: two sums that stores take part in have an honest store's table in common."""
    charter = _matching(charter_with())
    rounds = replace(charter.rounds, committee_size=9, colluders=colluders, cohort_floor=4)
    charter = replace(charter, rounds=rounds)
    apart = 0
    for counted in range(4, 60):
        asked = range(4, counted + 1)
        least = {each: table_floor(charter, participants=each) for each in asked}
        held = [least[each] for each in asked if shares_stores(charter, participants=each, counted=counted)]
        assert held  # all of them together can be matched
        assert 2 * min(held) > counted + colluders
        assert all(floor <= max(each, rounds.cohort_floor) for each, floor in least.items())
        apart += 2 * min(least.values()) <= counted + colluders
    assert apart > 40  # by the floor alone, without looking at who counts, they could be
