"""The listwise loss of a linear ranker in numpy: value, gradient, curvature, and the fit under a prior.

A customer's loss is the weighted cross-entropy of a softmax over candidates, summed over windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.models.examples import Examples

__all__ = ["WeightPrior", "curvature_of", "fit_map", "listwise_residuals", "losses_of_scores"]


def listwise_residuals(examples: Examples, weights: NDArray[np.floating]) -> tuple[NDArray[np.float32], ...]:
    """Return softmax probabilities over candidates (b, s, c) and windows' target weights (b, s, 1)."""
    scores = examples.features @ weights.astype(np.float32) + examples.offsets
    scores -= scores.max(axis=-1, keepdims=True, initial=-1e30)
    exponentials = np.exp(scores)
    return exponentials / exponentials.sum(axis=-1, keepdims=True), examples.targets.sum(
        axis=-1, keepdims=True
    )


def curvature_of(examples: Examples, weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (b, f, f): the Hessian of each customer's loss."""
    probabilities, totals = listwise_residuals(examples, weights)
    mass = probabilities * totals
    mean = np.einsum("bsc,bscf->bsf", probabilities, examples.features)
    second = np.matmul((examples.features * mass[..., None]).swapaxes(-1, -2), examples.features).sum(axis=1)
    outer = np.einsum("bsf,bsg,bs->bfg", mean, mean, totals[..., 0])
    return np.asarray(second - outer, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightPrior:
    """A Gaussian belief about the weights.

    Attributes:
        mean: (f,).
        precision: (f, f), in units of one customer's loss.
    """

    mean: NDArray[np.float64]
    precision: NDArray[np.float64]


def losses_of_scores(scores: NDArray[np.floating], examples: Examples) -> NDArray[np.float64]:
    """Return the loss of each customer and window, (b, s), for scores (b, s, c) without offsets."""
    logits = scores.astype(np.float64) + examples.offsets
    top = logits.max(axis=-1, keepdims=True, initial=-1e30)
    log_total = np.log(np.exp(logits - top).sum(axis=-1, keepdims=True)) + top
    return np.asarray((examples.targets * (log_total - logits)).sum(axis=-1))


def fit_map(chunks: Sequence[Examples], prior: WeightPrior, *, steps: int = 8) -> NDArray[np.float64]:
    """Return the weights of highest posterior density, by Newton steps; the objective is convex.

    With no examples, or none with targets, this is the prior's mean.
    """
    weights = prior.mean.copy()
    for _ in range(steps):
        gradient = prior.precision @ (weights - prior.mean)
        hessian = prior.precision.copy()
        for examples in chunks:
            gradient += gradient_of(examples, weights)
            hessian += curvature_of(examples, weights).sum(axis=0)
        step = np.linalg.solve(hessian + 1e-9 * np.eye(len(weights)), gradient)
        # A full step may overshoot far from the optimum; for a softmax 3 units is far.
        weights = weights - step * min(1.0, 3.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-4:
            break
    return weights


def gradient_of(examples: Examples, weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the gradient of the summed loss, (f,)."""
    probabilities, totals = listwise_residuals(examples, weights)
    residuals = probabilities * totals - examples.targets
    return np.asarray(np.einsum("bsc,bscf->f", residuals, examples.features), dtype=np.float64)
