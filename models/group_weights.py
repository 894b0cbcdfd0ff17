"""A group-weighted objective: in gradient rounds, some groups of customers count for less than others.

Under-served groups keep the weight 1, and those served best get less, so that the sum is moved less by them.
A weight depends on the public plan and the customer's own attribute, and is at most 1: it comes after the
clipping, as weights by shops do, and bounds what one customer can change by the clipping norm as before.

Source: reweighting for the worst group, as in Li et al. 2020, "Fair resource allocation in federated
learning", ICLR, with public weights instead of losses, which would be a release of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from highstreet.models.customer_groups import ATTRIBUTES
from highstreet.models.errors import InvalidPlanError
from highstreet.models.shop import ShopData

__all__ = ["group_weights", "refuse_odd_weights", "weighted_attributes"]


def refuse_odd_weights(params: Mapping[str, float]) -> None:
    """Return only when every entry is ATTRIBUTE.CELL with a weight in (0, 1].

    Raises:
        InvalidPlanError: naming the entry.
    """
    for name, weight in params.items():
        attribute, _, cell = name.partition(".")
        known = attribute in ATTRIBUTES and ATTRIBUTES[attribute].is_declared
        if not known or cell not in ATTRIBUTES[attribute].all_cells or not 0 < weight <= 1:
            raise InvalidPlanError(
                f"A ranker phase cannot weigh {name} by {weight:g}.",
                next_step="Write ATTRIBUTE.CELL, such as age_band.25_34, with a weight over 0 and at most 1.",
            )


def weighted_attributes(params: Mapping[str, float]) -> tuple[str, ...]:
    """Return the attributes that a gradient phase needs to know of customers, in the order of ATTRIBUTES."""
    named = {name.partition(".")[0] for name in params}
    return tuple(name for name in ATTRIBUTES if name in named)


def group_weights(params: Mapping[str, float], shop: ShopData) -> NDArray[np.float64]:
    """Return each customer's weight, (customers,), in (0, 1]: the product over attributes; 1 where none says.

    Customers of whom an attribute is not known are in its cell `unknown`.
    """
    weights = np.ones(len(shop.customer_ids))
    for name in weighted_attributes(params):
        of = np.array([params.get(f"{name}.{cell}", 1.0) for cell in ATTRIBUTES[name].all_cells])
        column = shop.groups.get(name)
        weights *= of[np.zeros(len(weights), dtype=np.int64) if column is None else column]
    return weights
