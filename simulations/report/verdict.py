"""What the figures of a run say, in plain sentences, whichever way they fall."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from highstreet.simulations.report.quality_charts import Subset, estimate_of
from highstreet.simulations.report.record import Estimate, Method, RunRecord

__all__ = ["Direction", "direction", "verdict"]

Direction = Literal["better", "worse", "unclear"]

_WORDS: dict[Subset, str] = {
    "novel": "products the customer had not bought before",
    "all_items": "all later purchases",
}


_SHORT: dict[Direction, str] = {
    "better": "better than",
    "worse": "worse than",
    "unclear": "no clear difference from",
}
_ROLES: tuple[Literal["baseline", "alone", "coop"], ...] = ("baseline", "alone", "coop")


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
    sentences += _honest_opponents(record) + _against_rules(record)
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
            f"{_comparison(pooled)} the model the shop trains alone ({_figures(pooled)})."
        )
    if gains:
        found.append(f"Shop by shop, for {_WORDS[subset]}: {_tally(gains)}.")
    return found


def _against_rules(record: RunRecord) -> list[str]:
    """One sentence per subset: every simple rule, and whether what is served ranks better than it."""
    gains = record.pooled.gains if record.pooled else ()
    found = []
    for subset in ("novel", "all_items"):
        parts = [
            f"{_SHORT[direction(figure)]} {gain.label} ({_numbers(figure)})"
            for gain in gains
            if gain.against != "alone" and (figure := estimate_of(gain, subset)) is not None
        ]
        if parts:
            found.append(f"Against simple rules, for {_WORDS[subset]}: {'; '.join(parts)}.")
    return found


def _honest_opponents(record: RunRecord) -> list[str]:
    """Say when a simple rule has a higher figure than the shop's own model, or than what is served."""
    found = []
    for subset in ("novel", "all_items"):
        figures = {
            method.role: (method.label, figure.value)
            for method in sorted(record.pooled.methods if record.pooled else (), key=_value(subset))
            if (figure := estimate_of(method, subset)) is not None
        }
        if len(figures) < len(_ROLES):
            continue
        (rule, best), (_, alone), (_, served) = (figures[role] for role in _ROLES)
        if best > alone:
            found.append(
                f"For {_WORDS[subset]} a simple rule, {rule}, has a higher figure ({best:.4f}) than "
                f"the model a shop trains alone ({alone:.4f}), so beating that model proves little"
                + (f"; what is served has {served:.4f}." if best > served else ".")
            )
    return found


def _value(subset: Subset) -> Callable[[Method], float]:
    def value(method: Method) -> float:
        figure = estimate_of(method, subset)
        return figure.value if figure is not None else -1.0

    return value


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


def _numbers(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:+.3f}"
    return f"{estimate.value:+.3f}, {estimate.low:+.3f} to {estimate.high:+.3f}"


def _tally(gains: Sequence[tuple[str, Estimate]]) -> str:
    named = {"better": "better in", "worse": "worse in", "unclear": "no clear difference in"}
    parts = []
    for kind, words in named.items():
        names = [name for name, figure in gains if direction(figure) == kind]
        if names:
            parts.append(f"{words} {len(names)} of {len(gains)} ({', '.join(names)})")
    return "; ".join(parts)
