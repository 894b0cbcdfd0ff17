"""What `highstreet store run` puts together is what the parts were tested as."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.limits import StoreLimits
from highstreet.client.config import read_config
from highstreet.client.departures import Departures
from highstreet.client.errors import RoundRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.membership import load_membership
from highstreet.client.process import _desk
from highstreet.client.store_log import StoreLog
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.releases import customer_release


def test_a_running_store_looks_into_its_ledger_before_it_takes_a_day_for_a_programmes_first(
    found: Callable[..., Any], run_coop: Callable[..., Any], limits: StoreLimits, tmp_path: Path
) -> None:
    home = StoreHome(tmp_path / "store").ensure()
    join_coop(home, run_coop(found()).invite("Mill"), limits, now=datetime.now(UTC))
    with closing(Ledger.open(home.ledger)) as ledger:
        ledger.open_round(
            RoundKey(programme_id="00" * 8, phase=0, request_sha256=bytes(32)),
            release=customer_release(noise_multiplier=6.0),
            cohort=("1",),
            limits=SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-5, period_days=365)),
            today=datetime.now(UTC).date(),
        )
        agreement = _desk(
            home, load_membership(home), read_config(home), ledger, None, StoreLog(home), Departures()
        )._agreement
        assert agreement.holds_to_day("ff" * 8, 20_000)
        with pytest.raises(RoundRefusedError, match="not known any more"):
            agreement.holds_to_day("00" * 8, 20_000)
