"""The shared ranker: a linear model over own-history features, trained in a few Newton-like private rounds.

Phase `curvature` releases the noisy second moments of the features, scaled by public numbers, under the
initial weights. From them follows a whitening: coordinates in which the loss is about equally curved in all
directions, so that one clipping norm and one step size fit all weights and a handful of rounds is enough.
Phase `ranker` sums clipped gradients in these coordinates. The public scales matter because the noise is the
same in all directions: what is curved less than the noise is taken for flat, and hardly learnt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from highstreet.models.errors import PhaseOrderError
from highstreet.models.examples import Examples, window_examples
from highstreet.models.features import FEATURE_SCALES, FEATURES, INITIAL_WEIGHTS, FeatureSpace
from highstreet.models.history import Timeline
from highstreet.models.listwise import curvature_of
from highstreet.models.schema import FeatureSchema
from highstreet.models.settings import Settings
from highstreet.models.shop import ShopData
from highstreet.models.state import SharedState

if TYPE_CHECKING:  # torch is loaded by those who train: suggestions need none of it
    import torch
    from torch import Tensor

__all__ = [
    "GradientTask",
    "RankerTask",
    "apply_curvature",
    "apply_gradient",
    "curvature_dimension",
    "curvature_rows",
]

_CHUNK = 32
_RELATIVE_FLOOR = 2e-3


class GradientTask(Protocol):
    """What a store trains in one gradient round.

    `module(inputs)` gives outputs; `loss(outputs, *targets)` gives one loss per customer. The flat gradient
    has the trainable parameters in the order of `module.parameters()`, `dimension` numbers in all.
    """

    module: torch.nn.Module

    def examples(self, shop: ShopData, rows: NDArray[np.integer]) -> tuple[Tensor, ...]:
        """Return (inputs, *targets) for these customer rows, customers first; no rows are allowed."""
        ...

    def loss(self, outputs: Tensor, *targets: Tensor) -> Tensor:
        """Return the loss of each customer, shape (b,)."""
        ...


def curvature_dimension() -> int:
    """Return the length of a curvature row: the upper triangle over features."""
    return len(FEATURES) * (len(FEATURES) + 1) // 2


def curvature_rows(
    schema: FeatureSchema, settings: Settings, state: SharedState, shop: ShopData, *, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Yield chunks (b, dimension): each customer's Hessian in scaled features, off-diagonal times sqrt 2.

    Norms are bounded by the clipping norm of the phase.
    """
    timeline = Timeline(shop)
    space = FeatureSpace(schema, settings, state, shop.catalogue)
    upper = np.triu_indices(len(FEATURES))
    scale = np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))
    for start in range(0, timeline.customers, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, timeline.customers))
        examples = _examples(settings, space, timeline, rows, shop, seed=seed)
        # In C order: picked out, a row's numbers lie apart, and one row alone would be added up otherwise.
        hessians = curvature_of(examples, INITIAL_WEIGHTS) * np.outer(FEATURE_SCALES, FEATURE_SCALES)
        flat = np.ascontiguousarray(hessians[:, upper[0], upper[1]] * scale)
        norms = np.linalg.norm(flat, axis=1, keepdims=True)
        yield flat * np.minimum(1.0, settings.curvature_clipping_norm / np.maximum(norms, 1e-12))


def apply_curvature(
    settings: Settings,
    state: SharedState,
    noisy_sum: NDArray[np.float64],
    *,
    denominator: float,
    noise_stddev: float,
) -> SharedState:
    """Release the mean curvature, of the features as they are, and the whitening that follows from it.

    Gradients are whitening' g, weights move by whitening m; the whitening undoes the scales as well.
    """
    size = len(FEATURES)
    upper = np.triu_indices(size)
    matrix = np.zeros((size, size))
    matrix[upper] = noisy_sum / denominator / np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))
    matrix = matrix + np.triu(matrix, 1).T
    # The initial weights are believed in like `alone_precision` says: it steadies rounds of a few customers.
    matrix += settings.alone_precision / denominator * np.diag(FEATURE_SCALES**2)
    values, vectors = np.linalg.eigh(matrix)
    edge = noise_stddev / denominator * np.sqrt(2.0 * size)
    floor = max(edge, _RELATIVE_FLOOR * max(float(values.max()), 0.0), 1e-6)
    damped = np.maximum(values, floor)
    whitening = FEATURE_SCALES[:, None] * ((vectors / np.sqrt(damped)) @ vectors.T)
    curvature = (vectors * damped) @ vectors.T / np.outer(FEATURE_SCALES, FEATURE_SCALES)
    return state.updated({"ranker/whitening": whitening, "ranker/curvature": curvature})


