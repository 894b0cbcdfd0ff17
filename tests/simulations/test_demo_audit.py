"""The audit module in the demo: made-up shops, the gate's charter, and what its checks do not let pass."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from made_up_runs import made_up_audit

from highstreet.audit.bias_planning import customers_needed, sums_stddev
from highstreet.audit.checkpoints import coordinator_origin, log_key
from highstreet.audit.claims import check_promise, claims_of
from highstreet.audit.log_book import LogBook, LogOwner
from highstreet.audit.log_download import read_log_folder
from highstreet.audit.log_entries import EntryDraft, EntryKind
from highstreet.audit.signing import public_key_bytes
from highstreet.audit.sums import refuse_impossible_sums
from highstreet.audit.verifier import verify_log
from highstreet.models.customer_groups import ATTRIBUTES, cell_of
from highstreet.models.programme import check_plan
from highstreet.simulations.demo import gate
from highstreet.simulations.demo.age_shops import AGES, LATER, ONE_BAND, write_age_shops
from highstreet.simulations.demo.attested import is_only_gone
from highstreet.simulations.demo.gate_charter import TRAININGS, gate_charter
from highstreet.simulations.demo.papers import cut_before
from highstreet.simulations.errors import SimulationsError
from highstreet.simulations.report.audit_charts import attested_cohorts, gate_charts
from highstreet.simulations.report.audit_record import Candidate, GateTrial

_CHARTER = gate_charter(today=date(2026, 1, 1), clients_per_store=gate.OF_A_BAND * len(AGES))


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "files"
    write_age_shops(folder, shops=2, of_a_band=5)
    return folder


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_age_is_in_a_band_of_its_own() -> None:
    assert [cell_of("age_band", str(age)) for age in AGES] == list(ATTRIBUTES["age_band"].cells)


def test_one_band_agrees_first_and_everybody_later(shops: Path) -> None:
    first, later = (_rows(shops / "A1" / name) for name in ("customers.csv", LATER))
    assert {row["age_band"] for row in first if row["consent_coop_learning"] == "yes"} == {str(ONE_BAND)}
    assert {row["consent_coop_learning"] for row in first} == {"yes", ""}
    assert {row["consent_coop_learning"] for row in later} == {"yes"}
    assert [row["customer_id"] for row in first] == [row["customer_id"] for row in later]


def test_the_young_and_the_old_buy_other_products_and_all_buy_something_new_lately(shops: Path) -> None:
    ages = {row["customer_id"]: int(row["age_band"]) for row in _rows(shops / "A2" / "customers.csv")}
    bought = _rows(shops / "A2" / "orders.csv")
    for row in bought:
        assert row["product_id"][0] == ("o" if ages[row["customer_id"]] >= 45 else "y")
    assert set(Counter((row["customer_id"], row["product_id"]) for row in bought).values()) == {1}
    lately = Counter(row["customer_id"] for row in bought if row["ordered_at"] >= "2017-10-24")
    assert dict(lately) == dict.fromkeys(ages, 3)


def test_the_same_arguments_give_the_same_files_and_shops_differ(shops: Path, tmp_path: Path) -> None:
    write_age_shops(tmp_path / "again", shops=2, of_a_band=5)
    for name in ("A1/orders.csv", "A2/orders.csv", "A1/customers.csv", "stores.json"):
        assert (tmp_path / "again" / name).read_bytes() == (shops / name).read_bytes()
    assert (shops / "A1" / "orders.csv").read_bytes() != (shops / "A2" / "orders.csv").read_bytes()


def test_both_trainings_of_the_gates_charter_fit_its_promise_and_a_third_does_not() -> None:
    check_plan(_CHARTER.plan)
    check_promise(_CHARTER)
    refuse_impossible_sums(_CHARTER)
    promised = _CHARTER.privacy.epsilon
    assert claims_of(_CHARTER, trainings=TRAININGS).customer.epsilon <= promised
    assert claims_of(_CHARTER, trainings=TRAININGS + 1).customer.epsilon > promised


def test_the_gates_shops_have_customers_enough_for_its_rule_and_half_as_many_had_not() -> None:
    (rule,) = _CHARTER.bias_limits.rules
    needed = customers_needed(rule, stddev=sums_stddev(_CHARTER, stores=3), groups=len(AGES))
    in_a_band = 3 * gate.OF_A_BAND
    assert needed <= in_a_band / 2
    assert needed > in_a_band / 8


def test_a_withdrawal_shows_when_one_person_is_gone_from_the_next_round_on_and_nobody_else() -> None:
    assert is_only_gone(7, before={3, 7, 9}, after=[{3, 9}, {3, 9}])
    assert is_only_gone(7, before={3, 7, 9}, after=[{9, 3}, {3}])  # what others do later is theirs


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({3, 7, 9}, []),
        ({3, 7, 9}, [{3, 7, 9}]),
        ({3, 7, 9}, [{3}]),
        ({3, 9}, [{3, 9}]),
        ({3, 7, 9}, [{3, 9, 11}]),
        ({3, 7, 9}, [{3, 9}, {3, 7, 9}]),
    ],
)
def test_a_withdrawal_that_did_not_end_the_use_or_ended_another_does_not_pass(
    before: set[int], after: list[set[int]]
) -> None:
    assert not is_only_gone(7, before=before, after=after)


def _changed(trial: GateTrial, place: int, **update: object) -> GateTrial:
    candidates: list[Candidate] = list(trial.candidates)
    candidates[place] = candidates[place].model_copy(update=update)
    return trial.model_copy(update={"candidates": tuple(candidates)})


def _held(trial: GateTrial) -> list[bool]:
    return [check.passed for check in gate.checks_of(trial)]


def _trial() -> GateTrial:
    trial = made_up_audit().gate
    assert trial is not None
    return trial


def test_a_trial_as_it_ought_to_be_holds_and_says_which_groups_failed() -> None:
    skewed, fair = gate.checks_of(_trial())
    assert (skewed.passed, fair.passed) == (True, True)
    assert "ages_alike (fail): under 25 -0.62" in skewed.happened
    assert "kept back" in skewed.happened
    assert "in use at 3 of 3 shops" in fair.happened


def _with_outcome(trial: GateTrial, place: int, outcome: str) -> GateTrial:
    rules = [rule.model_copy(update={"outcome": outcome}) for rule in trial.candidates[place].rules]
    return _changed(trial, place, rules=tuple(rules))


@pytest.mark.parametrize(
    ("trial", "held"),
    [
        (_changed(_trial(), 0, is_released=True), [False, True]),
        (_changed(_trial(), 0, rules=()), [False, True]),
        (_with_outcome(_trial(), 0, "undetermined"), [False, True]),
        (_with_outcome(_trial(), 0, "pass"), [False, True]),
        (_changed(_trial(), 0, trained_on=2880), [False, True]),
        (_changed(_trial(), 0, measured_on=480), [False, True]),
        (_changed(_trial(), 1, is_released=False), [True, False]),
        (_changed(_trial(), 1, rules=()), [True, False]),
        (_with_outcome(_trial(), 1, "undetermined"), [True, False]),
        (_changed(_trial(), 1, trained_on=480), [True, False]),
        (_trial().model_copy(update={"in_use": 2}), [True, False]),
    ],
)
def test_a_trial_that_went_otherwise_does_not_hold(trial: GateTrial, held: list[bool]) -> None:
    assert _held(trial) == held


@pytest.fixture
def log(tmp_path: Path) -> tuple[Path, Any]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    origin, key = coordinator_origin("ab" * 16), Ed25519PrivateKey.generate()
    owner = LogOwner(origin=origin, role="coordinator", coop_id="ab" * 16)
    book = LogBook(tmp_path / "log", owner=owner, private_key=key, mark=tmp_path / "mark")
    for number in range(4):
        body = {"position": number, "root": "0f" * 32}
        book.append(EntryKind.CONSENT_ROOT, f"consent/{number}", body)
    release = {"step": "published", "number": 1, "manifest_sha256": "0f" * 32}
    late = EntryDraft(kind=EntryKind.CONSENT_ROOT, key="consent/9", body={"position": 9, "root": "0f" * 32})
    book.append(EntryKind.RELEASE, "release/1", release)
    book.append_all([late])
    return tmp_path / "log", log_key(origin, public_key_bytes(key))


def test_a_log_cut_before_its_release_fits_by_itself_so_that_only_witnesses_tell(
    log: tuple[Path, Any], tmp_path: Path
) -> None:
    folder, key = log
    cut_before(folder, tmp_path / "copy", EntryKind.RELEASE)
    whole, cut = (verify_log(read_log_folder(each), keys=[key]) for each in (folder, tmp_path / "copy"))
    assert (whole.holds, whole.size) == (True, 7)
    assert (cut.holds, cut.size) == (True, 5)


def test_a_log_without_such_an_entry_is_not_cut(log: tuple[Path, Any], tmp_path: Path) -> None:
    with pytest.raises(SimulationsError, match="nothing before"):
        cut_before(log[0], tmp_path / "copy", EntryKind.OVERRIDE)


def test_the_picture_of_two_cohorts_has_a_cell_for_everybody_and_one_empty() -> None:
    withdrawal = made_up_audit().withdrawal
    assert withdrawal is not None
    drawn = str(attested_cohorts(withdrawal))
    assert drawn.count('class="coop"') == 70 + 69
    assert drawn.count('class="gone"') == 1
    assert "Round 3 (curvature): 69 customers used." in drawn


def test_the_picture_of_the_gate_tells_failing_groups_without_colour() -> None:
    (drawn,) = map(str, gate_charts(_trial()))
    assert drawn.count("<circle") == 3
    assert drawn.count("<rect") == 1
    assert "one band: under 25 -0.620, interval -0.700 to -0.540" in drawn
    assert "limit -0.25" in drawn
