"""A store in a co-op spends within its charter's promise and within its own limit, whichever is less."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.claims import releases_of
from highstreet.audit.limits import StoreLimits, spending_limits
from highstreet.cli import main
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.membership import load_charter
from highstreet.client.store_status import budget_status
from highstreet.privacy.errors import BudgetExhaustedError


@pytest.fixture
def home(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    """A store of a co-op whose charter promises epsilon 1.2 and plans two phases that cost 1.07."""
    place = StoreHome(tmp_path / "store")
    join_coop(place, coop.invite("Corner"), limits, now=datetime.now(UTC))
    return place


def _train(home: StoreHome, limits: StoreLimits, programme: str, today: date) -> None:
    """Open every round of one training, as the till does it."""
    charter = load_charter(home)
    phases = list(releases_of(charter.plan))
    with closing(Ledger.open(home.ledger)) as ledger:
        for number, release in enumerate(phases):
            ledger.open_round(
                RoundKey(programme_id=programme, phase=number, request_sha256=bytes(32)),
                release=release,
                cohort=("1", "2"),
                limits=spending_limits(limits, charter),
                today=today,
                remaining=phases[number + 1 :],
            )


def test_a_second_training_within_the_charters_period_is_refused_though_the_store_would_allow_it(
    home: StoreHome, limits: StoreLimits
) -> None:
    today = datetime.now(UTC).date()
    _train(home, limits, "one", today)
    with pytest.raises(BudgetExhaustedError, match="the co-op's charter promises"):
        _train(home, limits, "two", today + timedelta(days=364))
    with pytest.raises(BudgetExhaustedError, match="the co-op's charter promises"):
        _train(home, limits, "two", today - timedelta(days=400))
    _train(home, limits, "two", today + timedelta(days=365))


def test_both_limits_are_shown_with_what_counts_against_each(
    home: StoreHome, limits: StoreLimits, capsys: pytest.CaptureFixture[str]
) -> None:
    _train(home, limits, "one", datetime.now(UTC).date())
    found = budget_status(home)
    assert (found.limit_epsilon, found.promised_epsilon) == (3.0, 1.2)
    assert found.promised_counted_epsilon == pytest.approx(found.counted_epsilon)
    assert found.spent_part == pytest.approx(found.counted_epsilon / 1.2)
    assert main(["store", "budget", "--home", str(home.root)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "limit of this shop: epsilon 3, delta 1e-05 for a customer of it in any 365 days" in shown
    assert "limit by the co-op's charter: epsilon 1.2, delta 1e-05 for a customer of one shop" in shown
    assert shown.count("counted so far: epsilon 1.07") == 2
    assert main(["store", "budget", "--json", "--home", str(home.root)]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["promised_period_days"] == 365
