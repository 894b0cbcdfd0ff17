"""What the rules on bias keep back is not released; and if it is all the same, no store uses it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from biased_coop import REASON, candidate, gated, honest_stddev, measured, signed
from witnesses import fetch_witnessed

from highstreet.audit.bias_gate import Outcome, Verdict
from highstreet.audit.bias_report import report_on
from highstreet.audit.errors import OverrideError
from highstreet.audit.limits import StoreLimits
from highstreet.audit.manifest import Manifest
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.client.errors import ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
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

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIMIT_BYTES = 8 << 20


@pytest.fixture
def coop(found: Any, run_coop: Any, charter_with: Any) -> Any:
    return run_coop(found(charter=gated(charter_with())))


@pytest.fixture
def store(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    home = StoreHome(tmp_path / "store")
    join_coop(
        home, coop.invite("Corner Shop"), replace(limits, max_state_bytes=LIMIT_BYTES), now=datetime.now(UTC)
    )
    return home


def _released(coop: Any) -> int:
    with closing(connect(coop.home.database)) as connection:
        return len(all_manifests(connection))


def _fetch(coop: Any, store: StoreHome) -> int:
    release = fetch_witnessed(coop, store, max_state_bytes=LIMIT_BYTES)
    assert release is not None
    return release.manifest.number


def test_a_candidate_that_keeps_the_rule_is_released_and_used(coop: Any, store: StoreHome) -> None:
    for number in (1, 2):
        manifest = publish_release(coop.home, candidate(coop.home, number, little=0.38), now=NOW)
        assert manifest.bias is not None
        assert manifest.bias.verdict.is_pass
        assert (manifest.bias.previous is None) == (number == 1)
        assert _fetch(coop, store) == number
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
    assert _fetch(coop, store) == 1
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
    assert _fetch(coop, store) == 1
    publish_release(coop.home, candidate(coop.home, 2, little=0.38), now=NOW)
    assert _fetch(coop, store) == 2
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
    assert _fetch(coop, store) == 1
    second = publish_release(coop.home, candidate(coop.home, 2, little=0.38), now=NOW)
    assert second.bias is not None
    assert second.bias.previous is not None
    other = replace(second.bias.previous, sums=replace(second.bias.previous.sums, stddev=9.0))
    lying = replace(second, bias=replace(second.bias, previous=other))
    document = SignedDocument.create(SignatureKind.RELEASE, lying.to_dict(), coop.home.coordinator_key())
    model = candidate(coop.home, 2, little=0.38).state.to_bytes()
    with pytest.raises(ReleaseRefusedError, match="other figures of the one before"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    assert _fetch(coop, store) == 2


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
    assert _fetch(coop, store) == 1
    publish_release(coop.home, candidate(coop.home, 2, little=0.38), now=NOW)
    with closing(connect(coop.home.database)) as connection:
        newest = latest_manifest(connection)
    assert newest is not None
    document, model = _third(coop)
    with pytest.raises(ReleaseRefusedError, match="nobody can show the manifest of the one before"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    with pytest.raises(ReleaseRefusedError, match="other figures of the one before"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES, before=newest[1])
    assert _fetch(coop, store) == 3  # the honest one, with the manifest of the one before


def test_made_up_figures_are_refused_after_a_rollback_too(coop: Any, store: StoreHome) -> None:
    for number in (1, 2):
        publish_release(coop.home, candidate(coop.home, number, little=0.38), now=NOW)
        assert _fetch(coop, store) == number
    assert roll_back(store) == 1
    document, model = _third(coop)
    with pytest.raises(ReleaseRefusedError, match="other figures of the one before"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    assert _fetch(coop, store) == 3


def _released_with(coop: Any, *, stddev: float, participants: int = 3) -> tuple[SignedDocument, bytes]:
    """A release that keeps the rule by a figure of the noise in it, signed by the coordinator."""
    charter = coop.home.charter()
    honest = publish_release(coop.home, candidate(coop.home, 1, little=0.38), now=NOW)
    state = measured(charter, little=0.38, stddev=stddev)
    report, model = report_on(charter, state, number=1, previous=None), state.to_bytes()
    assert report.verdict.is_pass
    said = replace(
        honest,
        model_sha256=state.sha256(),
        model_bytes=len(model),
        bias=report,
        participants=participants,
    )
    return SignedDocument.create(SignatureKind.RELEASE, said.to_dict(), coop.home.coordinator_key()), model


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999999, 1.000001])
def test_other_noise_than_the_charter_puts_into_the_sums_is_refused(
    coop: Any, store: StoreHome, share: float
) -> None:
    document, model = _released_with(coop, stddev=share * honest_stddev(coop.home.charter()))
    with pytest.raises(ReleaseRefusedError, match="noise said to be in the figures"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    assert active_release(store) is None


def test_the_noise_of_fewer_stores_than_took_part_is_refused_and_that_of_all_is_not(
    coop: Any, store: StoreHome
) -> None:
    charter = coop.home.charter()
    document, model = _released_with(coop, stddev=honest_stddev(charter, stores=4), participants=5)
    with pytest.raises(ReleaseRefusedError, match="noise said to be in the figures"):
        accept_release(store, document, model, max_state_bytes=LIMIT_BYTES)
    document, model = _released_with(coop, stddev=honest_stddev(charter, stores=5), participants=5)
    assert accept_release(store, document, model, max_state_bytes=LIMIT_BYTES).manifest.number == 1
