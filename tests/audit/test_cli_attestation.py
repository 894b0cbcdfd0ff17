"""`highstreet audit attestation` says what holds, and names who was used without consent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from typer.testing import CliRunner

from highstreet.audit.attestation import AttestedKind, AttestedRound
from highstreet.audit.attestation_papers import MembershipProof
from highstreet.audit.attested_cost import training_cost
from highstreet.audit.charter_format import to_toml
from highstreet.audit.cli import audit_app
from highstreet.audit.cohort_commitment import CohortTree, customer_leaf
from highstreet.audit.consent import Act
from highstreet.server.founding import default_charter
from tests.audit.made_up_attestation import ABOUT, DAY, LEARNING, PUBLIC, event, opening_of

ONLY = frozenset({LEARNING})
GIVEN = [event(1, 1, Act.GIVEN, DAY), event(2, 2, Act.GIVEN, DAY)]


def _run(tmp_path: Path, data: bytes, *more: str) -> tuple[int, str]:
    (tmp_path / "paper.json").write_bytes(data)
    done = CliRunner().invoke(audit_app, ["attestation", str(tmp_path / "paper.json"), *more])
    return done.exit_code, done.output


def test_an_opening_that_holds_and_one_that_does_not(tmp_path: Path) -> None:
    holds = opening_of(GIVEN, [(1, ONLY), (2, ONLY)])
    code, output = _run(tmp_path, holds.to_file_bytes(), "--key", PUBLIC.hex())
    assert code == 0
    assert "2 customers checked; 0 erased" in output
    assert "Every customer who could be checked had standing consent." in output
    withdrawn = opening_of([*GIVEN, event(3, 2, Act.WITHDRAWN, 2 * DAY)], [(1, ONLY), (2, ONLY)])
    code, output = _run(tmp_path, withdrawn.to_file_bytes())
    assert code == 1
    assert "Customer 2 " in output
    assert "withdrawn" in output
    assert PUBLIC.hex() in output


def test_rounds_are_counted_from_one_and_a_matching_is_said_to_be_one(tmp_path: Path) -> None:
    training = opening_of(GIVEN, [(1, ONLY)])
    _, output = _run(tmp_path, training.to_file_bytes(), "--key", PUBLIC.hex())
    assert f"round     {ABOUT.programme_id}/{ABOUT.round + 1}, " in output
    assert "epsilon   0.5 " in output
    matching = opening_of(GIVEN, [(1, ONLY)], about=replace(ABOUT, kind=AttestedKind.MATCHING_LIST, round=0))
    code, output = _run(tmp_path, matching.to_file_bytes(), "--key", PUBLIC.hex())
    assert code == 1  # nobody agreed to be matched
    assert f"matching  {ABOUT.programme_id}/list, " in output
    assert "model in" not in output
    assert "epsilon" not in output


def test_with_a_charter_a_cost_that_no_store_can_have_is_refused(tmp_path: Path) -> None:
    charter = default_charter("Any", epsilon=3.0, delta=1e-5, today=date(2026, 11, 22))
    bounds = training_cost(charter, round_number=ABOUT.round)
    (tmp_path / "charter.toml").write_text(to_toml(charter))
    given = ("--charter", str(tmp_path / "charter.toml"), "--key", PUBLIC.hex())
    about = replace(ABOUT, coop_id=charter.coop.id)

    def check(epsilon: float, of: AttestedRound = about) -> tuple[int, str]:
        opening = opening_of(GIVEN, [(1, ONLY)], about=of, epsilon=epsilon)
        return _run(tmp_path, opening.to_file_bytes(), *given)

    code, output = check(bounds.most_epsilon)
    assert code == 0
    assert charter.sha256().hex() in output
    for wrong in (0.0, bounds.most_epsilon * 1.01):
        assert check(wrong)[0] != 0
    assert check(bounds.most_epsilon, ABOUT)[0] != 0  # another co-op's


def test_a_persons_proof_and_a_wrong_key(tmp_path: Path) -> None:
    opening = opening_of(GIVEN, [(1, ONLY), (2, ONLY)])
    leaves = {each.slot: customer_leaf(each.salt, each.customer, each.purposes) for each in opening.cohort}
    entry = opening.cohort[0]
    path = CohortTree(opening.pad_key, leaves).proof(entry.slot)
    proof = MembershipProof(signed=opening.signed, public_key=PUBLIC, entry=entry, path=path)
    code, output = _run(tmp_path, proof.to_file_bytes(), "--key", PUBLIC.hex())
    assert code == 0
    assert f"Customer {entry.customer}, " in output
    assert _run(tmp_path, proof.to_file_bytes(), "--key", "ab" * 32)[0] != 0
    wrong = replace(proof, entry=replace(entry, customer=9))
    assert _run(tmp_path, wrong.to_file_bytes())[0] != 0


def test_a_proof_of_a_matching_says_what_for_though_the_leaf_says_less(tmp_path: Path) -> None:
    about = replace(ABOUT, kind=AttestedKind.MATCHING_LIST, round=0)
    for said in (frozenset(), ONLY):
        opening = opening_of(GIVEN, [(1, said)], about=about)
        (entry,) = opening.cohort
        leaf = customer_leaf(entry.salt, entry.customer, entry.purposes)
        path = CohortTree(opening.pad_key, {entry.slot: leaf}).proof(entry.slot)
        proof = MembershipProof(signed=opening.signed, public_key=PUBLIC, entry=entry, path=path)
        code, output = _run(tmp_path, proof.to_file_bytes(), "--key", PUBLIC.hex())
        assert code == 0
        for purpose in about.kind.purposes:
            assert purpose.plain_words in output
