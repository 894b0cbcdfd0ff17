"""A round is paid for before it is computed, over the customers who agreed and were paid for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from highstreet.audit.consent import Act, Method, Purpose
from highstreet.client import leaving_out
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.errors import RoundRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger
from highstreet.client.vault import Vault
from highstreet.protos.rounds_pb2 import REFUSAL_BUDGET, REFUSAL_REPEATED
from tests.client.played_till import PLAN, TODAY, Computed, asked_for, plainly, till_of


@pytest.fixture
def home(tmp_path: Path, full_vault: Vault) -> StoreHome:
    return StoreHome(tmp_path / "store")


@pytest.fixture
def ledger(home: StoreHome) -> Iterator[Ledger]:
    with closing(Ledger.open(home.ledger)) as opened:
        yield opened


@pytest.fixture
def computed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Computed:
    watcher = Computed(ledger)
    monkeypatch.setattr(leaving_out, "contribute", watcher)
    return watcher


def test_it_is_spent_before_it_is_computed_and_only_with_those_who_agreed(
    home: StoreHome, ledger: Ledger, computed: Computed, full_vault: Vault
) -> None:
    till = till_of(home, ledger)
    values = np.full(PLAN.phases[0].dimension, 1, dtype="<i8").tobytes()
    assert till.take(asked_for(), lambda *made: b"sealed " + plainly(*made)) == b"sealed " + values
    (shop,) = computed.shops
    assert shop.customer_ids == (str(full_vault.customer_key("ann")),)
    assert shop.as_of == (TODAY - date(1970, 1, 1)).days


def test_the_same_request_gets_the_stored_reply_and_is_not_computed_again(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    till = till_of(home, ledger)
    first = till.take(asked_for(), plainly)
    assert till.given(asked_for().request, asked_for().sha256) == first
    assert till.take(asked_for(), lambda *_: b"another seal") == first
    assert len(computed.shops) == 1


def test_a_crash_before_the_reply_is_computed_anew_without_spending_again(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    till = till_of(home, ledger)

    def crash(*_: object) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        till.take(asked_for(), crash)
    assert till.given(asked_for().request, asked_for().sha256) is None
    computed.shops.clear()
    assert till.take(asked_for(), lambda *_: b"sealed") == b"sealed"
    assert ledger.spending(till.limits.budget, today=TODAY).rounds == 1


def test_who_withdraws_between_spending_and_computing_anew_is_left_out(
    home: StoreHome, ledger: Ledger, computed: Computed, full_vault: Vault
) -> None:
    till = till_of(home, ledger)

    def crash(*_: object) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        till.take(asked_for(), crash)
    computed.shops.clear()
    ConsentDesk(full_vault).record(
        "ann", Purpose.COOP_LEARNING, Act.WITHDRAWN, How(method=Method.SPOKEN, source="test")
    )
    till.take(asked_for(), plainly)
    assert computed.shops[0].customer_ids == ()


def test_another_request_for_the_same_phase_is_refused(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    till = till_of(home, ledger)
    till.take(asked_for(), plainly)
    for attempt in (
        lambda: till.given(asked_for(b"b").request, b"b" * 32),
        lambda: till.take(asked_for(b"b"), plainly),
    ):
        with pytest.raises(RoundRefusedError) as caught:
            attempt()
        assert caught.value.code == REFUSAL_REPEATED
    assert len(computed.shops) == 1


def test_a_programme_that_does_not_fit_the_budget_is_refused_from_its_first_phase(
    home: StoreHome, ledger: Ledger, computed: Computed
) -> None:
    with pytest.raises(RoundRefusedError) as caught:
        till_of(home, ledger, epsilon=0.05).take(asked_for(), plainly)
    assert caught.value.code == REFUSAL_BUDGET
    assert computed.shops == []


def test_what_leaves_is_as_many_numbers_as_the_phase_has(home: StoreHome, ledger: Ledger) -> None:
    sealed = till_of(home, ledger).take(asked_for(), plainly)
    assert len(sealed) == 8 * PLAN.phases[0].dimension


def test_one_set_is_agreed_to_whatever_comes_later(home: StoreHome, ledger: Ledger) -> None:
    till, asked = till_of(home, ledger), asked_for()
    assert till.agreed_set(asked.request, asked.sha256) is None
    till.agree(asked.request, asked.sha256, b"1" * 32)
    till.agree(asked.request, asked.sha256, b"1" * 32)
    assert till.agreed_set(asked.request, asked.sha256) == b"1" * 32
    for attempt in (
        lambda: till.agree(asked.request, asked.sha256, b"2" * 32),
        lambda: till.agree(asked.request, b"b" * 32, b"1" * 32),
        lambda: till.agreed_set(asked.request, b"b" * 32),
        lambda: till.take(asked_for(b"b"), plainly),
    ):
        with pytest.raises(RoundRefusedError) as caught:
            attempt()
        assert caught.value.code == REFUSAL_REPEATED
