"""The book of attestations keeps what opens them, and of matchings the latest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from highstreet.audit.attestation import AttestedKind, ConsentBasis
from highstreet.audit.consent import Purpose
from highstreet.audit.consent_states import ConsentTime
from highstreet.client.attestation_book import AttestationBook
from highstreet.client.attested_names import AttestedName
from highstreet.client.attested_use import CommittedRound, commit_to_round
from highstreet.client.errors import AttestationRecordError
from highstreet.client.home import StoreHome


def _name(number: int, kind: AttestedKind) -> AttestedName:
    return AttestedName(programme_id=f"{number:016x}", kind=kind)


def _made(name: AttestedName) -> CommittedRound:
    return commit_to_round(
        {7: frozenset({Purpose.COOP_LEARNING})},
        {7: "ab" * 32},
        name=name,
        basis=ConsentBasis(position=3, root=b"r" * 32, changes=1, time=ConsentTime(now=1)),
        request_sha256=b"q" * 32,
        policy={"limits": {"max_epsilon": 3.0}},
        epsilon=0.0,
        delta=1e-6,
    )


@pytest.mark.parametrize("kind", list(AttestedKind))
def test_what_is_kept_is_found_again_under_its_name_alone(tmp_path: Path, kind: AttestedKind) -> None:
    book, made = AttestationBook(StoreHome(tmp_path)), _made(_name(1, kind))
    book.keep(made)
    found = book.find(made.name)
    assert (found.use, found.basis, found.policy) == (made.use, made.basis, made.policy)
    assert found.tree.root == made.use.cohort
    assert book.names() == [made.name]
    for other in set(AttestedKind) - {kind}:
        with pytest.raises(AttestationRecordError, match="keeps no") as caught:
            book.find(_name(1, other))
        assert str(made.name) in caught.value.next_step


@pytest.mark.parametrize("kind", list(AttestedKind))
def test_of_matchings_the_latest_four_are_kept_and_of_trainings_all(
    tmp_path: Path, kind: AttestedKind
) -> None:
    home = StoreHome(tmp_path)
    book, other = AttestationBook(home), _made(_name(1, AttestedKind.TRAINING))
    book.keep(other)
    for number in range(2, 9):
        made = _made(_name(number, kind))
        book.keep(made)
        os.utime(home.attestations / made.name.file_name, ns=(number, number))
        book.keep(made)  # computed again before it was sent
        os.utime(home.attestations / made.name.file_name, ns=(number, number))
    first = 2 if kind is AttestedKind.TRAINING else 5
    assert set(book.names()) == {other.name, *(_name(number, kind) for number in range(first, 9))}
