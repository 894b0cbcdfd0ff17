"""The public numbers of the statistics-ranker: read from a plan's params, with one default each.

Defaults were chosen on the fitting and tuning weeks of the sample co-op (docs/results), never on a member's
data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from highstreet.models.errors import InvalidPlanError

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Numbers every store and the coordinator must agree on.

    Attributes:
        holdout_days: last days kept out of statistics and gradients, for the evaluation phase.
        horizon_days: length of the window whose purchases the ranker predicts from earlier ones.
        snapshots: number of such windows per customer, back to back.
        half_life_days: of a purchase's weight in profiles and statistics.
        key_share: share of the squared norm of a statistics row that goes to product keys; fields split the
            rest.
        token_keys, token_types, token_categories: how many of each take part in the co-occurrence statistics.
        cooccurrence_ridge: ridge of the co-occurrence solution, in customers, on top of the noise edge.
        candidates: products compared per snapshot and customer in the ranker's loss.
        own_candidates: most of a customer's earlier products among them.
        sampling_seed: public seed of the negatives.
        affinity_prior: purchases that the co-op's shares count for in a customer's affinities.
        step_size: of a ranker round, in Newton steps.
        step_radius: most a ranker round moves, in whitened coordinates.
        gradient_clipping_norm: of a ranker round, in whitened coordinates.
        curvature_clipping_norm: of the curvature phase, in scaled features.
        prior_customers: customers the release counts for in local training when it carries no noise.
        shop_prior_customers: customers that expected popularity counts for against the shop's own.
        local_windows: windows a shop trains on; the last one also decides how much of the release it serves.
        alone_precision: of a shop's belief in initial weights, in units of one customer's loss.
        sampling_stddev: stands in for sampling error in sums of statistics, besides their noise.
        share_prior: how reluctantly a shop leaves the mixture the release's noise suggests, in loss.
        repeat_weight: of the shop's own repeat rule in the order of products a customer bought before.
        repeat_half_life_days: of a purchase in that rule.
        lately_weight: of a product's last purchase in that order, when it is but a few days old.
        lately_half_life_days: in which that fades.
    """

    holdout_days: int = 0
    horizon_days: int = 35
    snapshots: int = 2
    half_life_days: float = 150.0
    key_share: float = 0.5
    token_keys: int = 150
    token_types: int = 0
    token_categories: int = 0
    cooccurrence_ridge: float = 60.0
    candidates: int = 320
    own_candidates: int = 120
    sampling_seed: int = 20170101
    affinity_prior: float = 3.0
    step_size: float = 0.8
    step_radius: float = 1.0
    gradient_clipping_norm: float = 6.0
    curvature_clipping_norm: float = 20.0
    prior_customers: float = 300.0
    shop_prior_customers: float = 20.0
    local_windows: int = 3
    alone_precision: float = 10.0
    sampling_stddev: float = 0.3
    share_prior: float = 12.0
    repeat_weight: float = 2.0
    repeat_half_life_days: float = 365.0
    lately_weight: float = 0.5
    lately_half_life_days: float = 14.0

    @classmethod
    def from_params(cls, params: Mapping[str, float]) -> Settings:
        """Read settings from plain numbers; unknown or missing names and values out of range are refused."""
        names = {f.name for f in fields(cls)}
        odd = sorted(set(params) ^ names)
        if odd:
            raise InvalidPlanError(f"The model's params have unknown or missing entries: {', '.join(odd)}.")
        values: dict[str, float] = {}
        for entry in fields(cls):
            value = params[entry.name]
            if entry.type == "int" and value != int(value):
                raise InvalidPlanError(f"The model's param {entry.name} must be a whole number.")
            values[entry.name] = int(value) if entry.type == "int" else float(value)
        settings = cls(**values)  # type: ignore[arg-type]  # whole numbers were made ints above
        settings._check()
        return settings

    def to_params(self) -> dict[str, float]:
        """Return the settings as the plain numbers a plan carries."""
        return dict(asdict(self))

    def _check(self) -> None:
        limits = {
            "holdout_days": (0, 366),
            "horizon_days": (1, 366),
            "snapshots": (1, 12),
            "half_life_days": (1, 1e5),
            "key_share": (0.01, 0.99),
            "token_keys": (0, 2000),
            "token_types": (0, 2000),
            "token_categories": (0, 2000),
            "cooccurrence_ridge": (1e-3, 1e9),
            "candidates": (2, 4096),
            "own_candidates": (0, 4095),
            "sampling_seed": (0, 2**62),
            "affinity_prior": (1e-3, 1e6),
            "step_size": (0, 2),
            "step_radius": (1e-3, 1e3),
            "gradient_clipping_norm": (1e-6, 1e6),
            "curvature_clipping_norm": (1e-6, 1e6),
            "prior_customers": (1e-6, 1e9),
            "shop_prior_customers": (1e-6, 1e9),
            "local_windows": (2, 12),
            "alone_precision": (1e-6, 1e9),
            "sampling_stddev": (1e-6, 1e6),
            "share_prior": (0, 1e9),
            "repeat_weight": (0, 1e3),
            "repeat_half_life_days": (1, 1e5),
            "lately_weight": (0, 1e3),
            "lately_half_life_days": (1, 1e5),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise InvalidPlanError(f"The model's param {name} must lie between {low} and {high}.")
        if self.own_candidates >= self.candidates:
            raise InvalidPlanError("The model needs more candidates than a customer's own.")
        if not 1 <= self.token_keys + self.token_types + self.token_categories <= 2000:
            raise InvalidPlanError("The co-occurrence statistics need 1 to 2000 tokens.")
