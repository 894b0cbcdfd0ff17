"""Names of what is attested: people count rounds from 1, files and the log hold what travels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highstreet.audit.attestation import AttestedKind
from highstreet.client.attested_names import AttestedName, find_name
from highstreet.client.errors import AttestationRecordError
from highstreet.client.round_answers import RoundAnswer, Step

IDS = st.text(alphabet="0123456789abcdef", min_size=16, max_size=16)
NAMES = st.one_of(
    st.builds(
        AttestedName,
        programme_id=IDS,
        kind=st.just(AttestedKind.TRAINING),
        round=st.integers(0, 2**31 - 1),
    ),
    st.builds(
        AttestedName,
        programme_id=IDS,
        kind=st.sampled_from([AttestedKind.MATCHING_LIST, AttestedKind.MATCHING_TABLE]),
    ),
)


@given(NAMES)
def test_a_name_is_found_again_by_what_people_write_and_by_its_file(name: AttestedName) -> None:
    assert find_name(f" {name} ") == name
    assert AttestedName.from_file_name(name.file_name) == name


@given(NAMES, NAMES)
def test_different_things_have_different_names(one: AttestedName, other: AttestedName) -> None:
    same = one == other
    for way in (str, lambda name: name.key, lambda name: name.file_name):
        assert (way(one) == way(other)) == same


def test_the_first_round_is_1_for_people_and_0_where_it_travels() -> None:
    name = find_name(f"{'a' * 16}/1")
    assert (name.round, name.key, str(name)) == (0, f"{'a' * 16}/0", f"{'a' * 16}/1")
    assert find_name(f"{'a' * 16}/list").kind is AttestedKind.MATCHING_LIST


@pytest.mark.parametrize(
    "text", ["", "0", "a/0", "/1", "a/", "a/-1", "a/x", "a/01", "a/1.0", "list", "/list", "a/lists", "a/٣"]
)
def test_what_names_nothing_is_told_with_what_would(text: str) -> None:
    with pytest.raises(AttestationRecordError, match="no round") as caught:
        find_name(text)
    assert "PROGRAMME/NUMBER" in caught.value.next_step


def test_a_name_leads_nowhere_but_to_a_file_of_its_folder() -> None:
    for text in ("../../keys/1", "/etc/list", "a\x00b/1"):
        name = find_name(text)
        assert "/" not in name.file_name
    assert AttestedName.from_file_name("keys.json") is None
    assert AttestedName.from_file_name("../aa-1.json") is None


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (Step.CONTRIBUTION, AttestedKind.TRAINING),
        (Step.BLINDED_LIST, AttestedKind.MATCHING_LIST),
        (Step.TABLE, AttestedKind.MATCHING_TABLE),
    ],
)
def test_all_that_rests_on_customers_is_attested_and_nothing_else(step: Step, kind: AttestedKind) -> None:
    name = RoundAnswer(body=b"", step=step, programme_id="ab", round=0).attested
    assert name == AttestedName(programme_id="ab", kind=kind)
    assert RoundAnswer(body=b"", step=step).attested is None  # the request could not be read
    assert {each for each in Step if each.attested is not None} == {
        Step.CONTRIBUTION,
        Step.BLINDED_LIST,
        Step.TABLE,
    }
