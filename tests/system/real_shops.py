"""Stores of real processes with made-up customers, who may be matched."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from highstreet.audit.vouches import sign_vouch
from highstreet.cli import main
from highstreet.client.config import default_toml, read_config
from highstreet.client.home import StoreHome
from highstreet.client.identity import load_identity
from highstreet.client.importing.importer import Importer
from highstreet.client.join import join_coop
from highstreet.client.membership import load_membership, member_caller
from highstreet.client.person_counts import KeptCounts, PersonCounts
from highstreet.client.vault import Vault
from highstreet.client.vouch_desk import VouchDesk
from highstreet.client.vouches import add_vouches
from tests.system.real_processes import Process

CUSTOMERS = 24


class Shop:
    """A store with made-up customers."""

    def __init__(self, root: Path, number: int) -> None:
        self.home = StoreHome(root).ensure()
        self._import(random.Random(number), number)  # noqa: S311 - made-up orders
        self.process = Process("store", root, root.parent / f"{root.name}.log")

    def _import(self, chance: random.Random, number: int) -> None:
        files = self.files
        files.mkdir()
        kinds = ["Tea", "Bread", "Jam", "Milk", "Soap"]
        lines = ["product_id,title,category,product_type,brand,maker,size,price,gtin"]
        lines += [
            f"p{i},Thing {i},{kinds[i % 5]},T{i % 5},B{i % 3},M{i % 4},1 kg,{1 + i}.50," for i in range(20)
        ]
        (files / "products.csv").write_text("\n".join(lines) + "\n")
        customers = self._customers(number)
        (files / "customers.csv").write_text("\n".join(customers) + "\n")
        ids = [line.partition(",")[0] for line in customers[1:]]
        lines = ["order_id,ordered_at,customer_id,product_id,quantity,unit_price,discount"]
        newest = datetime.now(UTC) - timedelta(days=2)
        for order in range(len(ids) * 8):
            day = newest - timedelta(days=chance.randrange(200))
            who, what = ids[order % len(ids)], f"p{chance.randrange(20)}"
            lines.append(f"{order},{day:%Y-%m-%dT%H:%M:%S},{who},{what},1,2.50,0")
        (files / "orders.csv").write_text("\n".join(lines) + "\n")
        self._take_in(files)

    @property
    def files(self) -> Path:
        """Where the shop's exports lie."""
        return self.home.root.parent / f"{self.home.root.name}-files"

    def _customers(self, number: int) -> list[str]:
        """The lines of customers.csv."""
        answers = "consent_suggestions,consent_shop_model,consent_coop_learning"
        lines = [f"customer_id,{answers},consent_source,consent_recorded_at"]
        return lines + [f"c{number}-{i},yes,yes,yes,form,2026-01-02T10:00:00Z" for i in range(CUSTOMERS)]

    def _take_in(self, files: Path) -> None:
        with Vault.open(self.home.vault) as vault:
            list(Importer(vault, now=datetime.now(UTC)).run([files]))

    def join(self, code: str) -> None:
        join_coop(self.home, code, read_config(self.home).limits.to_limits(), now=datetime.now(UTC))

    def vouch_for_all(self) -> None:
        """Vouch for every other member, as after comparing codes with each."""
        key, me = load_identity(self.home).signing, load_membership(self.home).member_id
        with member_caller(self.home) as caller:
            desk = VouchDesk(self.home, caller)
            roster, _ = desk.refresh()
            others = [member for member in roster.members if member.member_id != me]
            add_vouches(self.home, roster, [sign_vouch(roster.coop_id, me, each, key) for each in others])
            desk.refresh()  # hands them over: the coordinator lacks them

    def rounds(self) -> list[tuple[str, int, bytes]]:
        """What its ledger says was spent: programme, phase, request."""
        return self._ledger("SELECT programme_id, phase, request_sha256 FROM rounds ORDER BY sequence")

    def replies(self) -> dict[tuple[str, int], bytes]:
        rows = self._ledger(
            "SELECT programme_id, phase, reply FROM replies JOIN rounds ON rounds.sequence = replies.round"
        )
        return {(name, phase): reply for name, phase, reply in rows}

    def agreements(self, programme_id: str) -> list[int]:
        """The phases of a programme in which it agreed, on the committee, to open a sum."""
        rows = self._ledger("SELECT programme_id, phase FROM agreements ORDER BY sequence")
        return [phase for name, phase in rows if name == programme_id]

    def _ledger(self, question: str) -> list[tuple]:  # type: ignore[type-arg]
        with closing(sqlite3.connect(self.home.ledger)) as connection:
            return list(connection.execute(question))


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A customer of one shop, as its owner's file says.

    Attributes:
        customer_id: of this shop alone.
        email: as it was typed here.
        coop_learning, matching: yes, no, or nothing.
    """

    customer_id: str
    email: str = ""
    coop_learning: str = "yes"
    matching: str = "yes"


class MatchingShop(Shop):
    """A store whose owner imports identifiers and consent, and allows matching in store.toml."""

    def __init__(
        self, root: Path, number: int, customers: Sequence[Customer], *, max_dimension: int = 1 << 20
    ) -> None:
        self.customers = list(customers)
        super().__init__(root, number)
        allowed = default_toml().replace('["coop_learning"]', '["coop_learning", "matching"]')
        allowed = allowed.replace(f"max_dimension = {1 << 20}", f"max_dimension = {max_dimension}")
        if max_dimension > 1 << 20:  # the largest tables have fewer rows
            allowed = allowed.replace("max_matching_delta = 1e-05", "max_matching_delta = 0.01")
        self.home.config.write_text(allowed)

    def _customers(self, number: int) -> list[str]:
        answers = "consent_shop_model,consent_coop_learning,consent_matching"
        return [f"customer_id,{answers},consent_source,consent_recorded_at,email"] + [
            f"{one.customer_id},yes,{one.coop_learning},{one.matching},form,2026-01-02T10:00:00Z,{one.email}"
            for one in self.customers
        ]

    def _take_in(self, files: Path) -> None:
        assert main(["store", "import", str(files), "--yes", "--home", str(self.home.root)]) == 0

    @property
    def counts(self) -> KeptCounts | None:
        """What it read."""
        with Vault.open(self.home.vault) as vault:
            vault_id = vault.vault_id
        return PersonCounts(self.home.person_counts, vault_id=vault_id).latest()

    @property
    def shops_of(self) -> dict[str, int]:
        """k by the shop's own customer ids."""
        counts = self.counts
        assert counts is not None
        assert counts.shops is not None
        with Vault.open(self.home.vault) as vault:
            keys = {str(vault.customer_key(one.customer_id)): one.customer_id for one in self.customers}
        return {keys[key]: k for key, k in counts.shops.items()}
