"""A consent desk with two clocks that tests turn by hand, and who its cohorts load."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from highstreet.audit.consent import Method, Purpose
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consented_cohort import ConsentedCohort
from highstreet.client.shop_loader import load_shop
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData

COOP = Purpose.COOP_LEARNING
TODAY = date(2026, 11, 22)
SAID = How(method=Method.SPOKEN, source="till")
SECOND = 1_000_000
DAY = 86_400 * SECOND


@dataclass
class Clocks:
    """Two clocks that tests turn by hand."""

    now: int = 1_795_348_800 * SECOND  # 2026-11-22 12:00 UTC
    monotonic: float = 1000.0

    def desk(self, vault: Vault) -> ConsentDesk:
        return ConsentDesk(vault, clock=lambda: self.now, monotonic=lambda: self.monotonic)


def loaded_by(
    vault: Vault, cohort: ConsentedCohort, as_of: date = TODAY, *, purpose: Purpose = COOP
) -> ShopData:
    return load_shop(vault, cohort, FeatureSchema(), as_of, purpose=purpose)


def names_in(vault: Vault, shop: ShopData) -> set[str]:
    with vault.read() as connection:
        known = dict(connection.execute("SELECT customer, customer_id FROM customers"))
    return {known[int(key)] for key in shop.customer_ids}
