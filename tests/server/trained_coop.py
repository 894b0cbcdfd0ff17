"""A co-op that matches and then trains: real store folders, real desks, the coordinator's own runs.

Each store has a vault that its customers' files were imported into, a ledger, and its books of matchings on
the disk; they are opened anew for every message.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from matching_coop import LIMITS, MatchingCoop, Shop
from numpy.typing import NDArray

from highstreet.audit.charter import COOP_LEARNING, MATCHING, Charter, MatchingTerms
from highstreet.audit.consent import Purpose
from highstreet.client.consent import ConsentDesk
from highstreet.client.contribution import sum_over
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.ledger import Ledger
from highstreet.client.matching_books import matching_books
from highstreet.client.person_counts import PersonCounts
from highstreet.client.round_members import CountedRoster
from highstreet.client.round_terms import Agreement
from highstreet.client.rounds import RoundDesk
from highstreet.client.shop_loader import load_shop
from highstreet.client.till import StoreTill
from highstreet.client.vault import Vault
from highstreet.models.plan import ModelPlan
from highstreet.models.programme import default_plan, initial_state
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import ShopData
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.privacy.releases import PrivacyUnit, Weighting
from highstreet.server.database import connect
from highstreet.server.programmes import Programme, request_programme

#: 2025-06-01, the day of everything here: after what customers said and bought.
TODAY = date(2025, 6, 1)
NOW = int(datetime(2025, 6, 1, 12, tzinfo=UTC).timestamp())
_ANSWERS = "consent_coop_learning,consent_matching,consent_recorded_at"


def counting_charter(charter: Charter, *, shops: int, noise_multiplier: float = 0.02) -> Charter:
    """A tiny charter of one phase about persons whose shops are counted; its noise hides next to nothing."""
    schema = FeatureSchema(
        key_buckets=32,
        category_buckets=8,
        product_type_buckets=8,
        brand_buckets=8,
        maker_buckets=8,
        size_buckets=8,
    )
    whole = default_plan(schema, noise_multiplier=noise_multiplier, gradient_rounds=0)
    plan = ModelPlan.from_dict({**whole.to_dict(), "phases": whole.to_dict()["phases"][:1]})  # type: ignore[index]  # a list
    terms = replace(
        charter.privacy,
        privacy_unit=PrivacyUnit.PERSON,
        weighting=Weighting.ONE_OVER_SHOPS,
        shops_per_person=shops,
    )
    return replace(
        charter,
        purposes=(COOP_LEARNING, MATCHING),
        plan=plan,
        privacy=terms,
        matching=MatchingTerms(identifiers_per_store=6),
    )


class VaultShop(Shop):
    """A store with everything on its disk.

    Args:
        number: its node; its member id in hex.
        customers: who shops there, by name, agrees to learning and has an e-mail address: the same one in
            every shop.
        folder: its own.
        unmatched: customers who agree to learning only.
    """

    def __init__(
        self, number: int, customers: Collection[str], folder: Path, *, unmatched: Collection[str] = ()
    ) -> None:
        super().__init__(number, customers)
        self.home = StoreHome(folder / "store")
        folder.mkdir()
        (folder / "exports").mkdir()
        for name, text in _files(sorted({*customers, *unmatched}), set(unmatched)).items():
            (folder / "exports" / f"{name}.csv").write_text(text)
        with Vault.open(self.home.vault) as vault:
            list(Importer(vault, now=datetime(2025, 5, 30, tzinfo=UTC)).run([folder / "exports"]))
        self._opened: tuple[Ledger, object] | None = None

    def desk(self, coop: object) -> RoundDesk:
        """The desk as it is built when the store starts."""
        assert isinstance(coop, MatchingCoop)
        assert self._opened is not None
        ledger, books = self._opened
        charter, everybody = coop.charter, frozenset(store.member_id for store in coop.stores.values())
        counted = CountedRoster(roster=coop.roster, counted=everybody)
        agreement = Agreement(
            member_id=self.member_id,
            coordinator_public_key=coop.public_key,
            charter=charter,
            limits=LIMITS,
            find_roster=lambda sha256, participants, opened: counted,
            holds_to_day=lambda programme_id, day: True,
        )
        till = StoreTill(
            home=self.home,
            ledger=ledger,
            plan=charter.plan,
            terms=charter.privacy,
            limits=SpendingLimits(budget=BUDGET, least_noise_multiplier=0.01),
            today=lambda: TODAY,
        )
        return RoundDesk(agreement, keys=self.keys, till=till, books=books, clock=coop.clock)  # type: ignore[arg-type]  # opened in `answer`

    def answer(self, body: bytes, coop: object) -> tuple[float, bytes | None] | None:  # type: ignore[override]  # the same
        """Open ledger and books, answer, and close them."""
        with ExitStack() as stack:
            ledger = stack.enter_context(closing(Ledger.open(self.home.ledger)))
            self._opened = (ledger, stack.enter_context(matching_books(self.home, ledger)))
            return super().answer(body, coop)  # type: ignore[arg-type]  # the same

    @property
    def names(self) -> dict[str, str]:
        """Row key in digits -> the customer's name."""
        with Vault.open(self.home.vault) as vault, vault.read() as connection:
            return {
                str(key): name
                for key, name in connection.execute("SELECT customer, customer_id FROM customers")
            }

    def kept_counts(self) -> tuple[bytes, dict[str, int] | None]:
        """Under which table which count of each customer, by name, is on the disk."""
        with Vault.open(self.home.vault) as vault:
            kept = PersonCounts(self.home.person_counts, vault_id=vault.vault_id).latest()
        assert kept is not None
        names = self.names
        shops = None if kept.shops is None else {names[key]: k for key, k in kept.shops.items()}
        return kept.table_request_sha256, shops

    def data(self, charter: Charter) -> ShopData:
        """The customers who agree to learning, whole."""
        with Vault.open(self.home.vault) as vault:
            cohort = ConsentDesk(vault).cohort(Purpose.COOP_LEARNING)
            return load_shop(vault, cohort, charter.plan.schema, TODAY, purpose=Purpose.COOP_LEARNING)

    def plain_sum(self, charter: Charter, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """The first phase's contributions one customer at a time, each times its weight by name."""
        shop, phase, names = self.data(charter), charter.plan.phases[0], self.names
        state, total = initial_state(charter.plan), np.zeros(phase.dimension)
        for row, customer in enumerate(shop.customer_ids):
            alone = sum_over(charter.plan, phase, state, shop.select(np.array([row])))
            total += weights.get(names[customer], 0.0) * alone
        return total

    def rounds_paid(self) -> int:
        """How many rounds are in its ledger."""
        with closing(Ledger.open(self.home.ledger)) as ledger:
            return ledger.spending(BUDGET, today=TODAY).rounds


#: Wide: what is tried here is not the budget.
BUDGET = Budget(epsilon=1e3, delta=1e-5, period_days=365)


def _files(customers: list[str], unmatched: set[str]) -> dict[str, str]:
    """Exports of a shop in which every customer buys what the first letters of the name say."""
    products = ["product_id,title,category,product_type,brand,maker,size,price"]
    products += [
        f"p{n},Product {n},category {n % 4},type {n % 8},own,maker {n % 5},1 kg,2.50" for n in range(26)
    ]
    said, orders = (
        [f"customer_id,email,{_ANSWERS}"],
        ["order_id,ordered_at,customer_id,product_id,quantity,unit_price,discount"],
    )
    for name in customers:
        matched = "no" if name in unmatched else "yes"
        said.append(f"{name},{name}@example.org,yes,{matched},2025-01-02T10:00:00Z")
        for letter in name:
            orders.append(f"o-{name},2025-05-01T09:00:00,{name},p{ord(letter) - ord('a')},1,2.50,0")
    return {
        "products": "\n".join(products) + "\n",
        "customers": "\n".join(said) + "\n",
        "orders": "\n".join(orders) + "\n",
    }


def train(coop: MatchingCoop) -> Programme:
    """Ask for a training as `highstreet coop train` does."""
    with closing(connect(coop.database)) as connection:
        return request_programme(connection, coop.charter, now=int(coop.clock()))
