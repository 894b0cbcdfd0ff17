"""What the release before measured is believed of the very manifest that is named, and of no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from biased_coop import gated, measured
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from published import honest_noise

from highstreet.audit.bias_previous import measured_before
from highstreet.audit.bias_report import PreviousSums, report_on
from highstreet.audit.charter import Charter
from highstreet.audit.claims import claims_of
from highstreet.audit.manifest import Manifest
from highstreet.audit.scorecard import released_scorecard
from highstreet.audit.signing import SignatureKind, SignedDocument, public_key_bytes
from highstreet.client.errors import ReleaseRefusedError
from highstreet.client.release_figures import (
    measured_by_the_one_before,
    refuse_by_its_figures,
    refused_release,
)
from highstreet.models.state import SharedState

COORDINATOR = Ed25519PrivateKey.generate()
KEY = public_key_bytes(COORDINATOR)


@pytest.fixture(scope="module")
def charter() -> Charter:
    from tests.conftest import make_charter

    return gated(make_charter())


@pytest.fixture(scope="module")
def state(charter: Charter) -> SharedState:
    return measured(charter, little=0.38)


@pytest.fixture(scope="module")
def first(charter: Charter, state: SharedState) -> Manifest:
    return Manifest(
        number=1,
        previous_sha256="0" * 64,
        created="2026-11-22T12:00:00Z",
        coop_id=charter.coop.id,
        programme_id="00" * 8,
        rounds=5,
        participants=3,
        rung=charter.plan.rung,
        model_sha256=state.sha256(),
        model_bytes=len(state.to_bytes()),
        schema_sha256=charter.plan.schema.sha256(),
        charter_sha256=charter.sha256().hex(),
        roster_sha256="ab" * 32,
        claims=claims_of(charter),
        noise=charter.privacy.noise,
        evaluation=released_scorecard(charter, state),
        bias=report_on(charter, state, number=1, previous=None),
    )


def _signed(manifest: Manifest, key: Ed25519PrivateKey = COORDINATOR) -> SignedDocument:
    return SignedDocument.create(SignatureKind.RELEASE, manifest.to_dict(), key)


def _behind(first: Manifest, **changes: object) -> Manifest:
    second = replace(first, number=2, previous_sha256=_signed(first).sha256().hex())
    return replace(second, **changes)  # type: ignore[arg-type]  # names are checked by dataclasses


def _before(charter: Charter, second: Manifest, *shown: Manifest) -> PreviousSums | None:
    return measured_by_the_one_before(charter, KEY, second, [_signed(each) for each in shown])


def test_the_one_before_is_found_among_others_by_its_hash(charter: Charter, first: Manifest) -> None:
    others = (replace(first, created="2026-11-21T12:00:00Z"), replace(first, number=7))
    assert first.bias is not None
    assert first.bias.sums is not None
    for shown in ((first,), (*others, first), (first, *others)):
        assert _before(charter, _behind(first), *shown) == PreviousSums(number=1, sums=first.bias.sums)
    for shown in ((), others):
        with pytest.raises(ReleaseRefusedError, match="Release 2 was refused: nobody can show"):
            _before(charter, _behind(first), *shown)


def test_nothing_is_looked_for_before_the_first_or_where_nothing_is_said_of_bias(
    charter: Charter, first: Manifest
) -> None:
    assert _before(charter, first) is None
    assert _before(charter, _behind(first, bias=None)) is None
    with pytest.raises(ReleaseRefusedError):
        _before(charter, _behind(first))


def test_one_before_of_another_number_or_co_op_is_not_it(charter: Charter, first: Manifest) -> None:
    for other in (replace(first, number=2), replace(first, coop_id="cd" * 16)):
        with pytest.raises(ReleaseRefusedError, match="nobody can show"):
            _before(charter, _behind(other, number=2, coop_id=first.coop_id), other)


def test_one_before_signed_by_another_or_unreadable_cannot_be_used(charter: Charter, first: Manifest) -> None:
    by_another = _signed(first, Ed25519PrivateKey.generate())
    unreadable = SignedDocument.create(SignatureKind.RELEASE, {"number": 1}, COORDINATOR)
    for shown in (by_another, unreadable):
        second = _behind(first, previous_sha256=shown.sha256().hex())
        with pytest.raises(ReleaseRefusedError, match="the one before cannot be used"):
            measured_by_the_one_before(charter, KEY, second, [shown])


def test_one_before_that_measured_nothing_is_compared_with_by_nobody(
    charter: Charter, first: Manifest
) -> None:
    assert first.bias is not None
    for silent in (replace(first, bias=None), replace(first, bias=replace(first.bias, sums=None))):
        assert measured_before(silent, charter) is None
        assert _before(charter, _behind(silent, bias=first.bias), silent) is None


def test_other_noise_in_the_one_before_is_refused_for_the_stores_it_names(
    charter: Charter, first: Manifest
) -> None:
    assert first.bias is not None
    assert first.bias.sums is not None

    def said(stddev: float, participants: int) -> Manifest:
        assert first.bias is not None
        assert first.bias.sums is not None
        sums = replace(first.bias.sums, stddev=stddev)
        return replace(first, participants=participants, bias=replace(first.bias, sums=sums))

    for stores in (3, 5):
        fine = said(honest_noise(charter, "bias", stores=stores), stores)
        assert _before(charter, _behind(fine), fine) is not None
    for odd in (said(1.0, 3), said(honest_noise(charter, "bias", stores=3), 5)):
        with pytest.raises(ReleaseRefusedError, match="of the one before: The noise said to be in the sums"):
            _before(charter, _behind(odd), odd)


def test_a_release_is_held_to_its_noise_its_quality_and_its_verdict_in_turn(
    charter: Charter, first: Manifest, state: SharedState
) -> None:
    def hold(manifest: Manifest, of: SharedState = state) -> None:
        refuse_by_its_figures(charter, manifest, of, known_previous=None)

    hold(first)
    with pytest.raises(ReleaseRefusedError, match="noise said to be in the sums"):
        hold(replace(first, participants=5))
    with pytest.raises(ReleaseRefusedError, match="its figures of quality are not those of its model"):
        hold(replace(first, evaluation={}))
    with pytest.raises(ReleaseRefusedError, match="of the rules on bias: The release says nothing"):
        hold(replace(first, bias=None))
    with pytest.raises(ReleaseRefusedError, match="of the rules on bias: The release's figures"):
        hold(first, measured(charter, little=0.37))


def test_a_refusal_names_the_release_and_says_that_nothing_was_changed() -> None:
    assert refused_release(4, "it is odd.").what == "Release 4 was refused: it is odd. Nothing was changed."
    assert refused_release(0, "it is odd").what == "A release was refused: it is odd. Nothing was changed."
