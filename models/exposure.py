"""Exposure: how much of the places in suggestions goes to which products.

A place counts by how likely it is looked at. Classes of products (small suppliers, private label, price
classes, tenths of the catalogue by popularity) follow from the catalogue and from released statistics only,
so that the exposure of one customer's list depends on nobody else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from highstreet.models.errors import ModelsError
from highstreet.models.features import PublicView
from highstreet.models.schema import FeatureSchema
from highstreet.models.shop import Catalogue

__all__ = [
    "POPULARITY_CLASSES",
    "PRICE_CLASSES",
    "PRIVATE_LABELS",
    "InvalidListsError",
    "concentration",
    "concentration_weights",
    "exposure_shares",
    "gini",
    "is_tail",
    "place_exposure",
    "popularity_tenths",
    "price_classes",
    "private_label",
    "small_suppliers",
    "tail_share",
]

FloatArray = NDArray[np.float64]

#: Tenths of a catalogue by released popularity, the least popular tenth first.
POPULARITY_CLASSES = 10
#: Of the tenths, those that are the short head: a fifth of the products.
_HEAD_TENTHS = 2
PRICE_CLASSES = ("price_low", "price_middle", "price_high")
#: What shops write into the column `brand` for a label of their own; compared as the schema's buckets.
PRIVATE_LABELS = (
    "private",
    "private label",
    "own",
    "own brand",
    "own label",
    "store brand",
    "house brand",
    "eigenmarke",
    "handelsmarke",
    "marque de distributeur",
    "mdd",
)
#: Small suppliers are the least sold makers that together have at most so much of the expected purchases.
_SMALL_SUPPLIERS_SHARE = 0.2


class InvalidListsError(ModelsError):
    """A list names a product that is not there, or classes do not cover the products."""


def place_exposure(k: int) -> FloatArray:
    """Return how much of a list's exposure each of its k places has, (k,), adding to 1.

    Proportional to 1 / log2(1 + place), the discount of DCG: Singh and Joachims 2018, "Fairness of exposure
    in rankings", KDD, section 3.2 (position bias), normalised per list.

    Worked for k = 2: 1 and 1 / log2(3) = .63093, so .61315 and .38685.

    >>> [round(float(x), 5) for x in place_exposure(2)]
    [0.61315, 0.38685]
    """
    if k < 1:
        raise InvalidListsError(f"A list of {k} places has no exposure.")
    raw = 1.0 / np.log2(np.arange(2, k + 2, dtype=np.float64))
    return np.asarray(raw / raw.sum())


def exposure_shares(
    lists: NDArray[np.integer], classes: NDArray[np.integer], *, number_of_classes: int
) -> FloatArray:
    """Return the share of each list's exposure by class of product, (b, number_of_classes).

    Args:
        lists: (b, k) catalogue rows, best first.
        classes: (n,) class of each product, -1 for products of none.
        number_of_classes: how many there are.

    Returns:
        Shares at least 0 that add up to at most 1 per list, to 1 where every product has a class.

    Worked: a list of two, the first of class 1, the second of none: (0, .61315).
    """
    if len(classes) and (classes.min() < -1 or classes.max() >= number_of_classes):
        raise InvalidListsError(f"A product is in no class of {number_of_classes}.")
    shares = np.zeros((len(lists), number_of_classes))
    if lists.shape[1] == 0:
        return shares
    if lists.size and (lists.min() < 0 or lists.max() >= len(classes)):
        raise InvalidListsError("A list names a product that is not in the catalogue.")
    weight = place_exposure(lists.shape[1])
    listed = classes[lists]
    for each in range(number_of_classes):
        shares[:, each] = ((listed == each) * weight).sum(axis=1)
    return shares


def gini(amounts: NDArray[np.floating]) -> float:
    """Return the Gini coefficient of amounts: 0 when all are equal, near 1 when one has everything.

    sum over i of (2 i - n - 1) x_i / (n sum x), x ascending, i from 1. NaN without anything to share.

    Worked: (0, 0, 0, 1): (2 * 4 - 4 - 1) / 4 = .75.

    >>> gini(np.array([0.0, 0.0, 0.0, 1.0]))
    0.75

    Source: Gini 1912; for exposure of items: Fleder and Hosanagar 2009, Management Science 55(5).
    """
    return concentration(np.sort(np.asarray(amounts, dtype=np.float64)))


def concentration(amounts: NDArray[np.floating]) -> float:
    """Return the concentration coefficient of amounts in a given order, in (-1, 1).

    The Gini coefficient's formula without sorting by the amounts themselves: with products in order of
    popularity, least first, it is at most the Gini coefficient, and equal to it when more popular products
    have more. Unlike it, it is a ratio of linear sums, so that noise in the amounts does not push it up.

    Worked: everything to the least popular of four: (2 - 4 - 1) / 4 = -.75.

    Source: Kakwani 1977, Econometrica 45(3), "Applications of Lorenz curves in economic analysis".
    """
    values = np.asarray(amounts, dtype=np.float64)
    total = values.sum()
    if not len(values) or total <= 0:
        return float("nan")
    return float(concentration_weights(len(values)) @ values / total)


def concentration_weights(n: int) -> FloatArray:
    """Return what `concentration` weighs n amounts by, least popular first, ascending."""
    return np.asarray((2.0 * np.arange(1, n + 1) - n - 1) / n)


def tail_share(tenths: NDArray[np.floating]) -> float:
    """Return the share of exposure outside the most popular fifth of the products; NaN without exposure.

    Source: the share of the long tail, Abdollahpouri, Burke and Mobasher 2019, "Managing popularity bias in
    recommender systems with personalized re-ranking", FLAIRS, equation 5, over exposure instead of counts.
    """
    values = np.asarray(tenths, dtype=np.float64)
    total = values.sum()
    tail = [is_tail(number) for number in range(len(values))]
    return float(values[tail].sum() / total) if total > 0 else float("nan")


def is_tail(tenth: int) -> bool:
    """Whether a tenth of the catalogue by popularity is outside the most popular fifth."""
    return tenth < POPULARITY_CLASSES - _HEAD_TENTHS


def popularity_tenths(popularity: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the tenth of each product, (n,): 0 for the least popular, 9 for the most.

    Equal ones by catalogue row, the later row less popular, as `metrics.top_k` ranks them.
    """
    products = len(popularity)
    order = np.argsort(-np.asarray(popularity, dtype=np.float64), kind="stable")[::-1]
    tenths = np.empty(products, dtype=np.int64)
    tenths[order] = np.arange(products) * POPULARITY_CLASSES // max(products, 1)
    return tenths


