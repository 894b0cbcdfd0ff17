"""Three stores and a coordinator, all real processes, complete programmes whatever is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Coop, Shop

from highstreet.client.releases import active_release

pytestmark = [pytest.mark.system]


def test_a_programme_ends_in_a_release_that_every_store_uses(coop: Coop, shops: list[Shop]) -> None:
    programme = coop.train()
    coop.wait_finished(programme)
    phases = len(coop.charter.plan.phases)
    for shop in shops:
        assert [phase for name, phase, _ in shop.rounds() if name == programme] == list(range(phases))
        coop.until(lambda shop=shop: any(shop.home.personal.glob("*.safetensors")), 180)
        release = active_release(shop.home)
        assert release is not None
        assert release.manifest.participants == 3
