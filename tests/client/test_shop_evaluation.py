"""Evaluation on weeks held back: every product ranked, the same customers for each method, nothing saved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from highstreet.audit.consent import Act, Method, Purpose
from highstreet.client import shop_evaluation
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consented_cohort import Exclusion
from highstreet.client.errors import FileNotUnderstoodError, NothingToEvaluateError
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.shop_evaluation import ShopEvaluation, evaluate_shop
from highstreet.client.shop_groups import group_rows
from highstreet.client.vault import Vault
from highstreet.models.customer_groups import ATTRIBUTES
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import apply_sum, customer_rows, default_plan, initial_state
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState
from tests.client.conftest import NOW, contents


def test_every_method_is_judged_on_the_same_customers(shop_home: StoreHome, shop_holdout: Path) -> None:
    result = evaluate_shop(shop_home, shop_holdout)
    assert [method.name for method in result.methods] == [
        "popularity",
        "own-recency",
        "affinity",
        "ease-store",
        "alone",
    ]
    assert result.judged(novel=False) == 22  # all but the two who did not agree
    assert 0 < result.judged(novel=True) <= 22
    gaps = {np.isnan(method.values).tobytes() for method in result.methods}
    assert len(gaps) == 1
    scores = {m.name: result.estimate(m, "all_items").mean for m in result.methods}
    assert all(0 <= score <= 1 for score in scores.values())
    assert scores["own-recency"] > scores["popularity"]  # these customers repeat themselves
    assert (result.fit_until.isoformat(), result.last_day.isoformat()) == ("2026-08-31", "2026-09-25")


def test_without_a_release_nothing_is_claimed_for_a_co_op(shop_home: StoreHome, shop_holdout: Path) -> None:
    plain = evaluate_shop(shop_home, shop_holdout).to_dict()
    assert plain["release"] == 0
    assert plain["gains"] == []
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_groups_are_shown_from_twenty_customers_on_and_compared_with_the_shop_alone() -> None:
    generator = np.random.default_rng(1)
    alone = generator.uniform(0.2, 0.4, size=60)
    served = alone + np.where(np.arange(60) < 20, -0.1, 0.05)
    served[59] = np.nan  # nothing to find
    ages = np.where(np.arange(60) < 20, 1, np.where(np.arange(60) < 39, 2, 6))
    rows = group_rows(served, alone, {"age_band": ages})
    assert [(row.cell, row.customers) for row in rows] == [("under_25", 20), ("65_plus", 20)]
    worse, better = rows
    assert worse.over_alone is not None
    assert better.over_alone is not None
    assert worse.over_alone.mean == pytest.approx(-0.1)
    assert worse.over_alone.high < 0  # the co-op is not worth it for them, and the shop is told
    assert better.over_alone.mean == pytest.approx(0.05)
    (first, *_) = group_rows(alone, None, {"age_band": ages})
    assert first.over_alone is None
    assert first.served.mean == pytest.approx(alone[:20].mean())


def test_the_shop_sees_its_own_groups(shop_home: StoreHome, shop_holdout: Path) -> None:
    result = evaluate_shop(shop_home, shop_holdout)
    assert set(result.cells) == set(ATTRIBUTES)
    plain = result.to_dict()["groups"]
    assert isinstance(plain, list)
    assert {row["attribute"] for row in plain} >= {"history", "tenure"}
    assert all(row["customers"] >= 20 and row["over_alone"] is None for row in plain)
    unknown = next(row for row in plain if row["attribute"] == "age_band")
    assert unknown["group"] == "unknown"
    scores = result.estimate(result.methods[-1], "all_items")
    assert unknown["all_items"]["value"] == pytest.approx(scores.mean, abs=1e-6)


def test_nothing_is_saved_and_nobody_is_named(shop_home: StoreHome, shop_holdout: Path) -> None:
    with Vault.open(shop_home.vault) as vault:
        before = contents(vault)
    text = json.dumps(evaluate_shop(shop_home, shop_holdout).to_dict())
    with Vault.open(shop_home.vault) as vault:
        assert contents(vault) == before
    assert not any(f'"c{n}"' in text or f'"p{n}"' in text for n in range(32))
    assert not shop_home.personal.exists()


def test_who_did_not_agree_is_neither_learnt_from_nor_judged(
    shop_home: StoreHome, shop_holdout: Path
) -> None:
    with Vault.open(shop_home.vault) as vault:
        desk = ConsentDesk(vault)
        for n in range(12):
            desk.record(f"c{n}", Purpose.SHOP_MODEL, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test"))
    result = evaluate_shop(shop_home, shop_holdout)
    assert (result.shop_customers, result.judged(novel=False)) == (10, 10)


@pytest.mark.parametrize("reason", Exclusion)
def test_not_even_the_days_that_are_held_back_come_from_who_is_excluded(
    shop_home: StoreHome, shop_holdout: Path, tmp_path: Path, reason: Exclusion
) -> None:
    later = tmp_path / "later.csv"
    head, line = shop_holdout.read_text().splitlines()[:2]
    number, who = (line.split(",")[head.split(",").index(name)] for name in ("order_id", "customer_id"))
    early = line.replace(number, "early", 1).replace(who, "c3", 1).replace("2026-09", "2026-08")
    assert early.count("2026-08") == 1
    later.write_text(shop_holdout.read_text() + early + "\n")
    assert evaluate_shop(shop_home, later).fit_until.isoformat() < "2026-08-31"
    with Vault.open(shop_home.vault) as vault:
        ConsentDesk(vault).exclude("c3", reason)
    assert evaluate_shop(shop_home, later).fit_until.isoformat() == "2026-08-31"


def test_weeks_that_were_imported_cannot_be_predicted(shop_home: StoreHome, shop_holdout: Path) -> None:
    with Vault.open(shop_home.vault) as vault:
        list(Importer(vault, now=NOW).run([shop_holdout]))
    with pytest.raises(FileNotUnderstoodError, match="were imported"):
        evaluate_shop(shop_home, shop_holdout)


def test_other_files_are_refused(shop_home: StoreHome, shop_holdout: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotUnderstoodError, match="not a list of orders"):
        evaluate_shop(shop_home, shop_holdout.with_name("products.csv"))
    strangers = tmp_path / "strangers.csv"
    strangers.write_text(shop_holdout.read_text().replace("0,c", "0,stranger"))
    with pytest.raises(FileNotUnderstoodError, match="no order of a known customer"):
        evaluate_shop(shop_home, strangers)
    with pytest.raises(FileNotUnderstoodError, match="cannot be read"):
        evaluate_shop(shop_home, tmp_path / "missing.csv")


def test_without_consent_there_is_nothing_to_measure_by(shop_home: StoreHome, shop_holdout: Path) -> None:
    with Vault.open(shop_home.vault) as vault:
        desk = ConsentDesk(vault)
        for n in range(22):
            desk.record(f"c{n}", Purpose.SHOP_MODEL, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test"))
    with pytest.raises(NothingToEvaluateError):
        evaluate_shop(shop_home, shop_holdout)


def _noiseless_release(plan: ModelPlan, shop: ShopData) -> SharedState:
    """What a co-op of this one shop would release without noise: enough to be a prior."""
    state = initial_state(plan)
    for phase in plan.phases:
        rows = np.concatenate(list(customer_rows(plan, phase, state, shop)))
        state = apply_sum(plan, phase, state, rows.sum(axis=0), stores=1, noise_stddev=0.0)
    return state


def test_the_co_op_is_compared_with_every_other_method_in_pairs(
    shop_home: StoreHome, shop_holdout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = default_plan(noise_multiplier=0.0, gradient_rounds=0, clients_per_store=22)
    number = type("Manifest", (), {"number": 3})()

    class Accepted:
        manifest = number
        state: SharedState

    with Vault.open(shop_home.vault) as vault:
        own, begun = Purpose.SHOP_MODEL, shop_evaluation.date(2026, 9, 1)
        cohort = ConsentDesk(vault).cohort(own)
        shop = shop_evaluation.load_shop(vault, cohort, plan.schema, begun, purpose=own)
    Accepted.state = _noiseless_release(plan, shop)
    monkeypatch.setattr(shop_evaluation, "shop_plan", lambda _: plan)
    monkeypatch.setattr(shop_evaluation, "is_joined", lambda _: True)
    monkeypatch.setattr(shop_evaluation, "active_release", lambda _: Accepted())
    result = evaluate_shop(shop_home, shop_holdout)
    assert result.coop is not None
    plain = result.to_dict()
    assert plain["release"] == 3
    assert [gain["against"] for gain in _tables(plain["gains"])] == [
        "popularity",
        "own-recency",
        "affinity",
        "ease-store",
        "alone",
    ]
    _check_gain(result)


def _check_gain(result: ShopEvaluation) -> None:
    """A gain is the mean of the differences, customer by customer."""
    alone = result.methods[-2]
    gain, coop = result.gain(alone, "all_items"), result.coop
    assert gain is not None
    assert coop is not None
    expected = np.nanmean(coop.values[:, 0] - alone.values[:, 0])
    assert gain.mean == pytest.approx(expected)
    assert gain.low <= gain.mean <= gain.high


def _tables(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list)
    return value
