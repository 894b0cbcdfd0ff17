"""A shop whose consent log can be put back or rewritten, and a check that every use of it is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from highstreet.audit.consent import Act, ConsentState, Method, Purpose
from highstreet.audit.errors import ConsentLogRewoundError
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.consented_cohort import ConsentedCohort, ShopTotals
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.shop_loader import load_shop
from highstreet.client.shop_totals import best_sellers
from highstreet.client.vault import Vault
from highstreet.models.schema import FeatureSchema
from tests.client.conftest import CUSTOMERS, NOW

COOP = Purpose.COOP_LEARNING
SAID = How(method=Method.SPOKEN, source="till")
SECONDS = 1_000_000


class Shop:
    """A store whose files can be copied and put back, and whose desk has a clock to turn."""

    def __init__(self, folder: Path) -> None:
        self.home = StoreHome(folder / "store")
        self.now = int(NOW.timestamp()) * SECONDS
        self.folder = folder
        self.imported("first", "customers.csv", CUSTOMERS)

    @property
    def head(self) -> Path:
        return self.home.root / "consent.head"

    def imported(self, name: str, file: str, text: str) -> None:
        (self.folder / name).mkdir()
        (self.folder / name / file).write_text(text)
        with Vault.open(self.home.vault) as vault:
            list(Importer(vault, now=datetime.now(UTC)).run([self.folder / name]))

    def desk(self, vault: Vault) -> ConsentDesk:
        return ConsentDesk(vault, clock=lambda: self.now)

    def said(self, who: str, act: Act, purpose: Purpose = COOP) -> None:
        with Vault.open(self.home.vault) as vault:
            self.desk(vault).record(who, purpose, act, SAID)

    def state(self, who: str, purpose: Purpose = COOP) -> ConsentState:
        with Vault.open(self.home.vault) as vault:
            return self.desk(vault).state(vault.customer_key(who), purpose)

    def copied(self) -> Path:
        copy = self.folder / f"copy-{len(list(self.folder.iterdir()))}.db"
        shutil.copy(self.home.vault, copy)
        return copy

    def put_back(self, copy: Path) -> None:
        for ending in ("-wal", "-shm"):
            self.home.vault.with_name(self.home.vault.name + ending).unlink(missing_ok=True)
        shutil.copy(copy, self.home.vault)

    def by_hand(self, *statements: str) -> None:
        """What somebody does who has the file and no scruples."""
        with Vault.open(self.home.vault) as vault, vault.write() as connection:
            connection.execute("DROP TRIGGER IF EXISTS consents_are_not_changed")
            connection.execute("DROP TRIGGER IF EXISTS consents_are_not_removed")
            for statement in statements:
                connection.execute(statement)


def _uses(
    shop: Shop, vault: Vault, cohort: ConsentedCohort, totals: ShopTotals
) -> list[Callable[[], object]]:
    desk = shop.desk(vault)
    ann = vault.customer_key("ann")
    return [
        *(lambda purpose=purpose: desk.cohort(purpose) for purpose in Purpose),  # type: ignore[misc]
        desk.totals,
        desk.root,
        desk.position,
        desk.counts,
        desk.note_expired,
        lambda: desk.state(ann, COOP),
        lambda: desk.history(ann),
        lambda: desk.withdrawn(COOP, since=0),
        lambda: desk.record("ann", COOP, Act.GIVEN, SAID),
        lambda: desk.record("ann", COOP, Act.WITHDRAWN, SAID),
        lambda: load_shop(vault, cohort, FeatureSchema(), NOW.date(), purpose=min(cohort.purposes)),
        lambda: best_sellers(vault, totals, since_day=0),
    ]


def is_refused_everywhere(shop: Shop, error: type[Exception] = ConsentLogRewoundError) -> None:
    with Vault.open(shop.home.vault) as vault:
        kept = shop.head.read_bytes() if shop.head.exists() else None
        # Made from an order log that was in order; here only to have something to refuse.
        cohort, totals = object.__new__(ConsentedCohort), object.__new__(ShopTotals)
        for use in _uses(shop, vault, cohort, totals)[:-2]:
            with pytest.raises(error):
                use()
        assert (shop.head.read_bytes() if shop.head.exists() else None) == kept  # and nothing settles it
