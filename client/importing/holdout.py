"""Held-back order lines: read like any import, matched to the vault's customers and products, never saved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from highstreet.client.errors import FileNotUnderstoodError
from highstreet.client.importing.importer import Importer
from highstreet.client.importing.profile import Subject
from highstreet.client.importing.staging import Staging
from highstreet.client.vault import Vault

__all__ = ["Holdout", "read_holdout"]

_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """What known customers who are not excluded bought in the weeks held back.

    Attributes:
        first_day, last_day: days since 1970-01-01.
        bought: pairs of customer row key and the shop's product id, each once.
    """

    first_day: int
    last_day: int
    bought: tuple[tuple[int, str], ...]


def read_holdout(vault: Vault, path: Path, *, now: datetime) -> Holdout:
    """Read a file of order lines without saving any.

    Raises:
        FileNotUnderstoodError: not order lines, nothing in it about known customers, or orders the shop has
            imported: what was learnt from cannot be predicted.
        TooManyProblemsError: too much of it cannot be read.
    """
    return Importer(vault, now=now).look_into(
        path, lambda file, staging: _match(file.profile.subject, path, staging)
    )


def _match(subject: Subject, path: Path, staging: Staging) -> Holdout:
    if subject is not Subject.ORDERS:
        raise FileNotUnderstoodError(
            f"{path.name} is not a list of orders.",
            next_step="Give the orders of weeks that were not imported.",
        )
    (imported,) = staging.one(
        "SELECT count(*) FROM (SELECT DISTINCT order_id, customer_id FROM staging.order_lines) AS s"
        " JOIN main.customers AS c ON c.customer_id = s.customer_id"
        " JOIN main.orders AS o ON o.order_id = s.order_id AND o.customer = c.customer"
    )
    if imported:
        raise FileNotUnderstoodError(
            f"{imported:,} of the orders in {path.name} were imported: what is known cannot be predicted.",
            next_step="Hold back the orders of later weeks, import only the earlier ones, evaluate again.",
        )
    known = (
        " FROM staging.order_lines AS s JOIN main.customers AS c ON c.customer_id = s.customer_id"
        " AND c.customer NOT IN (SELECT customer FROM main.exclusions)"
        " JOIN main.products AS p ON p.product_id = s.product_id AND p.listed = 1"
    )
    first, last = staging.one("SELECT ifnull(min(ordered_at), 0), ifnull(max(ordered_at), 0)" + known)
    bought = tuple(
        (customer, product)
        for customer, product in staging.pairs(
            "SELECT DISTINCT c.customer, p.product_id" + known + " ORDER BY 1, 2"
        )
    )
    if not bought:
        raise FileNotUnderstoodError(
            f"{path.name} has no order of a known customer for a listed product.",
            next_step="Give later orders of the same shop.",
        )
    return Holdout(first_day=first // _SECONDS_A_DAY, last_day=last // _SECONDS_A_DAY, bought=bought)
