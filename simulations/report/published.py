"""What noise in the sum is worth in quality, by the published benchmark: a demo is too small to show it."""

from __future__ import annotations

__all__ = ["NOISE_IN_THE_SUM"]

#: Said beside a run's own noise factors, as no figure of that run.
NOISE_IN_THE_SUM = (
    "What that gains in quality was not measured in this run. In the published benchmark (108 shops of the "
    "Complete Journey, epsilon 3) NDCG@10 for products new to the customer is .0655 with the noise in the "
    "sum and .0630 with noise per shop, where each shop alone has .0608: "
    "docs/results/complete-journey-fit45-predict46-53.md."
)
