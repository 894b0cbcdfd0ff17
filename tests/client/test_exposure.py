"""What a person was exposed to is counted over all ledgers of the store, and says when it may be more."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.erasure_certificate import read_certificate
from highstreet.audit.limits import StoreLimits
from highstreet.client import restoration
from highstreet.client.erasure import erase_customers
from highstreet.client.exposure import Exposure, exposures_of
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.pseudonyms import ledger_names
from highstreet.client.vault import Vault
from highstreet.privacy.accountant import PldAccountant
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.releases import customer_release
from tests.client.conftest import NOW
from tests.client.lived_in_store import PERSON, TODAY, live

LATER = NOW + timedelta(days=1)
BUDGET = Budget(epsilon=3.0, delta=1e-5, period_days=365)


@pytest.fixture
def home(coop: Any, tmp_path: Path, limits: StoreLimits) -> StoreHome:
    return live(StoreHome(tmp_path / "store"), coop, limits, tmp_path / "exports")


def _exposure(home: StoreHome) -> Exposure:
    with Vault.open(home.vault) as vault:
        (found,) = exposures_of(home, vault, [vault.customer_key(PERSON)], today=TODAY)
    return found


@pytest.mark.parametrize("is_broken_off_once", [False, True])
def test_after_a_restoration_a_certificate_counts_what_the_former_ledger_knows_and_says_at_least(
    home: StoreHome, is_broken_off_once: bool
) -> None:
    before = _exposure(home)
    assert (before.is_least, len(before.rounds)) == (False, 1)
    if is_broken_off_once:
        restoration._put_aside(home)  # two copies of one ledger: what both know is counted once
        assert _exposure(home) == before
    restoration.restore_store(home, today=TODAY, alone=True)
    assert _exposure(home) == replace(before, is_least=True)
    certificate = read_certificate(erase_customers(home, [PERSON], source="test", now=LATER).certificate)
    assert certificate.epsilon_is_least
    assert certificate.rounds == 1
    assert certificate.epsilon == before.epsilon > 0
    assert certificate.counted_epsilon == before.counted_epsilon


def test_what_two_ledgers_know_adds_up(home: StoreHome) -> None:
    before = _exposure(home)
    done = restoration.restore_store(home, today=TODAY, alone=True)
    with Vault.open(home.vault) as vault, closing(Ledger.open(home.ledger)) as ledger:
        key = vault.customer_key(PERSON)
        ledger.open_round(
            RoundKey(programme_id="p9", phase=0, request_sha256=b"9" * 32),
            release=customer_release(noise_multiplier=5.0),
            cohort=list(ledger_names(vault, [key]).values()),
            limits=SpendingLimits(budget=BUDGET),
            today=done.out_until,
        )
        former, now = before.rounds[0], ledger.participation([[]])
        (both,) = exposures_of(home, vault, [key], today=done.out_until)
    assert [each.programme_id for each in both.rounds] == ["p1", "p9"]
    both_releases = [
        customer_release(noise_multiplier=each.noise_multiplier, sampling_rate=each.sampling_rate)
        for each in (former, *now.rounds.values())
    ]
    assert both.epsilon == pytest.approx(PldAccountant().epsilon(both_releases, delta=BUDGET.delta))
    assert both.epsilon > before.epsilon
    alone = PldAccountant().epsilon(both_releases[1:], delta=BUDGET.delta)
    assert both.epsilon_in_period == both.counted_epsilon == pytest.approx(alone)


def test_a_former_ledger_that_is_damaged_adds_nothing_and_the_figure_says_at_least(home: StoreHome) -> None:
    restoration.restore_store(home, today=TODAY, alone=True)
    (aside,) = home.former.glob("*-ledger-*/ledger.db")
    with closing(sqlite3.connect(aside)) as connection:
        connection.execute("DROP TRIGGER rounds_stay")
        connection.execute("UPDATE rounds SET noise_multiplier = 50.0")
        connection.commit()
    found = _exposure(home)
    assert found.is_least
    assert (found.rounds, found.epsilon) == ((), 0)
    aside.unlink()
    assert _exposure(home) == found
    assert not aside.exists()
