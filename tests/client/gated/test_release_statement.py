"""Statements about releases that a real coordinator signed and a real store took into use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from biased_coop import KEYS, NOW, REASON, candidate, fetch, gated, signed
from page_outline import PageOutline

from highstreet.audit.audit_results import AuditResults
from highstreet.audit.bias_gate import Outcome, Verdict
from highstreet.audit.bias_report import PreviousSums
from highstreet.audit.errors import AuditError, ReleasedNoiseError, StatementError
from highstreet.audit.manifest import Manifest
from highstreet.audit.scorecard import scorecard
from highstreet.audit.signing import SignatureKind, SignedDocument
from highstreet.audit.statement import Maker, Statement, read_statement
from highstreet.cli import main
from highstreet.client.errors import ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.release_statement import make_statement as stated_by_store
from highstreet.server.errors import NoReleaseError
from highstreet.server.release_statement import make_statement as stated_by_coop
from highstreet.server.releases import publish_release, release_named

AUDIT_FILE = Path(__file__).resolve().parents[3] / "docs" / "results" / "audit.json"


def _release(coop: Any, number: int = 1, *, little: float = 0.38) -> None:
    publish_release(coop.home, candidate(coop.home, number, little=little), now=NOW)


def _override(coop: Any) -> None:
    kept = candidate(coop.home, 1, little=0.1)
    override = signed(release_named(coop.home.charter(), kept, None), rules={"history_alike": "fail"})
    publish_release(coop.home, kept, now=NOW, override=override)


def _stated(files: dict[str, bytes]) -> tuple[Statement, PageOutline]:
    file, page = files.values()
    return read_statement(SignedDocument.from_file_bytes(file)), PageOutline(page.decode())


def _audit() -> AuditResults:
    return AuditResults.from_file_bytes(AUDIT_FILE.read_bytes())


def test_a_store_and_the_coordinator_state_the_same_of_a_release(coop: Any, store: StoreHome) -> None:
    _release(coop)
    fetch(coop, store)
    theirs, their_page = _stated(stated_by_coop(coop.home, None, audit=None, now=NOW))
    ours, our_page = _stated(stated_by_store(store, audit=None, now=NOW))
    assert (theirs.maker, ours.maker) == (Maker.COORDINATOR, Maker.STORE)
    assert ours.maker_key == load_identity(store).signing_public_key
    assert ours.says() == theirs.says()
    for page in (their_page, our_page):
        assert page.problems() == []
    assert "a member shop, which checked" in our_page.text


def test_both_claims_the_floor_and_the_interval_of_every_group_are_on_the_page(coop: Any) -> None:
    _release(coop)
    statement, page = _stated(stated_by_coop(coop.home, 1, audit=None, now=NOW))
    said: dict[str, Any] = dict(statement.says())
    for claim in said["privacy"]["cost_of_this_release"]:
        assert claim["for_whom"] in page.text
        assert f"epsilon {claim['printed_epsilon']}" in page.text
    assert "No sum of fewer than 3 shops" in page.text
    for number, phase in enumerate(said["privacy"]["phases"], start=1):
        assert f"{number} {phase['name']}" in page.text
    assert said["bias"]["verdict"] == "pass"
    (rule,) = said["bias"]["rules"]
    assert rule["cells"]
    for cell in rule["cells"]:
        assert f"{cell['low']:.3f} to {cell['high']:.3f}" in page.text
    assert "svg" in page.names()
    assert "No results of audits were given" in page.text
    assert "That no shop is served worse than by its own model alone" in page.text


def test_an_override_is_shown_with_names_and_reason(coop: Any) -> None:
    _override(coop)
    statement, page = _stated(stated_by_coop(coop.home, None, audit=None, now=NOW))
    said: dict[str, Any] = dict(statement.says())
    assert said["bias"]["verdict"] == "overridden"
    assert "Ann and Ben overrode them" in page.text
    assert REASON in page.text
    assert "The rules on bias are kept" not in page.text


def test_results_of_audits_are_said_to_be_of_their_commit(coop: Any) -> None:
    _release(coop)
    statement, page = _stated(stated_by_coop(coop.home, None, audit=_audit(), now=NOW))
    assert statement.audit == _audit()
    commit = json.loads(AUDIT_FILE.read_bytes())["facts"]["commit"]
    assert f"of the code at commit {commit}" in page.text
    assert "not of this release" in page.text
    assert page.problems() == []
    highest = max(each.bound for each in _audit().bounds if each.claimed == 1.0)
    assert f"{highest:.2f}" in page.text


def test_nothing_is_stated_of_a_release_that_is_not_there(coop: Any, store: StoreHome) -> None:
    with pytest.raises(NoReleaseError):
        stated_by_coop(coop.home, None, audit=None, now=NOW)
    with pytest.raises(ReleaseRefusedError, match="nothing to state"):
        stated_by_store(store, audit=None, now=NOW)
    _release(coop)
    with pytest.raises(NoReleaseError, match="no release 2"):
        stated_by_coop(coop.home, 2, audit=None, now=NOW)


def test_a_store_states_nothing_of_a_model_that_was_changed(coop: Any, store: StoreHome) -> None:
    _release(coop)
    fetch(coop, store)
    model = next(store.releases.rglob("model.safetensors"))
    model.write_bytes(model.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ReleaseRefusedError):
        stated_by_store(store, audit=None, now=NOW)


def _changed(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    copy = json.loads(json.dumps(value))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = new
    return copy


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("says", "privacy", "cost_of_this_release", 0, "epsilon"), 0.1),
        (("says", "bias", "rules", 0, "outcome"), "fail"),
        (("says", "not_promised"), []),
        (("says", "secure_sum", "cohort_floor"), 30),
        (("manifest", "document", "participants"), 30),
        (("manifest", "signature"), "00" * 64),
        (("charter", "document", "privacy", "epsilon"), 0.5),
        (("audit", "bounds", 0, "verdict"), "ABOVE\u202e"),
        (("audit",), None),
        (("coordinator_key",), "11" * 32),
        (("maker",), "coordinator"),
        (("extra",), 1),
    ],
)
def test_its_own_maker_cannot_sign_what_does_not_follow(
    coop: Any, store: StoreHome, path: tuple[str | int, ...], new: object
) -> None:
    _release(coop)
    fetch(coop, store)
    file, _ = stated_by_store(store, audit=_audit(), now=NOW).values()
    value = json.loads(SignedDocument.from_file_bytes(file).document)
    key = load_identity(store).signing
    read_statement(SignedDocument.create(SignatureKind.STATEMENT, value, key))  # unchanged it is taken
    forged = SignedDocument.create(SignatureKind.STATEMENT, _changed(value, path, new), key)
    with pytest.raises(AuditError):
        read_statement(forged)


def test_nobody_else_signs_in_the_makers_name(coop: Any, store: StoreHome) -> None:
    _release(coop)
    file, _ = stated_by_coop(coop.home, None, audit=None, now=NOW).values()
    statement = read_statement(SignedDocument.from_file_bytes(file))
    with pytest.raises(StatementError, match="signed by its maker"):
        statement.signed(load_identity(store).signing)
    value = json.loads(SignedDocument.from_file_bytes(file).document)
    with pytest.raises(AuditError):
        read_statement(SignedDocument.create(SignatureKind.STATEMENT, value, load_identity(store).signing))


def _resigned(coop: Any, change: Callable[[Any], Any]) -> Statement:
    """A statement of a manifest that the coordinator itself signed though it does not hold."""
    from contextlib import closing

    from highstreet.server.database import connect
    from highstreet.server.releases import signed_manifest

    with closing(connect(coop.home.database)) as connection:
        manifest = Manifest.from_document(signed_manifest(connection, 1).document)
    key = coop.home.coordinator_key()
    public = key.public_key().public_bytes_raw()
    return Statement(
        made_at="2026-11-22T12:00:00Z",
        maker=Maker.COORDINATOR,
        maker_key=public,
        coordinator_key=public,
        charter=coop.home.signed_charter(),
        manifest=SignedDocument.create(SignatureKind.RELEASE, change(manifest).to_dict(), key),
    )


def _verdict_with(manifest: Any, **changes: object) -> Any:
    """The manifest with other figures of its first group."""
    (finding,) = manifest.bias.verdict.findings
    cells = (replace(finding.cells[0], **changes), *finding.cells[1:])
    verdict = Verdict(findings=(replace(finding, cells=cells),))
    return replace(manifest, bias=replace(manifest.bias, verdict=verdict))


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda manifest: replace(manifest, participants=2), "floor"),
        (lambda manifest: replace(manifest, bias=None), "no verdict"),
        (lambda manifest: replace(manifest, charter_sha256="00" * 32), "another charter"),
        (lambda manifest: _verdict_with(manifest, low=0.0), "not what its figures say"),
        (lambda manifest: _verdict_with(manifest, outcome=Outcome.FAIL), "not what its figures say"),
    ],
)
def test_no_statement_is_made_of_a_manifest_that_contradicts_itself(
    coop: Any, change: Callable[[Any], Any], fact: str
) -> None:
    _release(coop)
    assert _resigned(coop, lambda manifest: manifest).number == 1
    with pytest.raises(StatementError, match=fact):
        _resigned(coop, change)


def _quality_with(manifest: Manifest, **figures: float) -> Manifest:
    """The manifest with other figures of quality; their names with __ for /."""
    named = {name.replace("__", "/"): value for name, value in figures.items()}
    return replace(manifest, evaluation={**manifest.evaluation, **named})


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: _quality_with(manifest, ndcg_at_10__all__ranker=0.99),
        lambda manifest: _quality_with(manifest, ndcg_at_10__all__ranker=37.0),
        lambda manifest: _quality_with(
            manifest,
            ndcg_at_10__all__ranker__low=manifest.evaluation["ndcg_at_10/all/ranker"],
            ndcg_at_10__all__ranker__high=manifest.evaluation["ndcg_at_10/all/ranker"],
        ),
        lambda manifest: _quality_with(manifest, customers__all=1e9),
        lambda manifest: _quality_with(manifest, praise=1.0),
        lambda manifest: replace(manifest, evaluation={}),
        lambda manifest: replace(
            manifest,
            evaluation={k: v for k, v in manifest.evaluation.items() if k != "noise_stddev"},
        ),
    ],
    ids=("larger", "impossible", "no width", "of more", "more names", "none", "no noise"),
)
def test_no_statement_is_made_of_figures_of_quality_that_no_sums_give(
    coop: Any, change: Callable[[Manifest], Manifest]
) -> None:
    _release(coop)
    assert _resigned(coop, _evaluated).says()["quality"]
    with pytest.raises(StatementError, match="other figures of quality"):
        _resigned(coop, lambda manifest: change(_evaluated(manifest)))


def _evaluated(manifest: Manifest) -> Manifest:
    """The manifest of a release that was evaluated on customers enough to see something."""
    sums = {"stddev": manifest.evaluation["noise_stddev"]}
    for part, customers in (("all", 60_000.0), ("novel", 50_000.0)):
        sums |= {f"{part}/customers": customers, f"{part}/ranker": 0.31 * customers}
        sums |= {f"{part}/popularity": 0.17 * customers}
    return replace(manifest, evaluation=scorecard(sums))


def _stated_manifest(coop: Any) -> Manifest:
    return Manifest.from_document(_resigned(coop, lambda manifest: manifest).manifest.document)


def _compared_with(manifest: Manifest, *, number: int = 1, **changes: Any) -> Manifest:
    """The manifest of a second release, which says this of the one before."""
    assert manifest.bias is not None
    assert manifest.bias.sums is not None
    previous = PreviousSums(number=number, sums=replace(manifest.bias.sums, **changes))
    return replace(manifest, number=2, bias=replace(manifest.bias, previous=previous))


def test_no_statement_compares_a_release_with_another_than_the_one_before(coop: Any) -> None:
    _release(coop)
    assert _resigned(coop, _compared_with).number == 2
    for odd in ({"number": 2}, {"number": 7}, {"values": {"history/little/all/customers": 1e9}}):
        with pytest.raises(StatementError, match="other figures on bias"):
            _resigned(coop, lambda manifest, odd=odd: _compared_with(manifest, **odd))
    with pytest.raises(StatementError, match="other figures on bias"):
        _resigned(coop, lambda manifest: replace(_compared_with(manifest), number=1))
    for stddev in (0.0, 1e-9):
        with pytest.raises(ReleasedNoiseError, match="phase bias"):
            _resigned(coop, lambda manifest, stddev=stddev: _compared_with(manifest, stddev=stddev))


def test_no_statement_leaves_out_what_its_charter_measures(coop: Any) -> None:
    _release(coop)
    manifest = _stated_manifest(coop)
    assert manifest.bias is not None
    assert manifest.bias.sums is not None
    more = replace(manifest.bias.sums, values={**manifest.bias.sums.values, "history/rich/all/ranker": 1.0})
    for sums in (None, more):
        with pytest.raises(StatementError, match="other figures on bias"):
            _resigned(coop, lambda each, sums=sums: replace(each, bias=replace(each.bias, sums=sums)))
    with pytest.raises(StatementError, match="another kind of model"):
        _resigned(coop, lambda each: replace(each, rung="oracle"))


def test_markup_of_a_coordinator_is_text_on_the_page(found: Any, run_coop: Any, charter_with: Any) -> None:
    """In the name of the co-op, of who overrode, and in the reason: the texts that are free."""
    hostile = '</style><script>alert(1)</script><img src=x onerror="alert(1)">{{ 7*7 }}'
    people = ("Ann" + hostile[:50], "Ben" + hostile[-50:])
    # the charter's people are renamed; their keys stay
    charter = gated(charter_with())
    named = tuple(
        replace(one, name=name) for one, name in zip(charter.bias_limits.people, people, strict=True)
    )
    charter = replace(
        charter,
        coop=replace(charter.coop, name=hostile[:64]),
        bias_limits=replace(charter.bias_limits, people=named),
    )
    home = run_coop(found(charter=charter)).home
    kept = candidate(home, 1, little=0.1)
    plain = replace(
        release_named(home.charter(), kept, None),
        rules={"history_alike": "fail"},
        reason=hostile,
        created="2026-11-22T12:00:00Z",
    )
    for name, key in zip(people, KEYS.values(), strict=True):
        plain = plain.signed_by(name, key)
    publish_release(home, kept, now=NOW, override=plain)
    statement, page = _stated(stated_by_coop(home, None, audit=None, now=NOW))
    assert page.problems() == []
    assert not {"script", "img"} & set(page.names())
    for text in (hostile[:64], hostile, *people):
        assert text in page.text
    assert statement.number == 1


def _with_noise(manifest: Manifest, phase: str) -> Manifest:
    """The manifest with a little less noise in the figures of a phase."""
    if phase == "evaluation":
        said = {**manifest.evaluation, "noise_stddev": 0.999 * manifest.evaluation["noise_stddev"]}
        return replace(manifest, evaluation=said)
    assert manifest.bias is not None
    assert manifest.bias.sums is not None
    sums = replace(manifest.bias.sums, stddev=0.999 * manifest.bias.sums.stddev)
    return replace(manifest, bias=replace(manifest.bias, sums=sums))


@pytest.mark.parametrize("phase", ["evaluation", "bias"])
def test_no_statement_is_made_of_figures_with_other_noise_than_the_charters(coop: Any, phase: str) -> None:
    _release(coop)
    with pytest.raises(ReleasedNoiseError, match=f"phase {phase}"):
        _resigned(coop, lambda manifest: _with_noise(manifest, phase))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"facts": {"commit": "<b>", "command": "", "finished_at": ""}, "delta": 1e-5, "confidence": 0.9,'
        b' "bounds": [], "readings": []}',
        b" " * (2 << 20),
    ],
    ids=("nothing", "list", "empty", "deep", "commit", "large"),
)
def test_odd_results_of_audits_are_refused(data: bytes) -> None:
    with pytest.raises(StatementError):
        AuditResults.from_file_bytes(data)


def test_the_commands_write_and_check_a_statement(
    coop: Any, store: StoreHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _release(coop)
    fetch(coop, store)
    out = tmp_path / "dpia"
    assert main(["coop", "--home", str(coop.home.root), "statement", "1", "--out", str(out)]) == 0
    audit = ["--audit", str(AUDIT_FILE)]
    assert main(["store", "--home", str(store.root), "statement", "--out", str(out / "own"), *audit]) == 0
    capsys.readouterr()
    key = coop.home.coordinator_key().public_key().public_bytes_raw().hex()
    for folder in (out, out / "own"):
        assert sorted(each.name for each in folder.glob("statement*")) == [
            "statement-1.html",
            "statement-1.json",
        ]
        assert main(["audit", "statement", str(folder / "statement-1.json"), "--key", key]) == 0
    told = capsys.readouterr().out
    assert "stated on" in told
    assert "It shows results of audits of the code at commit" in told
    assert main(["audit", "statement", str(out / "statement-1.json"), "--key", "11" * 32]) == 1
    assert "another coordinator" in capsys.readouterr().err
    text = (out / "statement-1.json").read_text().replace('"participants": 3', '"participants": 9')
    (out / "statement-1.json").write_text(text)
    assert main(["audit", "statement", str(out / "statement-1.json")]) == 1
