"""A store of real processes removes what it keeps no longer by itself, also when it was killed in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from highstreet.client.rights_desk import make_record
from highstreet.client.store_status import store_status

if TYPE_CHECKING:
    from conftest import Coop, Shop

pytestmark = [pytest.mark.system]


def test_a_running_store_removes_an_old_copy_at_its_start_and_one_killed_at_the_next(
    coop: Coop, shops: list[Shop]
) -> None:
    shop, now = shops[0], datetime.now(UTC)
    shop.process.kill()
    new = make_record(shop.home, "c1-2", source="test", now=now).folder
    old = make_record(shop.home, "c1-1", source="test", now=now - timedelta(days=31)).folder
    (old / "record.json").unlink()  # as far as one that was killed in the middle came
    assert old.is_dir()
    shop.process.start()
    shop.process.wait_ready()
    coop.until(lambda: not old.exists(), 60)
    assert new.is_dir()
    status = store_status(shop.home)
    assert status.running
    assert status.retention_trouble == ""
