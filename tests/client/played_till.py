"""A till of a small shop, the rounds it is asked for, and what was computed of its customers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from highstreet.audit.attestation import AttestedUse
from highstreet.audit.charter import PrivacyTerms
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.ledger import Ledger
from highstreet.client.round_terms import AskedRound
from highstreet.client.till import StoreTill
from highstreet.client.vault import Vault
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import default_plan, initial_state
from highstreet.models.shop import ShopData
from highstreet.privacy.budget import Budget, SpendingLimits
from tests.client.conftest import NOW, tasteful_files
from tests.client.made_up_coop import SCHEMA, charter_of, context_of, mechanism_for, round_request

TODAY = date(2026, 11, 22)
PLAN = default_plan(SCHEMA, noise_multiplier=5.0, gradient_rounds=0)


def till_of(
    home: StoreHome,
    ledger: Ledger,
    *,
    epsilon: float = 3.0,
    plan: ModelPlan = PLAN,
    terms: PrivacyTerms | None = None,
) -> StoreTill:
    limits = SpendingLimits(budget=Budget(epsilon=epsilon, delta=1e-5, period_days=365))
    agreed = terms or charter_of(plan).privacy
    return StoreTill(home=home, ledger=ledger, plan=plan, terms=agreed, limits=limits, today=lambda: TODAY)


def asked_for(mark: bytes = b"a", programme: str = "p1", plan: ModelPlan = PLAN) -> AskedRound:
    request = round_request()
    request.programme_id, request.as_of_day = programme, (TODAY - date(1970, 1, 1)).days
    return AskedRound(
        request=request,
        sha256=mark * 32,
        phase=plan.phases[0],
        state=initial_state(plan),
        mechanism=mechanism_for(plan, plan.phases[0]),
        context=context_of(round_request()),
    )


def plainly(integers: NDArray[np.int64], use: AttestedUse | None = None) -> bytes:
    """In the place of sharing and sealing: so that the test can read what would be shared."""
    return integers.astype("<i8").tobytes()


class Computed:
    """Watches what is computed with, and that the ledger was written before."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.shops: list[ShopData] = []

    def __call__(
        self, plan: object, phase: object, state: object, shop: ShopData, **how: object
    ) -> NDArray[np.int64]:
        budget = Budget(epsilon=3.0, delta=1e-5, period_days=365)
        assert self.ledger.spending(budget, today=TODAY).rounds == len(self.shops) + 1
        self.shops.append(shop)
        return np.full(PLAN.phases[0].dimension, len(self.shops), dtype=np.int64)


def shop_with(folder: Path, *, agreed: int) -> StoreHome:
    """A store in which so many customers take part; two others said no."""
    home = StoreHome(folder / "store")
    with Vault.open(home.vault) as vault:
        list(
            Importer(vault, now=NOW).run([tasteful_files(folder / "exports", customers=agreed + 2, days=40)])
        )
    return home


def asked_naming(table: bytes, mark: bytes = b"a", programme: str = "p1") -> AskedRound:
    asked = asked_for(mark, programme)
    asked.request.matching_table_sha256 = table
    return asked
