"""A manifest is read strictly: what it does not say plainly is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from highstreet.audit.canonical import canonical_json
from highstreet.audit.charter import Charter
from highstreet.audit.claims import claims_of
from highstreet.audit.errors import ManifestError, UnreadableDocumentError
from highstreet.audit.manifest import Manifest
from highstreet.privacy.releases import NoisePlacement, PrivacyUnit, Weighting

_HASH = "ab" * 32


@pytest.fixture
def manifest(charter_with: Callable[..., Charter]) -> Manifest:
    return Manifest(
        number=2,
        previous_sha256=_HASH,
        created="2026-11-22T12:00:00Z",
        coop_id="ab" * 16,
        programme_id="00" * 8,
        rounds=5,
        participants=4,
        rung="statistics-ranker",
        model_sha256=_HASH,
        model_bytes=1000,
        schema_sha256=_HASH,
        charter_sha256=_HASH,
        roster_sha256=_HASH,
        claims=claims_of(charter_with()),
        noise=NoisePlacement.ONCE_IN_SUM,
        evaluation={"ndcg_at_10": 1, "ndcg_at_10/novel": 0.06},
    )


def test_what_is_signed_is_read_back_the_same(manifest: Manifest) -> None:
    assert Manifest.from_document(manifest.document()) == manifest


def test_both_claims_stand_in_it_each_with_its_delta(manifest: Manifest) -> None:
    privacy: Any = manifest.to_dict()["privacy"]
    assert privacy["customer_at_store"]["epsilon"] < privacy["person"]["epsilon"]
    assert privacy["customer_at_store"]["delta"] == privacy["person"]["delta"] == 1e-5
    assert privacy["person"]["stores"] == 4
    assert privacy["noise"] == "once_in_sum"


def test_a_claim_for_persons_says_what_their_contributions_count_by(
    manifest: Manifest, charter_with: Callable[..., Charter]
) -> None:
    terms = replace(
        charter_with().privacy, privacy_unit=PrivacyUnit.PERSON, weighting=Weighting.ONE_OVER_MOST
    )
    divided = replace(manifest, claims=claims_of(charter_with(privacy=terms)))
    assert Manifest.from_document(divided.document()) == divided
    privacy: Any = divided.to_dict()["privacy"]
    assert privacy["person"]["weighting"] == "one_over_most"
    assert privacy["person"]["epsilon"] == privacy["customer_at_store"]["epsilon"]
    for odd in ({**privacy["person"], "weighting": "none"}, {"epsilon": 1.0}):
        with pytest.raises(ManifestError):
            Manifest.from_document(
                canonical_json({**divided.to_dict(), "privacy": {**privacy, "person": odd}})
            )


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("number", 0),
        ("number", True),
        ("number", "2"),
        ("format_version", 2),
        ("created", "yesterday"),
        ("coop_id", "xyz"),
        ("charter_sha256", _HASH.upper()),
        ("rounds", 0),
        ("participants", 0),
        ("evaluation", {"ann smith": 1.0}),
        ("evaluation", {f"m{number}": 1.0 for number in range(257)}),
        ("evaluation", {"ndcg": "high"}),
        ("evaluation", {"ndcg": 1}),
        ("stores", ["Corner Shop"]),
    ],
)
def test_one_odd_entry_is_refused(manifest: Manifest, place: str, value: object) -> None:
    plain = {**manifest.to_dict(), place: value}
    with pytest.raises(ManifestError):
        Manifest.from_document(canonical_json(plain))


@pytest.mark.parametrize("place", ["number", "privacy", "charter_sha256", "evaluation"])
def test_a_missing_entry_is_refused(manifest: Manifest, place: str) -> None:
    plain = {key: value for key, value in manifest.to_dict().items() if key != place}
    with pytest.raises(ManifestError):
        Manifest.from_document(canonical_json(plain))


def test_bytes_that_are_no_document_are_refused() -> None:
    with pytest.raises(UnreadableDocumentError):
        Manifest.from_document(b"\x00")
