"""How a store stands: its data in counts, its co-op, its release, its budget, whether it runs."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from highstreet.audit.bias_words import bias_in_words
from highstreet.audit.charter import Charter
from highstreet.audit.limits import spending_limits
from highstreet.client.config import read_config
from highstreet.client.consent import ConsentDesk
from highstreet.client.errors import PersonCountsError, ReleaseRefusedError
from highstreet.client.home import StoreHome
from highstreet.client.ledger import Ledger
from highstreet.client.log_status import log_in_words
from highstreet.client.membership import is_joined, load_charter, load_membership, programme_days_file
from highstreet.client.personal_file import fitted_release
from highstreet.client.programme_days import remembered_programmes
from highstreet.client.releases import active_manifest
from highstreet.client.served_share import served_in_words
from highstreet.client.service import ask_status
from highstreet.client.shop_totals import ShopSizes, shop_sizes
from highstreet.client.vault import Vault
from highstreet.privacy.claims import two_claims
from highstreet.privacy.releases import GaussianRelease, NoisePlacement, Weighting

if TYPE_CHECKING:
    from highstreet.client.matching_status import MatchingStatus

__all__ = ["BudgetStatus", "ConsentStatus", "StoreStatus", "budget_status", "store_status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentStatus:
    """Where the customers stand on one purpose."""

    purpose: str
    plain_words: str
    granted: int
    withdrawn: int
    lapsed: int
    not_asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """What was spent of the budget in the period that ends today.

    Attributes:
        rounds, replies: paid for, and of those answered.
        customers: exposed at least once.
        epsilon: loss of a customer of this shop who took part in every round, at delta; nobody lost more,
            who was erased and came back included.
        counted_epsilon: loss of one who took part in every round of the period, at delta: what the limit is
            held against, so that a refusal tells nothing of customers.
        person_epsilon, shops_per_person: the same for a customer of up to so many shops that did the same.
        person: who that is, in words; contributions count as divided only when all of the period were.
        limit_epsilon, delta, period_days: the shop's own limit for a customer of it.
        promised_epsilon, promised_delta, promised_period_days: what the co-op's charter promises a customer
            of one shop, which this shop holds to as well; None when it is in no co-op.
        promised_counted_epsilon: what is held against that: counted_epsilon, over that period at that delta.
        claims: both claims in words.
        colluders: members of the co-op who may work with the coordinator without breaking the claims: the
            noise is added once, in shares, inside the sum of the stores; None when the shop is in no co-op.
        out_until: the day until which a restored shop stays out of rounds; empty when it does not.
    """

    rounds: int
    replies: int
    customers: int
    epsilon: float
    counted_epsilon: float
    person_epsilon: float
    shops_per_person: int
    person: str
    limit_epsilon: float
    delta: float
    period_days: int
    promised_epsilon: float | None
    promised_delta: float | None
    promised_period_days: int | None
    promised_counted_epsilon: float | None
    claims: tuple[str, ...]
    colluders: int | None
    out_until: str

    @property
    def spent_part(self) -> float:
        """The part that is spent, 0 to 1, of the shop's limit or of the charter's promise: the larger."""
        part = self.counted_epsilon / self.limit_epsilon
        if self.promised_epsilon is not None and self.promised_counted_epsilon is not None:
            part = max(part, self.promised_counted_epsilon / self.promised_epsilon)
        return min(1.0, part)

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """Everything `highstreet store status` shows.

    Attributes:
        home: the shop's folder.
        has_data: whether anything was imported.
        customers, products, orders, lines: of who counts in totals (`shop_totals`); products as listed.
        first_order, last_order: days in ISO form, empty without orders.
        consents: for every purpose.
        coop_name, coop_id, member_id: empty when the shop is in no co-op.
        active_release: the release in use, once the shop's own model starts from it; 0 for none.
        release_trouble: why a running shop does not have the newest release, and what helps; empty otherwise.
        retention_trouble: why a running shop still has what it keeps no longer; empty otherwise.
        served: which part of what is suggested comes from the release, and how it does beside the shop's own
            model; empty until one was fitted.
        bias: what the newest release kept here says about the rules on bias, overrides included.
        counts: who weighs something in trainings that take counts, in words; empty where they take none.
        log: how far the logs were witnessed, in words; empty when the shop is in no co-op.
        running: whether the service answers; it then says how many rounds it answered and refused.
        budget: None when the shop is in no co-op.
        matching: None when the shop is in no co-op that matches, or its counts are damaged (see `counts`).
    """

    home: str
    has_data: bool
    customers: int
    products: int
    orders: int
    lines: int
    first_order: str
    last_order: str
    consents: tuple[ConsentStatus, ...]
    coop_name: str
    coop_id: str
    member_id: str
    active_release: int
    release_trouble: str
    retention_trouble: str
    served: tuple[str, ...]
    bias: tuple[str, ...]
    counts: str
    log: str
    running: bool
    rounds_answered: int
    rounds_refused: int
    budget: BudgetStatus | None
    matching: MatchingStatus | None

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


_EMPTY = ShopSizes(customers=0, products=0, orders=0, lines=0, first_day=None, last_day=None)


def store_status(home: StoreHome) -> StoreStatus:
    """Look at everything; change nothing. A store without data or without a co-op is a normal state."""
    has_data = home.vault.is_file()
    counts, consents = _data(home) if has_data else (_EMPTY, ())
    membership = load_membership(home) if is_joined(home) else None
    service = ask_status(home.socket)
    matched, matching = _matched(home) if membership and has_data else ("", None)
    return StoreStatus(
        home=str(home.root),
        has_data=has_data,
        customers=counts.customers,
        products=counts.products,
        orders=counts.orders,
        lines=counts.lines,
        first_order=_day(counts.first_day),
        last_order=_day(counts.last_day),
        consents=consents,
        coop_name=membership.coop_name if membership else "",
        coop_id=membership.coop_id if membership else "",
        member_id=membership.member_id if membership else "",
        active_release=fitted_release(home),
        release_trouble=service.release_trouble if service else "",
        retention_trouble=service.retention_trouble if service else "",
        served=served_in_words(home) if membership else (),
        bias=_bias(home) if membership else (),
        counts=matched,
        log=log_in_words(home) if membership else "",
        running=service is not None,
        rounds_answered=service.rounds_answered if service else 0,
        rounds_refused=service.rounds_refused if service else 0,
        budget=budget_status(home) if membership else None,
        matching=matching,
    )


def _bias(home: StoreHome) -> tuple[str, ...]:
    try:
        manifest = active_manifest(home)
    except ReleaseRefusedError as error:
        return (error.what,)
    return () if manifest is None else bias_in_words(manifest.bias)


def _matched(home: StoreHome) -> tuple[str, MatchingStatus | None]:
    """Return what matchings told, in words as far as trainings take it, and in totals."""
    try:
        return _counts_in_words(home), _matching(home)
    except PersonCountsError as error:
        return (
            f"Counts: {error.what} Trainings that take counts are refused until then. {error.next_step}",
            None,
        )


def _counts_in_words(home: StoreHome) -> str:
    """Say what the latest matching told, where the charter divides contributions by it; counts only."""
    terms = load_charter(home).privacy
    if terms.weighting is not Weighting.ONE_OVER_SHOPS:
        return ""
    alone = "it adds noise and nothing else to trainings until the next matching"
    if not home.person_counts.exists():
        return f"Counts: this shop has none from a matching; {alone}."
    # Imported here: it brings a library that is unpacked on the disk.
    from highstreet.client.matching_inputs import MATCHING_PURPOSES, present_inputs
    from highstreet.client.person_counts import PersonCounts

    with Vault.open(home.vault) as vault:
        kept = PersonCounts(home.person_counts, vault_id=vault.vault_id).latest()
        present = present_inputs(vault, ConsentDesk(vault).cohort(*MATCHING_PURPOSES))
    if kept is None or kept.shops is None:
        return f"Counts: those of the latest matching are not for this shop's use; {alone}."
    weighing = sum(shops <= terms.shops_per_person for shops in kept.held_by(present).values())
    return (
        f"Counts: {weighing:,} customers have one from the latest matching, of up to "
        f"{terms.shops_per_person} shops; the others add nothing to trainings."
    )


def budget_status(home: StoreHome) -> BudgetStatus:
    """Add up what the ledger holds, for a customer of this shop and for a person of several shops.

    Raises:
        LedgerError: the ledger cannot be trusted.
        StoreConfigError: the shop's limits cannot be read.
    """
    limits = read_config(home).limits.to_limits()
    charter = load_charter(home) if is_joined(home) else None
    spending = spending_limits(limits, charter)
    promised = spending.promised
    rounds = replies = customers = 0
    counted_epsilon = promised_counted = 0.0
    out_until = ""
    releases: tuple[GaussianRelease, ...] = ()
    programmes: frozenset[str] = frozenset()
    if home.ledger.is_file():
        with closing(Ledger.open(home.ledger)) as ledger:
            today = datetime.now(UTC).date()
            spent = ledger.spending(spending.budget, today=today)
            if promised is not None:
                promised_counted = ledger.spending(promised, today=today).counted_epsilon
            ends = ledger.out_until(spending.longest)
        out_until = ends.isoformat() if ends is not None and today < ends else ""
        rounds, replies, customers, releases = spent.rounds, spent.replies, spent.customers, spent.releases
        counted_epsilon, programmes = spent.counted_epsilon, spent.programmes
    claims = two_claims(
        releases,
        delta=limits.delta,
        stores_per_person=charter.privacy.shops_per_person if charter else 1,
        placement=charter.privacy.noise if charter else NoisePlacement.ONCE_IN_SUM,
        weighting=_weighting(home, charter, programmes),
    )
    return BudgetStatus(
        rounds=rounds,
        replies=replies,
        customers=customers,
        epsilon=claims.customer.epsilon,
        counted_epsilon=counted_epsilon,
        person_epsilon=claims.person.epsilon,
        shops_per_person=claims.person.k,
        person=claims.person.for_whom,
        limit_epsilon=limits.max_epsilon,
        delta=limits.delta,
        period_days=limits.period_days,
        promised_epsilon=promised.epsilon if promised else None,
        promised_delta=promised.delta if promised else None,
        promised_period_days=promised.period_days if promised else None,
        promised_counted_epsilon=promised_counted if promised else None,
        claims=claims.lines(),
        colluders=charter.rounds.colluders if charter else None,
        out_until=out_until,
    )


def _weighting(home: StoreHome, charter: Charter | None, programmes: frozenset[str]) -> Weighting:
    """Return what all contributions of the period counted by: whole, unless all were under this charter."""
    if charter is None or not programmes <= remembered_programmes(programme_days_file(home)):
        return Weighting.WHOLE
    return charter.privacy.weighting


def _data(home: StoreHome) -> tuple[ShopSizes, tuple[ConsentStatus, ...]]:
    with Vault.open(home.vault) as vault:
        desk = ConsentDesk(vault)
        sizes = shop_sizes(vault, desk.totals())
        consents = tuple(
            ConsentStatus(
                purpose=purpose.value,
                plain_words=purpose.plain_words,
                granted=count.granted,
                withdrawn=count.withdrawn,
                lapsed=count.lapsed,
                not_asked=count.not_asked,
            )
            for purpose, count in desk.counts().items()
        )
    return sizes, consents


def _matching(home: StoreHome) -> MatchingStatus | None:
    charter = load_charter(home)
    if charter.matching is None:
        return None
    # Imported here: it brings a library that is unpacked on the disk.
    from highstreet.client.matching_status import matching_status

    with Vault.open(home.vault) as vault:
        return matching_status(home, charter.matching, vault)


def _day(day: int | None) -> str:
    return "" if day is None else (date(1970, 1, 1) + timedelta(days=day)).isoformat()
