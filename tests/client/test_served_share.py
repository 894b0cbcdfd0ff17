"""A shop tells its owner by itself whether the shared model does worse here than the shop's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from highstreet.audit.limits import StoreLimits
from highstreet.cli import main
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.personal_file import Basis, keep_model, kept_model
from highstreet.client.personal_model import refresh_model
from highstreet.client.served_share import served_in_words
from highstreet.client.store_status import store_status
from highstreet.models.personal import PersonalModel, Trial

BASIS = Basis(release=1, imports=1, agreed_sha256="", products_sha256="", as_of="2017-12-01", rights=0)
WORSE = Trial(customers=40, gain=-0.5, standard_error=0.1)
BETTER = Trial(customers=40, gain=0.5, standard_error=0.1)
OPEN = Trial(customers=40, gain=-0.15, standard_error=0.1)
FEW = Trial(customers=3, gain=-0.5, standard_error=0.1)


def _keep(home: StoreHome, on_all: Trial, on_novel: Trial) -> PersonalModel:
    refresh_model(home)
    data = kept_model(home)
    assert data is not None
    model = PersonalModel.from_bytes(data)
    coop = replace(model.coop, place_share=0.25, order_share=0.5)
    changed = replace(model, coop=coop, trial_all=on_all, trial_novel=on_novel)
    keep_model(home, changed.to_bytes(), BASIS)
    return changed


def test_a_shop_that_starts_from_no_release_says_nothing(shop_home: StoreHome) -> None:
    assert served_in_words(shop_home) == ()
    refresh_model(shop_home)
    assert kept_model(shop_home) is not None
    assert served_in_words(shop_home) == ()


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (WORSE, " WORSE than this shop's own model in the last {} days (40 customers); by how much"),
        (BETTER, " better than this shop's own model in the last {} days (40 customers)"),
        (OPEN, " neither clearly better nor clearly worse than this shop's own model in the last {} days"),
        (FEW, "too few customers (3) in the last {} days to say"),
    ],
)
def test_each_question_is_answered_by_itself(shop_home: StoreHome, trial: Trial, said: str) -> None:
    days = _keep(shop_home, trial, OPEN).settings.horizon_days
    shares, on_all, on_novel = served_in_words(shop_home)
    assert "25 % of the say in how many products are new to the customer, and 50 % in which ones" in shares
    assert said.format(days) in on_all
    assert "neither" in on_novel
    _keep(shop_home, OPEN, trial)
    _, on_all, on_novel = served_in_words(shop_home)
    assert said.format(days) in on_novel
    assert "neither" in on_all


def test_status_tells_the_owner_of_a_member_and_a_damaged_model_tells_nothing(
    coop: Any, shop_home: StoreHome, limits: StoreLimits, capsys: pytest.CaptureFixture[str]
) -> None:
    _keep(shop_home, BETTER, WORSE)
    assert store_status(shop_home).served == ()  # in no co-op
    join_coop(shop_home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    assert store_status(shop_home).served == served_in_words(shop_home) != ()
    assert main(["store", "status", "--home", str(shop_home.root)]) == 0
    assert "foretold which products new to them customers bought WORSE" in capsys.readouterr().out
    (file,) = shop_home.personal.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-4])
    assert served_in_words(shop_home) == ()
    keep_model(shop_home, b"no model", BASIS)
    assert served_in_words(shop_home) == ()
