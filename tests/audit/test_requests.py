"""A round request's names and hashes have the form they are made with, or it is not read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from highstreet.audit.charter import Charter
from highstreet.audit.errors import UnreadableDocumentError
from highstreet.audit.requests import refuse_odd_sizes, release_spec
from highstreet.privacy.releases import PrivacyUnit, Weighting
from highstreet.protos.rounds_pb2 import RoundRequest

HASHES = {name: bytes(32) for name in ("charter_sha256", "roster_sha256", "schema_sha256", "state_sha256")}
NAMES = {"coop_id": "ab" * 16, "programme_id": "0f" * 8, "phase": "block_gram_2"}
PARTICIPANTS = ["0a" * 8, "0b" * 8, "1c" * 8]


def test_a_release_is_announced_with_whom_the_charter_protects(charter_with: Callable[..., Charter]) -> None:
    charter = charter_with()
    phase = charter.plan.phases[0]
    usual = release_spec(phase, charter, participants=6)
    assert (usual.privacy_unit, usual.weighting) == ("customer_at_store", "whole")
    told = []
    for shops in (4, 6):
        terms = replace(
            charter.privacy,
            privacy_unit=PrivacyUnit.PERSON,
            weighting=Weighting.ONE_OVER_MOST,
            shops_per_person=shops,
        )
        told.append(release_spec(phase, replace(charter, privacy=terms), participants=6))
        assert (told[-1].privacy_unit, told[-1].weighting) == ("person", "one_over_most")
        assert told[-1].shops_per_person == shops
    # Each of the shops rounds, and the noise pays for it: the grid is another one.
    assert len({spec.grid_step for spec in (usual, *told)}) == 3


def test_what_a_coordinator_makes_is_read() -> None:
    refuse_odd_sizes(RoundRequest(**NAMES, **HASHES, participants=PARTICIPANTS))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("phase", "x)\x1b[1A\x1b[2K\r2026-01-01 nothing left this shop"),
        ("phase", "popularity\n"),
        ("phase", "Popularity"),
        ("phase", ""),
        ("phase", "a" * 65),
        ("phase", "\u202ea"),
        ("programme_id", "p1"),
        ("programme_id", "0f" * 9),
        ("programme_id", "../../../../x"),
        ("coop_id", "AB" * 16),
        ("coop_id", "ab" * 15),
        ("coop_id", ""),
    ],
)
def test_a_name_of_another_form_is_refused(name: str, value: str) -> None:
    with pytest.raises(UnreadableDocumentError, match="a name"):
        refuse_odd_sizes(RoundRequest(**{**NAMES, name: value}, **HASHES))


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("value", [b"", bytes(31), bytes(33)])
def test_a_hash_of_another_size_is_refused(name: str, value: bytes) -> None:
    with pytest.raises(UnreadableDocumentError, match="a hash"):
        refuse_odd_sizes(RoundRequest(**NAMES, **{**HASHES, name: value}))


@pytest.mark.parametrize(
    "participants",
    [
        [],
        PARTICIPANTS[::-1],
        [*PARTICIPANTS, PARTICIPANTS[-1]],
        ["m1"],
        ["0A" * 8],
        [f"{number:016x}" for number in range(1025)],
    ],
)
def test_participants_are_listed_once_in_order_by_ids(participants: list[str]) -> None:
    with pytest.raises(UnreadableDocumentError, match="participant"):
        refuse_odd_sizes(RoundRequest(**NAMES, **HASHES, participants=participants))
