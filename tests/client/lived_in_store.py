"""A store that has done everything a store does, with one person planted in every place that can hold one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from highstreet.audit.limits import StoreLimits
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.join import join_coop
from highstreet.client.ledger import Ledger
from highstreet.client.matching_state import MatchingState
from highstreet.client.person_counts import PersonCounts
from highstreet.client.rights_desk import make_record
from highstreet.client.round_answers import RoundAnswer
from highstreet.client.round_log import noted
from highstreet.client.suggestions import suggest
from highstreet.client.till import StoreTill
from highstreet.client.vault import Vault
from highstreet.files import write_private
from highstreet.logs import configure_logs
from highstreet.models.programme import default_plan
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.matching import Counts, IdentifierKind, identifier_input
from tests.client.conftest import NOW, tasteful_files
from tests.client.made_up_context import OWN, matching_context
from tests.client.made_up_coop import SCHEMA, charter_of
from tests.client.played_till import asked_for, plainly

__all__ = ["EMAIL", "LOYALTY", "ORDERS", "PERSON", "PLANTED", "PLANTED_AGAIN", "TODAY", "live", "plant"]

TODAY = date(2026, 11, 22)
PERSON = "Zenobia-Number-90210"
EMAIL = "zenobia.planted@secret-mail.example"
LOYALTY = "loyal-778899001122"
ORDERS = ("ORDER-PLANTED-4711", "ORDER-PLANTED-4712")
CUP = "Engraved cup for Zenobia Planted"
SOURCE = "asked-on-the-phone-by-miss-turing"
#: What must be in no byte of any file after an erasure, with what is hashed for a matching.
PLANTED = tuple(
    value.encode()
    for value in (PERSON, PERSON.lower(), EMAIL, LOYALTY, *ORDERS, CUP, SOURCE, "Planted", "planted")
)
PLANTED_AGAIN = PLANTED[:4]

_ANSWERS = "consent_suggestions,consent_shop_model,consent_coop_learning,consent_matching"
_CUSTOMERS = f"""customer_id,email,loyalty_number,{_ANSWERS},consent_source,consent_recorded_at
{PERSON},{EMAIL},{LOYALTY},yes,yes,yes,yes,{SOURCE},2026-01-02T10:00:00Z
c1,c1@example.org,,yes,yes,yes,yes,form,2026-01-02T10:00:00Z
c2,c2@example.org,,yes,yes,yes,yes,form,2026-01-02T10:00:00Z
"""
_ORDERS = f"""order_id,ordered_at,customer_id,product_id,quantity,unit_price,discount
{ORDERS[0]},2026-08-01T09:00:00,{PERSON},p1,1,4.50,0
{ORDERS[0]},2026-08-01T09:00:00,{PERSON},{CUP},1,14.50,0
{ORDERS[1]},2026-08-09T09:00:00,{PERSON},p2,2,3.20,0.20
{ORDERS[1]},2026-08-09T09:00:00,{PERSON},p3,1,3.20,0
"""


def plant(folder: Path) -> None:
    """Write exports that name the person beside those of an ordinary shop."""
    (folder / "the customers.csv").write_text(_CUSTOMERS)
    (folder / "orders of Zenobia-Number-90210.csv").write_text(_ORDERS)


def live(home: StoreHome, coop: Any, limits: StoreLimits, exports: Path) -> StoreHome:
    """Let a store join, import, suggest, pay for a round, match, and be killed while it writes."""
    join_coop(home, coop.invite("Corner Shop"), limits, now=datetime.now(UTC))
    tasteful_files(exports)
    plant(exports)
    home.logs.mkdir(mode=0o700, exist_ok=True)
    configure_logs(home.logs / "store.log")
    with Vault.open(home.vault) as vault:
        list(Importer(vault, now=NOW).run([exports]))
        keys = {name: str(vault.customer_key(name)) for name in (PERSON, "c1", "c2")}
        vault_id = vault.vault_id
    suggest(home, PERSON, k=3)
    _pay_for_a_round(home)
    _match(home, keys, vault_id)
    make_record(home, PERSON, source="test", now=NOW)
    answer = RoundAnswer(body=b"sealed", step=None, programme_id="p1", round=0, phase="popularity")
    noted(lambda _: answer, home)(b"request")
    _be_killed(home)
    return home


def _pay_for_a_round(home: StoreHome) -> None:
    plan = default_plan(SCHEMA, noise_multiplier=5.0, gradient_rounds=0)
    limits = SpendingLimits(budget=Budget(epsilon=3.0, delta=1e-5, period_days=365))
    with closing(Ledger.open(home.ledger)) as ledger:
        till = StoreTill(
            home=home,
            ledger=ledger,
            plan=plan,
            terms=charter_of(plan).privacy,
            limits=limits,
            today=lambda: TODAY,
        )
        till.take(asked_for(), plainly)


def _match(home: StoreHome, keys: Mapping[str, str], vault_id: str) -> None:
    """One matching that ended, and one under way whose list holds the person; by row keys."""
    emails = {PERSON: EMAIL, "c1": "c1@example.org", "c2": "c2@example.org"}
    inputs = {keys[name]: identifier_input(IdentifierKind.EMAIL, email) for name, email in emails.items()}
    PersonCounts(home.person_counts, vault_id=vault_id).save(
        b"t" * 32, Counts({keys[PERSON]: 3, keys["c1"]: 2}), inputs, consent_position=0
    )
    context = matching_context()
    with MatchingState.open(home.matching, vault_id=vault_id) as state:
        state.begin(context, day=100, period_days=365)
        state.draw_holder(context, OWN)
        state.draw_store(context, OWN, inputs, consent_position=7)


def _be_killed(home: StoreHome) -> None:
    """What a killed import, and a killed writing of counts or of a model, leave behind."""
    with closing(sqlite3.connect(home.vault.with_name("vault.db-staging"))) as staging:
        staging.execute("CREATE TABLE customers (customer_id)")
        staging.execute("INSERT INTO customers VALUES (?)", (PERSON,))
        staging.commit()
    write_private(home.coop / ".person_counts.json.4711.tmp", EMAIL.encode())
    write_private(home.personal / ".abc.safetensors.4711.tmp", b"half a model of " + EMAIL.encode())
