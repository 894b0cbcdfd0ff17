"""A co-op with a rule on bias that runs, and a store that joined it: for tests of what it releases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from biased_coop import LIMIT_BYTES, gated

from highstreet.audit.limits import StoreLimits
from highstreet.client.home import StoreHome
from highstreet.client.join import join_coop


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
