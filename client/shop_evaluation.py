"""How good the suggestions are, measured by the shop on its own later weeks; the result stays in the shop.

Every product is ranked for every customer who agreed to the shop's own model and bought something listed in
the weeks held back. Five ways of ranking are compared on the same customers: three rules of thumb, the
linear item model, the best the shop can do alone, and the co-op's prior trained further here. Metrics,
intervals and baselines are those of the lab.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from highstreet.audit.consent import Purpose
from highstreet.client.consent import ConsentDesk
from highstreet.client.consented_cohort import ConsentedCohort, sensitive_granted
from highstreet.client.errors import NothingToEvaluateError
from highstreet.client.home import StoreHome
from highstreet.client.importing.holdout import Holdout, read_holdout
from highstreet.client.membership import is_joined
from highstreet.client.personal_model import shop_plan
from highstreet.client.releases import active_release
from highstreet.client.shop_groups import GroupRow, customer_cells, group_rows
from highstreet.client.shop_loader import load_shop, special_products
from highstreet.client.vault import Vault
from highstreet.models.baselines import (
    bought,
    category_affinity_scores,
    ease_scores_dual,
    own_recency_scores,
    popularity,
)
from highstreet.models.comparison import Estimate, clustered_mean, paired_difference
from highstreet.models.customer_groups import DECLARED
from highstreet.models.local import fit_alone, fit_local
from highstreet.models.metrics import ndcg_at_k, recall_at_k
from highstreet.models.serving import Recommender
from highstreet.models.shop import ShopData

__all__ = ["Method", "ShopEvaluation", "evaluate_shop"]

Role = Literal["baseline", "alone", "coop"]
#: Of one customer on one method: NDCG@10 and Recall@20 over all later purchases, then over novel ones.
METRICS = ("all_items", "recall20_all_items", "novel", "recall20_novel")
_EASE_RIDGE = 300.0
_AFFINITY_SMOOTHING = 0.3
#: The dual solution of the linear item model grows with customers cubed.
_MOST_CUSTOMERS_FOR_EASE = 3_000
_CHUNK = 256
_SEED = 20170101


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Method:
    """One way of ranking and what it reached.

    Attributes:
        name: as in the lab.
        label: what a person calls it.
        role: rule of thumb, the shop alone, or with the co-op.
        values: (customers, 4), one column per entry of METRICS; NaN where there was nothing to find.
    """

    name: str
    label: str
    role: Role
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShopEvaluation:
    """What the shop measured.

    Attributes:
        fit_until, first_day, last_day: the last day learnt from, and the first and last of the days
        predicted.
        release: number of the release behind the co-op's method, 0 when there is none.
        shop_customers: customers learnt from.
        methods: on the same customers, row by row.
        cells: by attribute the group of each of these customers (`client.shop_groups`).
    """

    fit_until: date
    first_day: date
    last_day: date
    release: int
    shop_customers: int
    methods: tuple[Method, ...]
    cells: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON; counts and means only, nothing of a single customer."""
        return {
            "fit_until": self.fit_until.isoformat(),
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "release": self.release,
            "shop_customers": self.shop_customers,
            "customers": self.judged(novel=False),
            "customers_novel": self.judged(novel=True),
            "methods": [
                {"name": method.name, "label": method.label, "role": method.role}
                | {name: _plain(self.estimate(method, name)) for name in METRICS}
                for method in self.methods
            ],
            "gains": [
                {"against": other.name, "label": other.label}
                | {name: _plain(self.gain(other, name)) for name in METRICS}
                for other in self.methods
                if self.coop is not None and other is not self.coop
            ],
            "groups": [
                {
                    "attribute": row.attribute,
                    "group": row.cell,
                    "customers": row.customers,
                    "all_items": _plain(row.served),
                    "over_alone": _plain(row.over_alone),
                }
                for row in self.groups("all_items")
            ],
        }

    def groups(self, metric: str) -> list[GroupRow]:
        """Return what each large enough group gets, and what it gains over the shop's own best model."""
        column = METRICS.index(metric)
        alone = next(method for method in self.methods if method.role == "alone").values[:, column]
        if self.coop is None:
            return group_rows(alone, None, self.cells)
        return group_rows(self.coop.values[:, column], alone, self.cells)

    @property
    def coop(self) -> Method | None:
        """The co-op's prior with local training, when there is a release."""
        return next((method for method in self.methods if method.role == "coop"), None)

    def judged(self, *, novel: bool) -> int:
        """Count customers with something to find."""
        column = METRICS.index("novel" if novel else "all_items")
        return int((~np.isnan(self.methods[0].values[:, column])).sum())

    def estimate(self, method: Method, metric: str) -> Estimate:
        """Return a method's mean of a metric over customers, with its 95 % interval."""
        values = method.values[:, METRICS.index(metric)]
        return clustered_mean(values, np.arange(len(values)))

    def gain(self, other: Method, metric: str) -> Estimate | None:
        """Return the paired difference co-op minus another method; None without a release."""
        if self.coop is None:
            return None
        column = METRICS.index(metric)
        ours, theirs = self.coop.values[:, column], other.values[:, column]
        return paired_difference(ours, theirs, np.arange(len(ours)))