def price_classes(schema: FeatureSchema, catalogue: Catalogue) -> NDArray[np.int64]:
    """Return each product's class of price, (n,): thirds of the schema's bands; -1 without a price."""
    bands = schema.price_bands - 1
    classes = (catalogue.price_band.astype(np.int64) - 1) * len(PRICE_CLASSES) // bands
    return np.where(catalogue.price_band > 0, classes, -1)


def private_label(schema: FeatureSchema, catalogue: Catalogue) -> NDArray[np.bool_]:
    """Return which products are of a label of the shop's own, (n,), by what the column `brand` says.

    Brands are compared as buckets; another brand in the same bucket counts too, which is rare.
    """
    buckets = [schema.bucket("brand", name) for name in PRIVATE_LABELS]
    return np.asarray(np.isin(catalogue.brand, buckets))


def small_suppliers(view: PublicView) -> NDArray[np.bool_]:
    """Return which products come from small suppliers, (n,); products without a maker do not.

    Small are the makers that sell least by the released statistics, as many as together have at most a fifth
    of what this catalogue's named makers are expected to sell; of equal ones the lower bucket first.
    """
    given = view.given["maker"]
    used = np.zeros(len(view.shares["maker"]), dtype=bool)
    used[view.buckets["maker"][given]] = True
    shares = np.where(used, view.shares["maker"].astype(np.float64), 0.0)
    order = np.argsort(shares, kind="stable")
    order = order[used[order]]
    within = np.cumsum(shares[order]) <= _SMALL_SUPPLIERS_SHARE * shares.sum()
    small = np.zeros(len(shares), dtype=bool)
    small[order[within]] = True
    return np.asarray(small[view.buckets["maker"]] & given)
