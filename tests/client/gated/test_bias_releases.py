"""What the rules on bias keep back is not released; and if it is all the same, no store uses it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from biased_coop import LIMIT_BYTES, NOW, REASON, candidate, fetch, measured, signed
from published import honest_noise

from highstreet.audit.bias_gate import Outcome, Verdict
from highstreet.audit.bias_previous import measured_before
from highstreet.audit.bias_report import PreviousSums, report_on
from highstreet.audit.errors import OverrideError
from highstreet.audit.manifest import Manifest
from highstreet.audit.scorecard import released_scorecard
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client.errors import ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.releases import (
    accept_release,
    active_manifest,
    active_release,
    roll_back,
)
from highstreet.client.store_status import store_status
from highstreet.server.database import connect
from highstreet.server.errors import ReleaseBlockedError
from highstreet.server.releases import all_manifests, latest_manifest, publish_release, release_named


def _released(coop: Any) -> int:
    with closing(connect(coop.home.database)) as connection:
        return len(all_manifests(connection))


def test_a_candidate_that_keeps_the_rule_is_released_and_used(coop: Any, store: StoreHome) -> None:
    for number in (1, 2):
        manifest = publish_release(coop.home, candidate(coop.home, number, little=0.38), now=NOW)
        assert manifest.bias is not None
        assert manifest.bias.verdict.is_pass
        assert (manifest.bias.previous is None) == (number == 1)
        assert fetch(coop, store) == number
    assert active_release(store) is not None
    assert store_status(store).bias == ("of 1 rules on bias 1 are kept",)


@pytest.mark.parametrize(("little", "outcome"), [(0.1, "fail"), (0.3, "undetermined")])
def test_a_candidate_that_breaks_it_or_leaves_it_open_is_not_released(
    coop: Any, little: float, outcome: str
) -> None:
    with pytest.raises(ReleaseBlockedError, match=rf"history_alike \({outcome}\)") as caught:
        publish_release(coop.home, candidate(coop.home, 1, little=little), now=NOW)
    assert "override" in caught.value.for_user()
    assert _released(coop) == 0
    assert list(coop.home.releases.iterdir()) == []


def test_two_people_let_it_out_and_every_shop_is_shown_it(coop: Any, store: StoreHome) -> None:
    kept = candidate(coop.home, 1, little=0.1)
    named = release_named(coop.home.charter(), kept, None)
    for override in (
        signed(named, rules={"history_alike": "fail"}, names=("Ann",)),
        signed(named, rules={"history_alike": "undetermined"}),
        signed(replace(named, model_sha256="00" * 32), rules={"history_alike": "fail"}),
    ):
        with pytest.raises(OverrideError):
            publish_release(coop.home, kept, now=NOW, override=override)
    assert _released(coop) == 0
    override = signed(named, rules={"history_alike": "fail"})
    manifest = publish_release(coop.home, kept, now=NOW, override=override)
    assert manifest.bias is not None
    assert manifest.bias.override == override
    assert fetch(coop, store) == 1
    shown = " ".join(store_status(store).bias)
    assert "OVERRIDDEN on 2026-11-22 by Ann and Ben: history_alike (fail)" in shown
    assert REASON in shown
    assert active_manifest(store) == manifest


def _unmeasured_third(coop: Any, first: Manifest) -> SignedDocument:
    """A release 3 that measured nothing, signed by the coordinator."""
    third = replace(first, number=3, previous_sha256="cd" * 32, programme_id="3" * 16, bias=None)
    return SignedDocument.create(SignatureKind.RELEASE, third.to_dict(), coop.home.coordinator_key())


def test_what_was_overridden_once_is_not_taken_again_later(coop: Any, store: StoreHome) -> None:
    charter, kept = coop.home.charter(), candidate(coop.home, 1, little=0.1)
    override = signed(release_named(charter, kept, None), rules={"history_alike": "fail"})
    first = publish_release(coop.home, kept, now=NOW, override=override)
    assert fetch(coop, store) == 1
    publish_release(coop.home, candidate(coop.home, 2, little=0.38), now=NOW)
    assert fetch(coop, store) == 2
    report = replace(report_on(charter, kept.state, number=4, previous=None), override=override)
    third = _unmeasured_third(coop, first)
    for programme_id, said in (
        (first.programme_id, "seen a release of the same training"),
        ("ef" * 8, "about another training"),
    ):
        again = replace(
            first, number=4, previous_sha256=third.sha256().hex(), programme_id=programme_id, bias=report
        )
        document = SignedDocument.create(SignatureKind.RELEASE, again.to_dict(), coop.home.coordinator_key())
        with pytest.raises(ReleaseRefusedError, match=said):
            accept_release(store, document, kept.state.to_bytes(), max_state_bytes=LIMIT_BYTES, before=third)


def test_a_newcomer_takes_no_override_of_another_place(coop: Any, store: StoreHome) -> None:
    """It has seen nothing; what two people signed says which release it was for."""
    charter, kept = coop.home.charter(), candidate(coop.home, 1, little=0.1)
    override = signed(release_named(charter, kept, None), rules={"history_alike": "fail"})
    first = publish_release(coop.home, kept, now=NOW, override=override)
    report, third = report_on(charter, kept.state, number=4, previous=None), _unmeasured_third(coop, first)
    again = replace(
        first, number=4, previous_sha256=third.sha256().hex(), bias=replace(report, override=override)
    )
    document = SignedDocument.create(SignatureKind.RELEASE, again.to_dict(), coop.home.coordinator_key())
    with pytest.raises(ReleaseRefusedError, match="about another release"):
        accept_release(store, document, kept.state.to_bytes(), max_state_bytes=LIMIT_BYTES, before=third)


def test_an_override_nobody_needs_is_not_in_the_manifest(coop: Any) -> None:
    good = candidate(coop.home, 1, little=0.38)
    override = signed(release_named(coop.home.charter(), good, None), rules={"history_alike": "fail"})
    manifest = publish_release(coop.home, good, now=NOW, override=override)
    assert manifest.bias is not None
    assert manifest.bias.override is None


def _forged(coop: Any, **changes: Any) -> tuple[SignedDocument, bytes]:
    """A release that breaks the rule, signed by the coordinator all the same, with this said of bias."""
    charter = coop.home.charter()
    honest = publish_release(coop.home, candidate(coop.home, 1, little=0.38), now=NOW)
    state = measured(charter, little=0.1)
    report = report_on(charter, state, number=1, previous=None)
    model = state.to_bytes()
    manifest = replace(
        honest, model_sha256=state.sha256(), model_bytes=len(model), bias=replace(report, **changes)
    )
    return SignedDocument.create(
        SignatureKind.RELEASE, manifest.to_dict(), coop.home.coordinator_key()
    ), model


def test_a_coordinator_that_releases_it_all_the_same_is_refused_by_the_store(
    coop: Any, store: StoreHome
) -> None:
    document, model = _forged(coop)
    with pytest.raises(ReleaseRefusedError, match=r"of the rules on bias: .*history_alike"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    assert active_release(store) is None


def test_a_coordinator_that_lies_about_the_verdict_or_the_figures_is_refused(
    coop: Any, store: StoreHome
) -> None:
    charter = coop.home.charter()
    bad = report_on(charter, measured(charter, little=0.1), number=1, previous=None)
    good = report_on(charter, measured(charter, little=0.38), number=1, previous=None)
    rosy = Verdict(findings=tuple(replace(each, outcome=Outcome.PASS) for each in bad.verdict.findings))
    for changes in ({"verdict": rosy}, {"sums": good.sums, "verdict": good.verdict}):
        document, model = _forged(coop, **changes)
        with pytest.raises(ReleaseRefusedError, match="of the rules on bias"):
            accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)


def test_other_figures_of_the_release_before_are_refused(coop: Any, store: StoreHome) -> None:
    publish_release(coop.home, candidate(coop.home, 1, little=0.38), now=NOW)
    assert fetch(coop, store) == 1
    second = publish_release(coop.home, candidate(coop.home, 2, little=0.38), now=NOW)
    assert second.bias is not None
    assert second.bias.previous is not None
    other = replace(second.bias.previous, sums=replace(second.bias.previous.sums, stddev=9.0))
    lying = replace(second, bias=replace(second.bias, previous=other))
    document = SignedDocument.create(SignatureKind.RELEASE, lying.to_dict(), coop.home.coordinator_key())
    model = candidate(coop.home, 2, little=0.38).state.to_bytes()
    with pytest.raises(ReleaseRefusedError, match="other figures of the one before"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    assert fetch(coop, store) == 2


def _third(coop: Any, **changes: Any) -> tuple[SignedDocument, bytes]:
    """Release 3, which makes up what release 2 measured, signed by the coordinator."""
    third = publish_release(coop.home, candidate(coop.home, 3, little=0.38), now=NOW)
    assert third.bias is not None
    assert third.bias.previous is not None
    sums = third.bias.previous.sums
    made_up = replace(sums, values={name: value / 2 for name, value in sums.values.items()})
    bias = replace(third.bias, previous=replace(third.bias.previous, sums=made_up))
    lying = replace(third, bias=bias, **changes)
    model = candidate(coop.home, 3, little=0.38).state.to_bytes()
    return SignedDocument.create(SignatureKind.RELEASE, lying.to_dict(), coop.home.coordinator_key()), model


def test_made_up_figures_of_a_release_that_a_store_never_saw_are_refused(coop: Any, store: StoreHome) -> None:
    publish_release(coop.home, candidate(coop.home, 1, little=0.38), now=NOW)
    assert fetch(coop, store) == 1
    publish_release(coop.home, candidate(coop.home, 2, little=0.38), now=NOW)
    with closing(connect(coop.home.database)) as connection:
        newest = latest_manifest(connection)
    assert newest is not None
    document, model = _third(coop)
    with pytest.raises(ReleaseRefusedError, match="nobody can show the manifest of the one before"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    with pytest.raises(ReleaseRefusedError, match="other figures of the one before"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES, before=newest[1])
    assert fetch(coop, store) == 3  # the honest one, with the manifest of the one before


def test_made_up_figures_are_refused_after_a_rollback_too(coop: Any, store: StoreHome) -> None:
    for number in (1, 2):
        publish_release(coop.home, candidate(coop.home, number, little=0.38), now=NOW)
        assert fetch(coop, store) == number
    assert roll_back(store) == 1
    document, model = _third(coop)
    with pytest.raises(ReleaseRefusedError, match="other figures of the one before"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    assert fetch(coop, store) == 3


def _released_with(
    coop: Any, *, stddev: float, participants: int = 3, **said: np.ndarray
) -> tuple[SignedDocument, bytes]:
    """A release that keeps the rule by what it says of its noise, signed by the coordinator."""
    charter = coop.home.charter()
    honest = publish_release(coop.home, candidate(coop.home, 1, little=0.38), now=NOW)
    state = measured(charter, little=0.38, stddev=stddev, stores=participants).updated(said)
    report, model = report_on(charter, state, number=1, previous=None), state.to_bytes()
    assert report.verdict.is_pass
    lying = replace(
        honest,
        model_sha256=state.sha256(),
        model_bytes=len(model),
        bias=report,
        participants=participants,
        evaluation=released_scorecard(charter, state),
    )
    return SignedDocument.create(SignatureKind.RELEASE, lying.to_dict(), coop.home.coordinator_key()), model


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999999, 1.000001])
def test_other_noise_than_the_charter_puts_into_the_sums_is_refused(
    coop: Any, store: StoreHome, share: float
) -> None:
    document, model = _released_with(coop, stddev=share * honest_noise(coop.home.charter(), "bias"))
    with pytest.raises(ReleaseRefusedError, match="noise said to be in the sums of the phase bias"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    assert active_release(store) is None


def test_the_noise_of_fewer_stores_than_took_part_is_refused_and_that_of_all_is_not(
    coop: Any, store: StoreHome
) -> None:
    charter = coop.home.charter()
    document, model = _released_with(coop, stddev=honest_noise(charter, "bias", stores=4), participants=5)
    with pytest.raises(ReleaseRefusedError, match="noise said to be in the sums of the phase bias"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    document, model = _released_with(coop, stddev=honest_noise(charter, "bias", stores=5), participants=5)
    assert accept_release(store, document, model, max_state_bytes=LIMIT_BYTES).manifest.number == 1


@pytest.mark.parametrize("name", ["evaluation/stddev", "popularity/key_stddev", "popularity/brand_stddev"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.000001])
def test_other_noise_in_any_released_statistic_is_refused(
    coop: Any, store: StoreHome, name: str, share: float
) -> None:
    charter = coop.home.charter()
    stddev = honest_noise(charter, "bias")
    honest = measured(charter, little=0.38)[name]
    document, model = _released_with(coop, stddev=stddev, **{name: share * honest})
    phase = name.partition("/")[0]
    with pytest.raises(ReleaseRefusedError, match=f"noise said to be in the sums of the phase {phase}"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    document, model = _released_with(coop, stddev=stddev, **{name: honest})
    assert accept_release(store, document, model, max_state_bytes=LIMIT_BYTES).manifest.number == 1


def test_blocks_of_one_sum_cannot_have_the_noise_of_different_numbers_of_stores(
    coop: Any, store: StoreHome
) -> None:
    """Each of them could be: but popularity is one sum."""
    charter = coop.home.charter()
    name = "popularity/brand_stddev"
    more = measured(charter, little=0.38, stores=4)[name]
    document, model = _released_with(coop, stddev=honest_noise(charter, "bias"), **{name: more})
    with pytest.raises(ReleaseRefusedError, match="phase popularity"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)


def test_quality_that_is_not_the_models_is_refused(coop: Any, store: StoreHome) -> None:
    honest = publish_release(coop.home, candidate(coop.home, 1, little=0.38), now=NOW)
    model = candidate(coop.home, 1, little=0.38).state.to_bytes()
    better = {**honest.evaluation, "customers/all": 900.0}
    for evaluation in (better, {**honest.evaluation, "ndcg_at_10/all/ranker": 0.9}, {}):
        lying = replace(honest, evaluation=evaluation)
        document = SignedDocument.create(SignatureKind.RELEASE, lying.to_dict(), coop.home.coordinator_key())
        with pytest.raises(ReleaseRefusedError, match="figures of quality are not those of its model"):
            accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    assert fetch(coop, store) == 1


@pytest.mark.parametrize("share", [0.0, 0.5, 1.000001])
def test_other_noise_in_the_release_before_is_refused(coop: Any, store: StoreHome, share: float) -> None:
    """A store that never saw the release before is brought its manifest, signed and named by its hash."""
    charter, key = coop.home.charter(), coop.home.coordinator_key()
    first = publish_release(coop.home, candidate(coop.home, 1, little=0.38), now=NOW)
    second = publish_release(coop.home, candidate(coop.home, 2, little=0.38), now=NOW)
    model = candidate(coop.home, 2, little=0.38).state.to_bytes()

    def brought(stddev: float) -> tuple[SignedDocument, SignedDocument]:
        """Both manifests, the first with this noise."""
        assert first.bias is not None
        assert first.bias.sums is not None
        assert second.bias is not None
        sums = replace(first.bias.sums, stddev=stddev)
        before = replace(first, bias=replace(first.bias, sums=sums))
        previous = PreviousSums(number=1, sums=sums)
        after = replace(second, previous_sha256=before.sha256(), bias=replace(second.bias, previous=previous))
        return (
            SignedDocument.create(SignatureKind.RELEASE, before.to_dict(), key),
            SignedDocument.create(SignatureKind.RELEASE, after.to_dict(), key),
        )

    honest = honest_noise(charter, "bias")
    before, after = brought(share * honest)
    with pytest.raises(ReleaseRefusedError, match=r"of the one before: .*phase bias"):
        accept_release(store, after, model, max_state_bytes=LIMIT_BYTES, before=before)
    before, after = brought(honest)
    taken = accept_release(store, after, model, max_state_bytes=LIMIT_BYTES, before=before)
    assert taken.manifest.number == 2


def test_figures_of_a_release_under_another_charter_are_compared_with_by_nobody(
    coop: Any, store: StoreHome
) -> None:
    first = publish_release(coop.home, candidate(coop.home, 1, little=0.38), now=NOW)
    other = replace(first, charter_sha256="12" * 32)
    charter = coop.home.charter()
    assert measured_before(first, charter) is not None
    assert measured_before(other, charter) is None
    assert measured_before(None, charter) is None
    assert measured_before(replace(first, bias=None), charter) is None