def evaluate_shop(
    home: StoreHome, holdout: Path, *, progress: Callable[[str], None] = lambda _: None
) -> ShopEvaluation:
    """Fit on what was ordered before the weeks held back; judge on those weeks.

    Args:
        home: the store's folder; only read, nothing is kept.
        holdout: a file of later order lines that was never imported.
        progress: told what is being done.

    Raises:
        FileNotUnderstoodError: the file is not later orders of this shop.
        NothingToEvaluateError: nobody who agreed bought anything before and in these weeks.
    """
    plan = shop_plan(home)
    release = active_release(home) if is_joined(home) else None
    with Vault.open(home.vault) as vault:
        progress("reading the weeks held back")
        later = read_holdout(vault, holdout, now=datetime.now(UTC))
        cohort, first_day = ConsentDesk(vault).cohort(Purpose.SHOP_MODEL), _day(later.first_day)
        shop = load_shop(
            vault, cohort, plan.schema, first_day, purpose=Purpose.SHOP_MODEL, attributes=DECLARED
        )
        later = _without_special(vault, cohort, later)
    rows, wanted = _targets(shop, later)
    judge = _Judge(shop=shop, rows=rows, wanted=wanted, known=bought(shop)[rows].toarray() > 0)
    methods = [
        Method(name=name, label=label, role="baseline", values=judge.values(scores))
        for name, label, scores in _baselines(shop, rows)
    ]
    fits: list[tuple[str, str, Role]] = [("alone", "this shop alone", "alone")]
    if release is not None:
        fits.append(("coop", "with the co-op", "coop"))
    for name, label, role in fits:
        progress(f"training {label}")
        generator = np.random.default_rng(_SEED)  # public: nothing here leaves, and both get the same draws
        model = (
            fit_local(plan, release.state, shop, generator=generator)
            if role == "coop" and release is not None
            else fit_alone(plan, shop, generator=generator)
        )
        values = judge.values(Recommender(model, shop).scores)
        methods.append(Method(name=name, label=label, role=role, values=values))
    return ShopEvaluation(
        fit_until=_day(later.first_day - 1),
        first_day=_day(later.first_day),
        last_day=_day(later.last_day),
        release=release.manifest.number if release else 0,
        shop_customers=len(shop.customer_ids),
        methods=tuple(methods),
        cells=customer_cells(shop, rows),
    )


