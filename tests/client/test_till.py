"""A round is paid for before it is computed, over the customers who agreed and were paid for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from highstreet.audit.consent import Answer, Purpose
from highstreet.client import till as till_module
from highstreet.client.consent import ConsentDesk
from highstreet.client.errors import RoundRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger
from highstreet.client.rounds import AskedRound
from highstreet.client.till import StoreTill
from highstreet.client.vault import Vault
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData
from highstreet.privacy.budget import Budget, StoreLimits
from highstreet.protos.rounds_pb2 import REFUSAL_BUDGET, REFUSAL_REPEATED, RoundRequest

TODAY = date(2026, 11, 22)
PLAN = default_plan(
    FeatureSchema(
        key_buckets=32,
        category_buckets=8,
        product_type_buckets=8,
        brand_buckets=8,
        maker_buckets=8,
        size_buckets=8,
    ),
    noise_multiplier=5.0,
    gradient_rounds=0,
)


@pytest.fixture
def home(tmp_path: Path, full_vault: Vault) -> StoreHome:
    return StoreHome(tmp_path / "store")


@pytest.fixture
def ledger(home: StoreHome) -> Iterator[Ledger]:
    with closing(Ledger.open(home.ledger)) as opened:
        yield opened


def _till(home: StoreHome, ledger: Ledger, *, epsilon: float = 3.0, plan: ModelPlan = PLAN) -> StoreTill:
    limits = StoreLimits(budget=Budget(epsilon=epsilon, delta=1e-5, period_days=365))
    return StoreTill(home=home, ledger=ledger, plan=plan, limits=limits, today=lambda: TODAY)


def _asked(mark: bytes = b"a", programme: str = "p1") -> AskedRound:
    request = RoundRequest(
        programme_id=programme, round=0, as_of_day=(TODAY - date(1970, 1, 1)).days, phase="popularity"
    )
    return AskedRound(request=request, sha256=mark * 32, phase=PLAN.phases[0], state=initial_state(PLAN))


class Computed:
    """Watches what is computed with, and that the ledger was written before."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.shops: list[ShopData] = []

    def __call__(
        self, plan: object, phase: object, state: object, shop: ShopData, *, noise: object
    ) -> object:
        budget = Budget(epsilon=3.0, delta=1e-5, period_days=365)
        assert self.ledger.spending(budget, today=TODAY).rounds == len(self.shops) + 1
        self.shops.append(shop)
        return np.full(PLAN.phases[0].dimension, len(self.shops), dtype=np.int64)


@pytest.fixture
def computed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Computed:
    watcher = Computed(ledger)
    monkeypatch.setattr(till_module, "contribute", watcher)
    return watcher


def test_it_is_spent_before_it_is_computed_and_only_with_those_who_agreed(
    home: StoreHome, ledger: Ledger, computed: Computed, full_vault: Vault
) -> None:
    till = _till(home, ledger)
    values = np.full(PLAN.phases[0].dimension, 1, dtype="<i4").tobytes()
    assert till.take(_asked(), lambda sealed: b"sealed " + sealed) == b"sealed " + values
    (shop,) = computed.shops
    assert shop.customer_ids == (str(full_vault.customer_key("ann")),)
    assert shop.as_of == (TODAY - date(1970, 1, 1)).days


def test_the_same_request_gets_the_stored_reply_and_is_not_computed_again(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    till = _till(home, ledger)
    first = till.take(_asked(), bytes)
    assert till.given(_asked().request, _asked().sha256) == first
    assert till.take(_asked(), lambda _: b"another seal") == first
    assert len(computed.shops) == 1


def test_a_crash_before_the_reply_is_computed_anew_without_spending_again(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    till = _till(home, ledger)

    def crash(_: bytes) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        till.take(_asked(), crash)
    assert till.given(_asked().request, _asked().sha256) is None
    computed.shops.clear()
    assert till.take(_asked(), lambda _: b"sealed") == b"sealed"
    assert ledger.spending(till.limits.budget, today=TODAY).rounds == 1


def test_who_withdraws_between_spending_and_computing_anew_is_left_out(
    home: StoreHome, ledger: Ledger, computed: Computed, full_vault: Vault
) -> None:
    till = _till(home, ledger)

    def crash(_: bytes) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        till.take(_asked(), crash)
    computed.shops.clear()
    ConsentDesk(full_vault).record("ann", Purpose.COOP_LEARNING, Answer.WITHDRAWAL, source="test")
    till.take(_asked(), bytes)
    assert computed.shops[0].customer_ids == ()


def test_another_request_for_the_same_phase_is_refused(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    till = _till(home, ledger)
    till.take(_asked(), bytes)
    for attempt in (
        lambda: till.given(_asked(b"b").request, b"b" * 32),
        lambda: till.take(_asked(b"b"), bytes),
    ):
        with pytest.raises(RoundRefusedError) as caught:
            attempt()
        assert caught.value.code == REFUSAL_REPEATED
    assert len(computed.shops) == 1


def test_a_programme_that_does_not_fit_the_budget_is_refused_from_its_first_phase(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    with pytest.raises(RoundRefusedError) as caught:
        _till(home, ledger, epsilon=0.05).take(_asked(), bytes)
    assert caught.value.code == REFUSAL_BUDGET
    assert computed.shops == []


def test_what_leaves_is_as_many_numbers_as_the_phase_has(home: StoreHome, ledger: Ledger) -> None:
    sealed = _till(home, ledger).take(_asked(), bytes)
    assert len(sealed) == 4 * PLAN.phases[0].dimension
