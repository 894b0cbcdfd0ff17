"""Per-customer clipping for large item tables, without a gradient per customer ("ghost norms")."""

from highstreet.privacy.ghost.clipping import clip_and_sum
from highstreet.privacy.ghost.step import noisy_step_, plain_step_
from highstreet.privacy.ghost.sums import ClippedSum, GradientSum

__all__ = ["ClippedSum", "GradientSum", "clip_and_sum", "noisy_step_", "plain_step_"]
