"""Phase `bias`: how well groups of customers are served, and which products a release shows, as bounded sums.

A customer's row has a block per part that the charter has measured:

- a part per attribute of customers (`models.customer_groups`): in the customer's one cell the six numbers of
  the evaluation (`models.evaluation.METRICS`), zeros in all other cells; norm at most sqrt 6;
- the part `exposure`: 1 for a customer with purchases before the days held out, and for three sources (the
  list of the release, the list of released popularity, the customer's own earlier purchases) the shares of
  small suppliers, of private label, of each price class and of each tenth of the catalogue by popularity,
  and for the two lists their miscalibration. Shares over disjoint classes add up to at most 1, so that the
  block has norm at most sqrt 15, whatever the number of classes.

Everything is a function of this customer's own purchases and attributes, the catalogue and released state.
Ratios of the noisy sums are the figures (`audit.bias_figures`); they cost nothing more.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.calibration_of_lists import category_shares, list_shares, miscalibration
from highstreet.models.customer_groups import ATTRIBUTES
from highstreet.models.errors import InvalidPlanError
from highstreet.models.evaluation import LIST_LENGTH, METRICS, JudgedCustomers, judged_customers
from highstreet.models.exposure import (
    POPULARITY_CLASSES,
    PRICE_CLASSES,
    exposure_shares,
    popularity_tenths,
    price_classes,
    private_label,
    small_suppliers,
)
from highstreet.models.history import Histories
from highstreet.models.metrics import top_k
from highstreet.models.schema import FeatureSchema
from highstreet.models.settings import Settings
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState

__all__ = [
    "EXPOSURE",
    "PARTS",
    "SOURCES",
    "apply_bias",
    "bias_coordinates",
    "bias_norm",
    "bias_rows",
    "cells_of_purchases",
    "declared_parts",
    "parts_as_params",
    "parts_of_params",
]

#: The part about products.
EXPOSURE = "exposure"
#: What can be measured, in the order of a row's blocks.
PARTS: tuple[str, ...] = (*ATTRIBUTES, EXPOSURE)
#: Whose exposure: the release's lists, released popularity's lists, the customers' own earlier purchases.
SOURCES = ("ranker", "popularity", "purchases")
_TENTHS = tuple(f"tenth_{number}" for number in range(POPULARITY_CLASSES))
_CLASSES = ("small_suppliers", "private_label", *PRICE_CLASSES, *_TENTHS)
#: Kinds of classes that a source's shares add up over: supplier, label, price, tenth.
_KINDS_OF_CLASSES = 4
_MISCALIBRATED = ("ranker", "popularity")
_LITTLE_HISTORY_TRIPS = 10
_NEW_CUSTOMER_DAYS = 182


def parts_as_params(parts: Collection[str]) -> dict[str, float]:
    """Return parts as the phase's public numbers: each name with a 1."""
    return dict.fromkeys(_checked(parts), 1.0)


def parts_of_params(params: Mapping[str, float]) -> tuple[str, ...]:
    """Read the parts from the phase's public numbers, in the order of a row.

    Raises:
        InvalidPlanError: none, an unknown one, or a number other than 1.
    """
    if not params or any(value != 1.0 for value in params.values()):
        raise InvalidPlanError("A bias phase names what it measures, each part with the number 1.")
    return _checked(params)


def declared_parts(params: Mapping[str, float]) -> tuple[str, ...]:
    """Return the parts among a phase's params that need to be known of customers beside purchases."""
    return tuple(name for name in params if name in ATTRIBUTES and ATTRIBUTES[name].is_declared)


def bias_coordinates(parts: Collection[str]) -> tuple[str, ...]:
    """Return the name of each coordinate of a row: PART/CELL/METRIC, or exposure/SOURCE/CLASS."""
    names: list[str] = []
    for part in _checked(parts):
        if part == EXPOSURE:
            names.append("exposure/customers")
            names += [f"exposure/{source}/{each}" for source in SOURCES for each in _CLASSES]
            names += [f"exposure/{source}/miscalibration" for source in _MISCALIBRATED]
        else:
            cells = ATTRIBUTES[part].all_cells
            names += [f"{part}/{cell}/{metric}" for cell in cells for metric in METRICS]
    return tuple(names)


def bias_norm(parts: Collection[str]) -> float:
    """Return the most that a row's norm can be; the phase's clipping norm, so that no row is ever clipped."""
    squares = {EXPOSURE: 1 + _KINDS_OF_CLASSES * len(SOURCES) + len(_MISCALIBRATED)}
    return math.sqrt(sum(squares.get(part, len(METRICS)) for part in _checked(parts)))