def apply_gradient(
    settings: Settings,
    state: SharedState,
    noisy_sum: NDArray[np.float64],
    *,
    denominator: float,
    noise_stddev: float,
) -> SharedState:
    """Take one step against the noisy gradient; keep account of the noise that is now in the weights.

    With step size a, the whitened weights contract their old error by about (1 - a) and take in a times the
    noise.
    """
    whitening = state["ranker/whitening"]
    step = settings.step_size
    belief = settings.alone_precision / denominator * (state["ranker/weights"] - INITIAL_WEIGHTS)
    move = -step * (noisy_sum / denominator + whitening.T @ belief)
    # The loss is only about quadratic: no round moves further than a radius in whitened coordinates.
    move *= min(1.0, settings.step_radius / max(float(np.linalg.norm(move)), 1e-12))
    weights = state["ranker/weights"] + whitening @ move
    variance = float(state["ranker/variance"][0])
    variance = (1 - step) ** 2 * variance + (step * noise_stddev / denominator) ** 2
    return state.updated({"ranker/weights": weights, "ranker/variance": np.array([variance])})


class RankerTask:
    """The gradient task of one round: whitened features in, one score per candidate out."""

    def __init__(self, schema: FeatureSchema, settings: Settings, state: SharedState, *, seed: int) -> None:
        import torch

        if "ranker/whitening" not in state:
            raise PhaseOrderError("A ranker round was asked for before the curvature was released.")
        self._schema, self._settings, self._state, self._seed = schema, settings, state, seed
        self._prepared: tuple[ShopData, Timeline, FeatureSpace] | None = None
        self.module: torch.nn.Module = torch.nn.Linear(len(FEATURES), 1, bias=False)
        torch.nn.init.zeros_(self.module.weight)

    def examples(self, shop: ShopData, rows: NDArray[np.integer]) -> tuple[Tensor, ...]:
        """Return whitened features (b, s, c, f), current scores and target weights (b, s, c)."""
        import torch

        timeline, space = self._prepare(shop)
        found = _examples(self._settings, space, timeline, np.asarray(rows), shop, seed=self._seed)
        whitened = found.features @ self._state["ranker/whitening"].astype(np.float32)
        current = found.features @ self._state["ranker/weights"].astype(np.float32) + found.offsets
        return torch.from_numpy(whitened), torch.from_numpy(current), torch.from_numpy(found.targets)

    def loss(self, outputs: Tensor, *targets: Tensor) -> Tensor:
        """Return the listwise cross-entropy of each customer, shape (b,), zero without targets."""
        import torch

        current, wanted = targets
        log_probabilities = torch.log_softmax(outputs.squeeze(-1) + current, dim=-1)
        return -(wanted * log_probabilities).sum(dim=(1, 2))

    def _prepare(self, shop: ShopData) -> tuple[Timeline, FeatureSpace]:
        if self._prepared is None or self._prepared[0] is not shop:
            space = FeatureSpace(self._schema, self._settings, self._state, shop.catalogue)
            self._prepared = (shop, Timeline(shop), space)
        return self._prepared[1], self._prepared[2]


def _examples(
    settings: Settings,
    space: FeatureSpace,
    timeline: Timeline,
    rows: NDArray[np.integer],
    shop: ShopData,
    *,
    seed: int,
) -> Examples:
    stop = shop.as_of - settings.holdout_days
    return window_examples(settings, space, timeline, rows, seed=seed, stop=stop, windows=settings.snapshots)
