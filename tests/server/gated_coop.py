"""A co-op with a rule on bias, held in one process: real vaults, desks, ledgers, secure sums and coordinator.

Four shops, each with as many young customers as old ones, of different tastes. In a skewed training the young
agree to co-op learning only after the model is made: it is trained on one age band, and measured on both.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from played_coop import PlayedCoop
from played_store import PlayedStore

from highstreet.audit.bias_override import key_of
from highstreet.audit.bias_rules import BiasLimits, BiasRule, Comparison, Direction, Metric, Overrider
from highstreet.audit.charter import Charter, PrivacyTerms
from highstreet.audit.consent import Act, Method, Purpose
from highstreet.audit.limits import StoreLimits
from highstreet.audit.requests import open_request
from highstreet.client.consent import ConsentDesk, How
from highstreet.client.home import StoreHome
from highstreet.client.importing.importer import Importer
from highstreet.client.ledger import Ledger
from highstreet.client.round_members import CountedRoster
from highstreet.client.round_terms import Agreement
from highstreet.client.rounds import RoundDesk
from highstreet.client.till import StoreTill
from highstreet.client.vault import Vault
from highstreet.models.programme import default_plan
from highstreet.models.schema import FeatureSchema
from highstreet.privacy.budget import Budget, SpendingLimits
from highstreet.protos.rounds_pb2 import RoundMessage

#: The day of everything here; `PlayedCoop` asks for purchases before it.
TODAY = date(1970, 1, 1) + timedelta(days=17_489)
HOLDOUT_DAYS = 14
OF_A_TASTE = 12
OF_AN_AGE = 40
#: Wide: what is tried here is not the budget.
BUDGET = Budget(epsilon=19.5, delta=1e-5, period_days=365)
PEOPLE = {name: Ed25519PrivateKey.generate() for name in ("Ann", "Ben")}
RULE = BiasRule(
    name="ages_alike",
    metric=Metric.NDCG_NOVEL,
    groups="age_band",
    comparison=Comparison.OTHERS,
    direction=Direction.AT_LEAST,
    limit=-0.5,
)
_SCHEMA = FeatureSchema(
    key_buckets=4096,
    category_buckets=8,
    product_type_buckets=512,
    brand_buckets=8,
    maker_buckets=8,
    size_buckets=8,
)
_SHARES = {"popularity": 0.4, "cooccurrence": 0.03, "curvature": 0.02, "evaluation": 0.05, "bias": 0.5}


def gated_charter(charter: Charter) -> Charter:
    """The charter with a small programme that ends with a bias phase, a rule, and two people to override."""
    plan = default_plan(
        _SCHEMA,
        noise_multiplier=0.32,
        clients_per_store=2 * OF_AN_AGE,
        gradient_rounds=0,
        params={"holdout_days": HOLDOUT_DAYS, "token_keys": 6},
        shares=_SHARES,
        measured=["age_band"],
    )
    people = tuple(Overrider(name=name, public_key=key_of(key)) for name, key in PEOPLE.items())
    limits = BiasLimits(rules=(RULE,), people=people)
    privacy = PrivacyTerms(epsilon=19.5, delta=1e-5)
    return replace(charter, plan=plan, privacy=privacy, bias_limits=limits)


class GatedShop(PlayedStore):
    """A store with everything on its disk.

    Args:
        number: its node.
        folder: its own.
        young_agree_late: whether the young say yes only before the bias phase.
    """

    def __init__(self, number: int, folder: Path, *, young_agree_late: bool) -> None:
        super().__init__(number)
        self.home = StoreHome(folder / "store")
        exports = folder / "exports"
        exports.mkdir(parents=True)
        for name, text in _files(number, young_agree_late=young_agree_late).items():
            (exports / f"{name}.csv").write_text(text)
        with Vault.open(self.home.vault) as vault:
            noon = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC)
            list(Importer(vault, now=noon).run([exports]))
        self._waits = young_agree_late

    def answer(self, body: bytes, coop: PlayedCoop) -> tuple[float, bytes | None] | None:
        message = RoundMessage.FromString(body)
        signed = getattr(message, message.WhichOneof("step") or "").request
        if self._waits and open_request(signed, coordinator_public_key=coop.public_key).phase == "bias":
            self._ask_the_young()
        with closing(Ledger.open(self.home.ledger)) as ledger:
            return 0.0, self._desk(coop, ledger).answer(body).body

    def _ask_the_young(self) -> None:
        self._waits = False
        with Vault.open(self.home.vault) as vault:
            desk = ConsentDesk(vault)
            for customer in range(OF_AN_AGE):
                desk.record(
                    f"young-{customer}",
                    Purpose.COOP_LEARNING,
                    Act.GIVEN,
                    How(method=Method.SPOKEN, source="till"),
                )

    def _desk(self, coop: PlayedCoop, ledger: Ledger) -> RoundDesk:
        counted = frozenset(store.member_id for store in coop.stores.values())
        charter = coop.charter
        agreement = Agreement(
            member_id=self.member_id,
            coordinator_public_key=coop.public_key,
            charter=charter,
            limits=_LIMITS,
            find_roster=lambda *_: CountedRoster(roster=coop.roster, counted=counted),
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
        return RoundDesk(agreement, keys=self.keys, till=till, clock=coop.clock)


_LIMITS = StoreLimits(
    max_epsilon=20.0,
    delta=1e-5,
    period_days=365,
    min_cohort_floor=3,
    max_phases=24,
    max_dimension=1 << 20,
    max_state_bytes=8 << 20,
    purposes=("coop_learning",),
)


def gated_coop(folder: Path, home_root: Path, charter: Charter, *, skewed: bool) -> PlayedCoop:
    """A co-op of four shops whose database is that of the coordinator's folder."""
    shops: Iterable[PlayedStore] = [
        GatedShop(number, folder / f"shop{number}", young_agree_late=skewed) for number in range(1, 5)
    ]
    coop = PlayedCoop(home_root, charter, shops)
    coop.clock.now = 17_490 * 86_400.0
    return coop


def _files(seed: int, *, young_agree_late: bool) -> dict[str, str]:
    """Each customer has bought five products of their taste, and buys three others in the last days."""
    generator = np.random.default_rng(seed)
    tastes = {"young": "y", "old": "o"}
    products = ["product_id,title,category,product_type,brand,maker,size,price"]
    for letter in tastes.values():
        products += [
            f"{letter}{n},Thing {letter}{n},things,{letter}{n},b,m,1 kg,2.50" for n in range(OF_A_TASTE)
        ]
    customers = ["customer_id,consent_coop_learning,consent_recorded_at,age_band"]
    orders = ["order_id,ordered_at,customer_id,product_id,quantity"]
    for age, letter in tastes.items():
        years = 22 if age == "young" else 70
        for number in range(OF_AN_AGE):
            name = f"{age}-{number}"
            said = "" if age == "young" and young_agree_late else "yes"
            customers.append(f"{name},{said},2017-01-02T10:00:00Z,{years}")
            chosen = generator.permutation(OF_A_TASTE)[:8]
            for place, product in enumerate(chosen):
                ago = 60 + place if place < 5 else 3
                day = TODAY - timedelta(days=int(ago))
                orders.append(f"{name}-{place},{day}T09:00:00,{name},{letter}{product},1")
    return {
        "products": "\n".join(products) + "\n",
        "customers": "\n".join(customers) + "\n",
        "orders": "\n".join(orders) + "\n",
    }