def bias_rows(
    schema: FeatureSchema,
    settings: Settings,
    state: SharedState,
    shop: ShopData,
    *,
    parts: Collection[str],
) -> Iterator[NDArray[np.float64]]:
    """Yield chunks (b, len(bias_coordinates(parts))), one row per customer, norm at most bias_norm(parts)."""
    wanted = _checked(parts)
    classes: _ProductClasses | None = None
    for judged in judged_customers(schema, settings, state, shop):
        classes = classes or _ProductClasses.of(schema, shop, judged)
        blocks = [
            _exposure_block(judged, classes)
            if part == EXPOSURE
            else _quality_block(part, judged, _cells(part, judged, shop))
            for part in wanted
        ]
        yield np.concatenate(blocks, axis=1)


def cells_of_purchases(part: str, past: Histories) -> NDArray[np.int64]:
    """Return each customer's cell of `history` or `tenure`, (b,), which follow from their own purchases.

    Raises:
        InvalidPlanError: another part.
    """
    if part == "history":
        return np.where(past.trips < _LITTLE_HISTORY_TRIPS, 1, 2)
    if part == "tenure":
        return np.where(past.first.max(axis=1, initial=0.0) < _NEW_CUSTOMER_DAYS, 1, 2)
    raise InvalidPlanError(f"What customers bought says nothing of their {part}.")


def apply_bias(state: SharedState, noisy_sum: NDArray[np.float64], *, noise_stddev: float) -> SharedState:
    """Release the noisy sums in the order of `bias_coordinates`, and the noise stddev beside them."""
    return state.updated({"bias/sums": noisy_sum, "bias/stddev": np.array([noise_stddev])})


def _checked(parts: Collection[str]) -> tuple[str, ...]:
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise InvalidPlanError(
            f"A bias phase cannot measure {', '.join(unknown)}.",
            next_step=f"It can measure: {', '.join(PARTS)}.",
        )
    return tuple(part for part in PARTS if part in parts)


def _cells(part: str, judged: JudgedCustomers, shop: ShopData) -> NDArray[np.int64]:
    """Return each customer's cell, 0 where it is not known."""
    if not ATTRIBUTES[part].is_declared:
        return cells_of_purchases(part, judged.past)
    column = shop.groups.get(part)
    return np.zeros(len(judged.rows), dtype=np.int64) if column is None else column[judged.rows]


def _quality_block(part: str, judged: JudgedCustomers, cells: NDArray[np.int64]) -> NDArray[np.float64]:
    customers, width = judged.quality.shape
    block = np.zeros((customers, len(ATTRIBUTES[part].all_cells), width))
    block[np.arange(customers), cells] = judged.quality
    return block.reshape(customers, -1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ProductClasses:
    """Which class each product is in, of every kind, and its category; by name and number of classes."""

    kinds: tuple[tuple[NDArray[np.int64], int], ...]
    categories: NDArray[np.int64]

    @classmethod
    def of(cls, schema: FeatureSchema, shop: ShopData, judged: JudgedCustomers) -> _ProductClasses:
        view, catalogue = judged.view, shop.catalogue
        return cls(
            kinds=(
                (np.where(small_suppliers(view), 0, -1), 1),
                (np.where(private_label(schema, catalogue), 0, -1), 1),
                (price_classes(schema, catalogue), len(PRICE_CLASSES)),
                (popularity_tenths(view.log_popularity), POPULARITY_CLASSES),
            ),
            categories=np.where(view.given["category"], view.buckets["category"], -1),
        )


def _exposure_block(judged: JudgedCustomers, classes: _ProductClasses) -> NDArray[np.float64]:
    amounts = judged.past.count.astype(np.float64)
    lists = [top_k(scores, LIST_LENGTH) for scores in (judged.scores, judged.popularity)]
    shares = [
        np.concatenate([exposure_shares(ranked, of, number_of_classes=n) for of, n in classes.kinds], axis=1)
        for ranked in lists
    ]
    shares.append(np.concatenate([_bought_shares(amounts, of, n) for of, n in classes.kinds], axis=1))
    categories = 1 + int(classes.categories.max(initial=-1))
    own = category_shares(amounts, classes.categories, n=categories)
    missed = [
        miscalibration(own, list_shares(ranked, classes.categories, n=categories))[:, None]
        for ranked in lists
    ]
    bought = (judged.past.trips > 0)[:, None]
    block = np.concatenate([np.ones_like(bought, dtype=np.float64), *shares, *missed], axis=1)
    return np.where(bought, np.clip(block, 0.0, 1.0), 0.0)


def _bought_shares(amounts: NDArray[np.float64], of: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    totals = amounts.sum(axis=1, keepdims=True)
    by_class = np.stack([amounts[:, of == each].sum(axis=1) for each in range(n)], axis=1)
    return np.asarray(by_class / np.where(totals > 0, totals, 1.0))
