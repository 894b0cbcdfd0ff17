"""What a store says it has spent: for a customer of it, and for a person, and never too little."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from highstreet.audit.charter import MATCHING, Charter
from highstreet.audit.limits import StoreLimits
from highstreet.cli import main
from highstreet.client import store_status as store_status_module
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.join import join_coop
from highstreet.client.ledger import Ledger, RoundKey
from highstreet.client.membership import programme_days_file
from highstreet.client.person_counts import PersonCounts
from highstreet.client.programme_days import ProgrammeDays
from highstreet.client.store_status import budget_status, store_status
from highstreet.client.vault import Vault
from highstreet.privacy.accountant import epsilon
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.claims import rounded_up
from highstreet.privacy.matching import Counts, IdentifierKind, identifier_input
from highstreet.privacy.releases import customer_release
from highstreet.protos.store_pb2 import StatusReply
from tests.client.made_up_coop import about_persons, by_counts

ASKED, BEFORE = "00" * 8, "ff" * 8


@pytest.fixture
def store(
    found: Callable[..., Any],
    run_coop: Callable[..., Any],
    charter_with: Callable[..., Charter],
    limits: StoreLimits,
    tmp_path: Path,
) -> StoreHome:
    """A member of a co-op whose charter is about persons in up to four shops."""
    coop = run_coop(found(charter=about_persons(charter_with(), shops=4)))
    home = StoreHome(tmp_path / "store").ensure()
    join_coop(home, coop.invite("Mill"), limits, now=datetime.now(UTC))
    return home


def _pay(home: StoreHome, programme: str, *, sampling_rate: float = 1.0, customer: str = "1") -> None:
    with closing(Ledger.open(home.ledger)) as ledger:
        ledger.open_round(
            RoundKey(programme_id=programme, phase=0, request_sha256=bytes(32)),
            release=customer_release(noise_multiplier=6.0, sampling_rate=sampling_rate),
            cohort=(customer,),
            limits=SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-5, period_days=365)),
            today=datetime.now(UTC).date(),
        )


def test_a_person_has_lost_no_more_than_a_customer_where_all_contributions_were_divided(
    store: StoreHome,
) -> None:
    ProgrammeDays(programme_days_file(store), paid_for=dict).holds(ASKED, 20_000)
    _pay(store, ASKED)
    budget = budget_status(store)
    assert 0 < budget.person_epsilon == budget.epsilon
    assert budget.person == "a person who shops in up to 4 shops, each contribution divided by that number"
    assert budget.person in budget.claims[1]


def test_who_was_erased_and_came_back_has_lost_no_more_than_is_said(store: StoreHome) -> None:
    """The ledger has two names for them, each in one round; the person was in both."""
    _pay(store, ASKED, customer="before")
    _pay(store, BEFORE, customer="after")
    both = [customer_release(noise_multiplier=6.0)] * 2
    budget = budget_status(store)
    assert budget.epsilon == pytest.approx(epsilon(both, delta=budget.delta))
    assert f"epsilon {rounded_up(budget.epsilon)}, " in budget.claims[0]


@pytest.mark.parametrize("sampling_rate", [1.0, 0.5])
def test_contributions_from_before_this_co_op_count_whole(store: StoreHome, sampling_rate: float) -> None:
    ProgrammeDays(programme_days_file(store), paid_for=dict).holds(ASKED, 20_000)
    _pay(store, ASKED)
    _pay(store, BEFORE, sampling_rate=sampling_rate)
    budget = budget_status(store)
    assert budget.person_epsilon > 2 * budget.epsilon
    assert budget.person == "a person who shops in up to 4 shops"


def test_status_tells_a_member_the_one_thing_to_do_next(
    store: StoreHome, shop_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def next_step() -> str:
        assert main(["store", "status", "--home", str(store.root)]) == 0
        return capsys.readouterr().out.rpartition("Next: ")[2]

    assert next_step().startswith("import the shop's exports")
    with Vault.open(store.vault) as vault, vault.write() as connection:
        connection.execute("INSERT INTO customers (customer_id) VALUES ('ann')")
    assert "until one says yes" in next_step()
    with Vault.open(store.vault) as vault:
        list(Importer(vault, now=datetime.now(UTC)).run(sorted(shop_files.iterdir())))
    assert next_step() == "start it and leave it running: highstreet store run\n"
    with closing(Ledger.open(store.ledger)) as ledger:
        ledger.restored(today=datetime.now(UTC).date())
    assert next_step().startswith("nothing; from ")


def test_status_tells_why_something_is_still_kept(
    store: StoreHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ("What is kept no longer could not all be removed: the vault is busy.", ""):
        reply = StatusReply(retention_trouble=words)
        monkeypatch.setattr(store_status_module, "ask_status", lambda _, reply=reply: reply)
        assert store_status(store).retention_trouble == words
        assert main(["store", "status", "--home", str(store.root)]) == 0
        assert ("could not all be removed" in capsys.readouterr().out) is bool(words)


def test_a_store_says_whose_contributions_are_counted_and_what_the_claim_rests_on(
    found: Callable[..., Any],
    run_coop: Callable[..., Any],
    charter_with: Callable[..., Charter],
    limits: StoreLimits,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    coop = run_coop(found(charter=by_counts(charter_with(), shops=4)))
    home = StoreHome(tmp_path / "store").ensure()
    join_coop(
        home,
        coop.invite("Mill"),
        replace(limits, purposes=(*limits.purposes, MATCHING)),
        now=datetime.now(UTC),
    )
    with Vault.open(home.vault) as vault:
        counts = PersonCounts(home.person_counts, vault_id=vault.vault_id)
    assert "has none from a matching; it adds noise and nothing else" in store_status(home).counts
    counts.refuse(b"s" * 32)
    assert "not for this shop's use" in store_status(home).counts
    rows = "".join(f"{n},yes,yes,2025-01-02T10:00:00Z,{n}@example.org\n" for n in "abcd")
    columns = "customer_id,consent_coop_learning,consent_matching,consent_recorded_at,email\n"
    (tmp_path / "customers.csv").write_text(columns + rows)
    assert main(["store", "import", str(tmp_path / "customers.csv"), "--home", str(home.root)]) == 0
    with Vault.open(home.vault) as vault:
        keys = {name: str(vault.customer_key(name)) for name in "abcd"}
    inputs = {keys[n]: identifier_input(IdentifierKind.EMAIL, f"{n}@example.org") for n in "abc"}
    inputs[keys["d"]] = identifier_input(IdentifierKind.EMAIL, "another@example.org")  # corrected since
    shops = {keys["a"]: 1, keys["b"]: 4, keys["c"]: 5, keys["d"]: 1}
    counts.save(b"t" * 32, Counts(shops), inputs, consent_position=0)
    assert "2 customers have one from the latest matching, of up to 4 shops" in store_status(home).counts
    assert main(["store", "status", "--home", str(home.root)]) == 0
    assert "Counts: 2 customers have one" in capsys.readouterr().out
    home.person_counts.write_bytes(b"{}")
    assert "damaged" in store_status(home).counts
    assert main(["store", "promise", "--home", str(home.root)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in (
        "a person who shops in up to 4 shops, each contribution divided by their number (added or removed)",
        "nothing is added for customers who did not say yes to both coop_learning and matching",
        "or who shop in more than 4 shops",
        "compared are the matching and the trainings that take numbers from it, with and without the person",
        "for each matching behind them add 7.1e-07 to delta",
        "no shop has more than 5 customers who agree to matching",
    ):
        assert words in shown


def test_where_no_counts_are_taken_nothing_is_said_of_them(store: StoreHome) -> None:
    assert store_status(store).counts == ""
