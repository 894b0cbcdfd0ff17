"""The coordinator takes no contribution without its store's attestation, keeps it, and logs its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from played_coop import PROGRAMME, PlayedCoop, made_charter, stores
from played_store import PlayedStore
from test_logged_programme import _entries, _run

from highstreet.audit.attestation import read_attestation
from highstreet.audit.signing import SignatureKind, verify

CHARTER = made_charter()


@pytest.mark.parametrize(
    "word", ["unattested", "misattested", "selfmade", "costless", "overcharged", "hopeful"]
)
def test_a_contribution_without_a_valid_attestation_is_not_taken(tmp_path: Path, word: str) -> None:
    coop = PlayedCoop(tmp_path, CHARTER, [*stores(3), PlayedStore(4, contribute=word)])
    coop.run()
    assert coop.ended() == ("finished", "")  # the three others are enough
    taken = coop.rows("SELECT member_id FROM attestations")
    assert sorted(taken) == [(f"{number:016x}",) for number in (1, 2, 3)]
    assert coop.rows("SELECT contributors FROM rounds") == [(3,)]


def test_the_twin_with_four_attested_contributions_takes_all_four(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, CHARTER, stores(4))
    coop.run()
    assert coop.rows("SELECT contributors FROM rounds") == [(4,)]


def test_what_was_attested_is_kept_and_every_member_can_see_its_hash(tmp_path: Path) -> None:
    coop = PlayedCoop(tmp_path, CHARTER, stores(3))
    _run(coop, tmp_path)
    kept = coop.rows("SELECT member_id, document, signature FROM attestations ORDER BY member_id")
    assert len(kept) == 3
    for member_id, document, signature in kept:
        assert isinstance(document, bytes)
        assert isinstance(signature, bytes)
        assert read_attestation(document).round.member_id == member_id
        store = coop.stores[int(str(member_id), 16)]
        verify(SignatureKind.ATTESTATION, document, signature, store.signing.public_key().public_bytes_raw())
    logged = [each.draft.body for each in _entries(tmp_path) if each.draft.key.startswith("attestation/")]
    assert {(body["programme_id"], body["round"]) for body in logged} == {(PROGRAMME, 0)}
    hashes = sorted(hashlib.sha256(document).hexdigest() for _, document, _ in kept)  # type: ignore[arg-type]  # blobs
    assert sorted(str(body["attestation_sha256"]) for body in logged) == hashes
