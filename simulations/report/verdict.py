"""What the figures of a run say, in plain sentences, whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from highstreet.simulations.report.quality_charts import Subset, estimate_of
from highstreet.simulations.report.record import Estimate, Gain, RunRecord

__all__ = ["Direction", "direction", "verdict"]

Direction = Literal["better", "worse", "unclear"]

_WORDS: dict[Subset, str] = {
    "novel": "products the customer had not bought before",
    "all_items": "all later purchases",
}


def direction(estimate: Estimate) -> Direction:
    """Say whether an interval lies above zero, below it, or holds it; without an interval nothing is clear.

    >>> direction(Estimate(value=0.02, low=0.01, high=0.03))
    'better'
    >>> direction(Estimate(value=0.02, low=-0.01, high=0.05))
    'unclear'
    """
    if estimate.low is None or estimate.high is None:
        return "unclear"
    if estimate.low > 0:
        return "better"
    return "worse" if estimate.high < 0 else "unclear"


def verdict(record: RunRecord) -> list[str]:
    """Return the sentences the report opens with: what joining brought, to whom, and what it did not."""
    sentences = []
    for subset in ("novel", "all_items"):
        sentences += _against_alone(record, subset)
    sentences += _against_others(record) + _best_for_new(record)
    return sentences or ["No store had later purchases to measure, so this run says nothing about quality."]


def _against_alone(record: RunRecord, subset: Subset) -> list[str]:
    gains = [
        (store.name, figure)
        for store in record.stores
        if store.evaluation
        for gain in store.evaluation.gains
        if gain.against == "alone" and (figure := estimate_of(gain, subset)) is not None
    ]
    pooled = _pooled(record, "alone", subset)
    found: list[str] = []
    if pooled is not None:
        found.append(
            f"For {_WORDS[subset]}, over all shops together, the co-op's prior with the shop's own training "
            f"{_comparison(pooled)} the shop's own best model ({_figures(pooled)})."
        )
    if gains:
        found.append(f"Shop by shop, for {_WORDS[subset]}: {_tally(gains)}.")
    return found


def _against_others(record: RunRecord) -> list[str]:
    if record.pooled is None:
        return []
    found = []
    for gain in record.pooled.gains:
        figure = estimate_of(gain, _telling_subset(gain))
        if gain.against == "alone" or figure is None:
            continue
        found.append(
            f"Against {gain.label}, for {_WORDS[_telling_subset(gain)]}, it {_comparison(figure)} that rule "
            f"({_figures(figure)})."
        )
    return found


def _best_for_new(record: RunRecord) -> list[str]:
    """Name the best method for new products when it is not what is served: nothing is gained by hiding it."""
    found = [method for method in record.pooled.methods if method.novel] if record.pooled else []
    best = max(found, key=lambda method: method.novel.value if method.novel else 0.0, default=None)
    served = next((method for method in found if method.role == "coop"), None)
    if best is None or served is None or best is served or not (best.novel and served.novel):
        return []
    return [
        f"For new products the highest figure here is that of {best.label} ({best.novel.value:.4f}), not "
        f"of what is served ({served.novel.value:.4f})."
    ]


def _telling_subset(gain: Gain) -> Subset:
    """A rule about repeats is best on all purchases; any other is met where it is not helped by them."""
    return "all_items" if gain.against == "own-recency" else "novel"


def _pooled(record: RunRecord, against: str, subset: Subset) -> Estimate | None:
    if record.pooled is None:
        return None
    return next(
        (estimate_of(gain, subset) for gain in record.pooled.gains if gain.against == against),
        None,
    )


def _comparison(estimate: Estimate) -> str:
    return {
        "better": "ranks better than",
        "worse": "ranks worse than",
        "unclear": "cannot be told apart from",
    }[direction(estimate)]


def _figures(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"difference {estimate.value:+.4f} NDCG@10"
    return (
        f"difference {estimate.value:+.4f} NDCG@10, 95 % interval {estimate.low:+.4f} to {estimate.high:+.4f}"
    )


def _tally(gains: Sequence[tuple[str, Estimate]]) -> str:
    named = {"better": "better in", "worse": "worse in", "unclear": "no clear difference in"}
    parts = []
    for kind, words in named.items():
        names = [name for name, figure in gains if direction(figure) == kind]
        if names:
            parts.append(f"{words} {len(names)} of {len(gains)} ({', '.join(names)})")
    return "; ".join(parts)
