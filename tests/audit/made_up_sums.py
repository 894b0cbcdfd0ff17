"""Sums of a bias phase as nobody released them, and a rule to judge them by."""

from __future__ import annotations

from dataclasses import replace

from highstreet.audit.bias_figures import NoisySums
from highstreet.audit.bias_rules import BiasRule, Comparison, Direction, Metric
from highstreet.models.bias_rows import bias_coordinates


def rule(**changes: object) -> BiasRule:
    base = BiasRule(
        name="r",
        metric=Metric.NDCG_ALL,
        groups="history",
        comparison=Comparison.NOTHING,
        direction=Direction.AT_LEAST,
        limit=0.1,
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # names are checked by dataclasses


def sums_of(*, stddev: float = 0.0, **values: float) -> NoisySums:
    """Sums over the parts history, age_band and exposure; names with __ for /; zeros else."""
    names = bias_coordinates(["history", "age_band", "exposure"])
    given_values = {name.replace("__", "/"): value for name, value in values.items()}
    assert set(given_values) <= set(names)
    return NoisySums(values={name: given_values.get(name, 0.0) for name in names}, stddev=stddev)


def history(**more: float) -> dict[str, float]:
    return {
        "history__little__all__customers": 100.0,
        "history__little__all__ranker": 20.0,
        "history__little__all__popularity": 15.0,
        "history__much__all__customers": 300.0,
        "history__much__all__ranker": 120.0,
        "history__much__all__popularity": 60.0,
        **more,
    }


#: 200 customers' lists and purchases.
EXPOSED = {
    "exposure__customers": 200.0,
    "exposure__ranker__small_suppliers": 20.0,
    "exposure__popularity__small_suppliers": 10.0,
    "exposure__purchases__small_suppliers": 30.0,
    "exposure__ranker__miscalibration": 60.0,
    "exposure__popularity__miscalibration": 100.0,
    **{f"exposure__ranker__tenth_{n}": 10.0 for n in range(8)},
    "exposure__ranker__tenth_8": 20.0,
    "exposure__ranker__tenth_9": 100.0,
    "exposure__popularity__tenth_9": 200.0,
}
