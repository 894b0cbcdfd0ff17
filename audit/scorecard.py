"""What a release says about its quality: figures from noisy sums, each with how far it can be trusted.

The evaluation phase releases six noisy sums over customers: how many had anything to find, and the summed
NDCG@10 of the shared model and of released popularity, over all products and over those new to the customer.
A figure is the ratio of two of them, so noise is in both. Nothing here costs privacy: it is computed from
what is released already, and anybody who holds the release can compute it again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from highstreet.audit.charter import Charter
from highstreet.audit.weights import customer_weight
from highstreet.models.state import SharedState

__all__ = ["PARTS", "RANKINGS", "are_same_figures", "is_scorecard", "released_scorecard", "scorecard"]

#: Which purchases were to be found: all, or those of products new to the customer.
PARTS = ("all", "novel")
#: What ranked the products: the shared model as released, or the released popularity alone.
RANKINGS = ("ranker", "popularity")
_Z = 1.959964  # two-sided 95 %
#: How far two machines may round the same figure apart.
_ROUNDING = 1e-9
#: Names of the state's arrays that hold the noisy sums of the evaluation, one number each.
_EVALUATION = "evaluation/"


def released_scorecard(charter: Charter, state: SharedState) -> dict[str, float]:
    """Return the figures of a release by its own arrays; see `scorecard`."""
    sums = {
        name.removeprefix(_EVALUATION): float(state[name].item())
        for name in state
        if name.startswith(_EVALUATION)
    }
    return scorecard(sums, weight=customer_weight(charter.privacy))


def are_same_figures(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether two scorecards say the same but for what machines may round otherwise."""
    return one.keys() == other.keys() and all(
        math.isclose(one[name], other[name], rel_tol=_ROUNDING, abs_tol=_ROUNDING) for name in one
    )


def is_scorecard(card: Mapping[str, float]) -> bool:
    """Whether some sums with the noise that a card names give this card: figures, intervals and names alike.

    For a card whose sums are not at hand: that it is these sums which were released remains unsaid.
    """
    sums = {"stddev": card.get("noise_stddev", 0.0)} if card else {}
    for part in PARTS if card else ():
        customers = sums[f"{part}/customers"] = card.get(f"customers/{part}", 0.0)
        for ranking in RANKINGS:
            sums[f"{part}/{ranking}"] = card.get(f"ndcg_at_10/{part}/{ranking}", 0.0) * customers
    return are_same_figures(card, scorecard(sums))


def scorecard(sums: Mapping[str, float], *, weight: float = 1.0) -> dict[str, float]:
    """Return the figures of a release by name; empty when it was not evaluated.

    Names: `noise_stddev` of each sum; `customers/PART`, the noisy number of customers measured;
    `ndcg_at_10/PART/RANKING` with `.../low` and `.../high`, a 95 % interval that holds both the noise and the
    choice of customers. Where so few customers were measured that their noisy number could be 0, the figures
    are left out: they would be noise.

    Args:
        sums: the released sums by the names of `models.evaluation.METRICS`, and `stddev`, that of the noise
            in each.
        weight: what each customer counted by, a public number: sums and noise are divided by it, so that all
            figures are about whole customers.
    """
    if not sums:
        return {}
    sums = {name: value / weight for name, value in sums.items()}
    noise_stddev = sums["stddev"]
    card = {"noise_stddev": noise_stddev}
    for part in PARTS:
        customers = sums[f"{part}/customers"]
        card[f"customers/{part}"] = customers
        if customers <= max(1.0, _Z * noise_stddev):
            continue
        for ranking in RANKINGS:
            name = f"ndcg_at_10/{part}/{ranking}"
            total = min(max(sums[f"{part}/{ranking}"], 0.0), customers)
            card[name] = total / customers
            card[f"{name}/low"], card[f"{name}/high"] = _interval(total, customers, noise_stddev)
    return card


def _interval(total: float, customers: float, noise_stddev: float) -> tuple[float, float]:
    """Return all means r in [0, 1] that (total - r customers) is not too far from 0 for.

    Its variance is noise_stddev^2 (1 + r^2) from the noise in both sums (Fieller 1954) and at most
    customers r (1 - r) from the customers, as their figures lie in [0, 1] (Bhatia and Davis 2000). Without
    noise this is Wilson's interval.
    """
    spread = (_Z * noise_stddev) ** 2
    square = customers**2 + _Z**2 * customers - spread
    middle = (2 * total + _Z**2) * customers / (2 * square)
    half = math.sqrt(max(0.0, middle**2 - (total**2 - spread) / square))
    return max(0.0, middle - half), min(1.0, middle + half)
