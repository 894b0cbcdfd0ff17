"""Shop totals: sums over all customers, for the shop's own eyes and shelves; nobody's own row is told.

Everything here takes `ShopTotals`, and leaves out who objected or is excluded (a minor, or restricted). It
depends on customers without noise: nothing that leaves the shop may be computed from it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

from highstreet.client.consented_cohort import ShopTotals, left_out_of_totals
from highstreet.client.vault import Vault

__all__ = ["BestSeller", "ShopSizes", "best_sellers", "last_order_day", "shop_sizes"]

_SECONDS_A_DAY = 86_400
#: Of each question: whose orders do not count, as a JSON list.
_BEST_SELLERS = """
    SELECT p.product_id, p.title, count(DISTINCT ifnull(o.customer, -o."order")) AS people
    FROM lines AS l JOIN orders AS o ON o."order" = l."order" JOIN products AS p USING (product)
    WHERE p.listed = 1 AND o.ordered_at >= :since
        AND (o.customer IS NULL OR o.customer NOT IN (SELECT value FROM json_each(:left_out)))
    GROUP BY p.product ORDER BY people DESC, p.product_id
"""
_ORDERS = """
    SELECT count(*), min(o.ordered_at), max(o.ordered_at) FROM orders AS o
    WHERE o.customer IS NULL OR o.customer NOT IN (SELECT value FROM json_each(:left_out))
"""
_CUSTOMERS = "SELECT count(*) FROM customers WHERE customer NOT IN (SELECT value FROM json_each(:left_out))"
_LINES = """
    SELECT count(*) FROM lines AS l JOIN orders AS o ON o."order" = l."order"
    WHERE o.customer IS NULL OR o.customer NOT IN (SELECT value FROM json_each(:left_out))
"""


class BestSeller(NamedTuple):
    """A listed product and how many customers bought it; a guest's order counts as one."""

    product_id: str
    title: str
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopSizes:
    """How much of the vault counts in totals; days since 1970-01-01, None without orders."""

    customers: int
    products: int
    orders: int
    lines: int
    first_day: int | None
    last_day: int | None


def best_sellers(vault: Vault, totals: ShopTotals, *, since_day: int) -> tuple[BestSeller, ...]:
    """Return the listed products that were bought since a day, most customers first, then by the shop's ids.

    Raises:
        ForgedCohortError, CohortExpiredError, InconsistentConsentLogError: nothing is read.
    """
    with vault.read() as connection:
        left_out = json.dumps(left_out_of_totals(totals, vault, connection))
        rows = connection.execute(
            _BEST_SELLERS, {"since": since_day * _SECONDS_A_DAY, "left_out": left_out}
        ).fetchall()
    return tuple(BestSeller(*row) for row in rows)


def last_order_day(vault: Vault, totals: ShopTotals) -> int | None:
    """Return the day of the latest order (days since 1970-01-01), None without orders.

    Raises: as `best_sellers`.
    """
    return shop_sizes(vault, totals).last_day


def shop_sizes(vault: Vault, totals: ShopTotals) -> ShopSizes:
    """Count customers who are in totals, listed products, orders and lines.

    Raises: as `best_sellers`.
    """
    with vault.read() as connection:
        left_out = json.dumps(left_out_of_totals(totals, vault, connection))
        orders, first, last = connection.execute(_ORDERS, {"left_out": left_out}).fetchone()
        (lines,) = connection.execute(_LINES, {"left_out": left_out}).fetchone()
        (customers,) = connection.execute(_CUSTOMERS, {"left_out": left_out}).fetchone()
        (products,) = connection.execute("SELECT count(*) FROM products WHERE listed = 1").fetchone()
    return ShopSizes(
        customers=customers,
        products=products,
        orders=orders,
        lines=lines,
        first_day=None if first is None else first // _SECONDS_A_DAY,
        last_day=None if last is None else last // _SECONDS_A_DAY,
    )