Scorer = Callable[[NDArray[np.int64]], NDArray[np.floating]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Judge:
    """The same customers for every method, in chunks so that memory does not grow with the shop."""

    shop: ShopData
    rows: NDArray[np.int64]
    wanted: NDArray[np.bool_]
    known: NDArray[np.bool_]

    def values(self, scorer: Scorer) -> NDArray[np.float64]:
        return np.concatenate(list(self._chunks(scorer)))

    def _chunks(self, scorer: Scorer) -> Iterator[NDArray[np.float64]]:
        for start in range(0, len(self.rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            scores, wanted, known = scorer(self.rows[part]), self.wanted[part], self.known[part]
            yield np.stack(
                [
                    ndcg_at_k(scores, wanted, k=10),
                    recall_at_k(scores, wanted, k=20),
                    ndcg_at_k(scores, wanted, k=10, masked=known),
                    recall_at_k(scores, wanted, k=20, masked=known),
                ],
                axis=1,
            )


def _baselines(shop: ShopData, rows: NDArray[np.int64]) -> Iterator[tuple[str, str, Scorer]]:
    """The rules of thumb a shop could use without any training, and the linear item model."""
    history = bought(shop)
    # As a share of the customers, as in the lab: next to counts a customer's own purchases would not matter.
    best_sellers = popularity(history) / max(len(shop.customer_ids), 1)
    recency = own_recency_scores(shop, best_sellers)
    affinity = category_affinity_scores(shop, best_sellers, smoothing=_AFFINITY_SMOOTHING)
    yield "popularity", "best-sellers", lambda r: np.broadcast_to(best_sellers, (len(r), len(best_sellers)))
    yield "own-recency", "bought lately", lambda r: recency[r]
    yield "affinity", "favourite categories", lambda r: affinity[r]
    if len(shop.customer_ids) <= _MOST_CUSTOMERS_FOR_EASE:
        ease = ease_scores_dual(history, ridge=_EASE_RIDGE)
        yield "ease-store", "bought together", lambda r: ease[r]


def _without_special(vault: Vault, cohort: ConsentedCohort, later: Holdout) -> Holdout:
    """Leave out later purchases of a sensitive kind by customers who did not agree to those."""
    hidden = special_products(vault)
    with vault.read() as connection:
        agreed = sensitive_granted(cohort, vault, connection, Purpose.SHOP_MODEL)
    kept = tuple(pair for pair in later.bought if pair[1] not in hidden or pair[0] in agreed)
    return replace(later, bought=kept)


def _targets(shop: ShopData, later: Holdout) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the judged customers' rows, and (judged, products) what each bought in the weeks held back."""
    customer_row = {key: row for row, key in enumerate(shop.customer_ids)}
    product_row = {key: row for row, key in enumerate(shop.catalogue.product_ids)}
    with_past = np.zeros(len(shop.customer_ids), dtype=bool)
    with_past[shop.purchases.customer] = True
    pairs = [
        (customer_row[str(customer)], product_row[product])
        for customer, product in later.bought
        if str(customer) in customer_row and product in product_row and with_past[customer_row[str(customer)]]
    ]
    if not pairs:
        raise NothingToEvaluateError(
            "Nobody who agreed to this shop's own model bought something before and in these weeks.",
            next_step="Give a longer list of later orders, or ask more customers.",
        )
    rows = np.array(sorted({row for row, _ in pairs}), dtype=np.int64)
    place = {int(row): index for index, row in enumerate(rows)}
    wanted = np.zeros((len(rows), len(shop.catalogue)), dtype=bool)
    for row, product in pairs:
        wanted[place[row], product] = True
    return rows, wanted


def _plain(estimate: Estimate | None) -> dict[str, float | int | None] | None:
    if estimate is None or not estimate.units:
        return None
    # JSON has no NaN: an interval needs at least two customers.
    low, high = (None if np.isnan(bound) else round(bound, 6) for bound in (estimate.low, estimate.high))
    return {"value": round(estimate.mean, 6), "low": low, "high": high, "units": estimate.units}


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)
