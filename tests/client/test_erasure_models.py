"""A model or a contribution computed with somebody who goes meanwhile is not kept, handed out or sent."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from highstreet.audit.consent import Act, Method, Purpose
from highstreet.audit.limits import StoreLimits
from highstreet.client import leaving_out
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger
from highstreet.client.suggestions import suggest
from highstreet.client.vault import Vault
from tests.client.erased_store import BUDGET, erase_now
from tests.client.lived_in_store import PERSON, TODAY, live
from tests.client.played_till import PLAN, asked_for, plainly, till_of


@pytest.fixture
def home(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    return live(StoreHome(tmp_path / "store"), coop, limits, tmp_path / "exports")


def test_the_own_model_is_fitted_anew_without_the_person(home: StoreHome) -> None:
    before = {path.name for path in home.personal.glob("*.safetensors")}
    assert before
    erase_now(home)
    assert not list(home.personal.glob("*"))
    suggest(home, "c3", k=3)
    assert {path.name for path in home.personal.glob("*.safetensors")}.isdisjoint(before)


def test_a_model_that_was_being_fitted_with_the_person_is_not_kept(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    from highstreet.client import personal_model

    shutil.rmtree(home.personal)
    fit, keep = personal_model.fit_local, personal_model.keep_model
    fitted: list[tuple[str, ...]] = []
    kept: list[int] = []

    def slowly(plan: Any, release: Any, shop: Any, **named: Any) -> Any:
        model = fit(plan, release, shop, **named)
        fitted.append(shop.customer_ids)
        if len(fitted) == 1:
            erase_now(home)
        return model

    def noted(*arguments: Any) -> None:
        kept.append(len(fitted))
        keep(*arguments)

    with Vault.open(home.vault) as vault:
        person = str(vault.customer_key(PERSON))
    monkeypatch.setattr(personal_model, "fit_local", slowly)
    monkeypatch.setattr(personal_model, "keep_model", noted)
    suggest(home, PERSON, k=3)
    assert [person in each for each in fitted] == [True, False]
    assert kept == [2]


@pytest.mark.parametrize(("changes", "fits"), [(1, 2), (99, 3)])
def test_a_model_that_somebody_withdrew_from_while_it_was_fitted_is_not_handed_out(
    home: StoreHome, monkeypatch: pytest.MonkeyPatch, changes: int, fits: int
) -> None:
    """Each answer that overtakes a fit ends it; a shop where that never stops has no model for now."""
    from highstreet.client import personal_model

    shutil.rmtree(home.personal)
    fit = personal_model.fit_local
    fitted: list[tuple[str, ...]] = []
    with Vault.open(home.vault) as vault:
        person = str(vault.customer_key(PERSON))

        def slowly(plan: Any, release: Any, shop: Any, **named: Any) -> Any:
            if len(fitted) < changes:
                act = Act.GIVEN if len(fitted) % 2 else Act.WITHDRAWN
                said = How(method=Method.SPOKEN, source="till")
                ConsentDesk(vault).record(PERSON, Purpose.SHOP_MODEL, act, said)
            fitted.append(shop.customer_ids)
            return fit(plan, release, shop, **named)

        monkeypatch.setattr(personal_model, "fit_local", slowly)
        handed_out = personal_model.current_model(home, vault)
    assert len(fitted) == fits
    assert person in fitted[0]
    assert person not in fitted[1]
    assert (handed_out is None) == (changes >= fits)
    assert bool(list(home.personal.glob("*"))) == (handed_out is not None)


def test_a_contribution_computed_with_the_person_that_has_not_left_is_thrown_away(home: StoreHome) -> None:
    """Erased between the computing and the sending: what leaves was computed without them."""
    with Vault.open(home.vault) as vault:
        key = str(vault.customer_key(PERSON))
    computed_over: list[tuple[str, ...]] = []
    left: list[bytes] = []

    def compute(plan: object, phase: object, state: object, shop: Any, **_: object) -> NDArray[np.int64]:
        computed_over.append(shop.customer_ids)
        return np.full(PLAN.phases[0].dimension, len(computed_over), dtype=np.int64)

    def approach() -> None:
        if len(computed_over) == 1:
            erase_now(home)

    with closing(Ledger.open(home.ledger)) as ledger, pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaving_out, "contribute", compute)
        till = replace(till_of(home, ledger), approach=approach)
        left.append(till.take(asked_for(b"b", "p2"), plainly))
        assert ledger.spending(BUDGET, today=TODAY).rounds == 2  # paid for once
    first, second = computed_over
    assert key in first
    assert set(second) == set(first) - {key}
    assert left == [np.full(PLAN.phases[0].dimension, 2).astype("<i8").tobytes()]
