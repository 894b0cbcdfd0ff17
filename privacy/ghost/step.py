"""One private step on a large table: the sum, the noise and the update, block by block.

**Every row gets noise, also rows nobody touched.** Which rows of an item table have a gradient is which items
these customers bought. Noise on those rows alone would leave the support readable off the step with
certainty: no epsilon covers a row that changes if and only if one customer is there. So the work cannot be
    sparse in the end; what can be is
everything before it. Noise is made for a block of rows at a time and goes into the parameter together with
that block of the sum: no table of gradients and no table of noise ever exists.

The noise is Gaussian in floating point, for training where the data are and for the lab. What leaves a shop
is noised on a grid by `mechanism`.

Source: Abadi et al. 2016, arXiv:1607.00133, algorithm 1, with a fixed denominator.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from highstreet.privacy.errors import InvalidReleaseError
from highstreet.privacy.ghost.sums import ClippedSum, GradientSum

__all__ = ["FillNormals", "noisy_step_", "plain_step_"]

#: Numbers in a block: 4 MiB in single precision, which stays in a processor's shared cache.
_BLOCK = 1 << 20

#: Overwrites an array with fresh standard normals; `KeyedNormals.fill` for real customers.
FillNormals = Callable[[NDArray[np.float32]], None]


def noisy_step_(
    total: ClippedSum,
    fill_normals: FillNormals,
    *,
    noise_stddev: float,
    learning_rate: float,
    denominator: float,
) -> None:
    """Take parameter -= learning_rate * (sum + noise) / denominator in place, for all parameters of a sum.

    Guarantee: with noise_stddev = noise_multiplier * clipping_norm the step is one Gaussian release of that
    noise multiplier (add or remove one example), as far as floating-point normals are Gaussian (`normals`).

    Args:
        total: from `clip_and_sum`.
        fill_normals: fresh noise for each call.
        noise_stddev: unit of the gradient; 0 is refused, `plain_step_` is the step without privacy.
        learning_rate: of the step.
        denominator: a constant, as the expected number of examples; never how many there were.

    Raises:
        InvalidReleaseError: the noise is no positive number, or the denominator is none.
    """
    if not (math.isfinite(noise_stddev) and noise_stddev > 0):
        raise InvalidReleaseError("The noise of a private step must be a positive number.")
    scale = _scale(learning_rate, denominator)
    with torch.no_grad():
        for parameter, gradient in total.gradients.items():
            _noisy_update_(parameter.detach(), gradient, fill_normals, noise_stddev, scale)


def plain_step_(total: ClippedSum, *, learning_rate: float, denominator: float) -> None:
    """Take the same step without noise: for comparison only, it protects nobody."""
    scale = _scale(learning_rate, denominator)
    with torch.no_grad():
        for parameter, gradient in total.gradients.items():
            gradient.add_rows(_matrix(parameter.detach()), start=0, factor=-scale)


def _noisy_update_(
    parameter: Tensor, gradient: GradientSum, fill_normals: FillNormals, noise_stddev: float, scale: float
) -> None:
    table = _matrix(parameter)
    noise = np.empty(min(table.numel(), _rows_of_block(table) * table.shape[1]), np.float32)
    for start, rows in _blocks(table):
        fresh = noise[: rows.numel()]
        fill_normals(fresh)
        rows.add_(torch.from_numpy(fresh).view(rows.shape), alpha=-scale * noise_stddev)
        gradient.add_rows(rows, start=start, factor=-scale)


def _rows_of_block(table: Tensor) -> int:
    return max(1, _BLOCK // max(1, table.shape[1]))


def _blocks(table: Tensor) -> list[tuple[int, Tensor]]:
    """Cut a table into blocks of rows, each with the number of its first row."""
    rows = _rows_of_block(table)
    return [(start, table[start : start + rows]) for start in range(0, len(table), rows)]


def _matrix(parameter: Tensor) -> Tensor:
    """View a parameter as (rows, columns), sharing its memory."""
    return parameter.view(len(parameter), -1) if parameter.dim() else parameter.view(1, 1)


def _scale(learning_rate: float, denominator: float) -> float:
    if not (math.isfinite(learning_rate) and math.isfinite(denominator) and denominator > 0):
        raise InvalidReleaseError("A step needs a learning rate and a positive, constant denominator.")
    return learning_rate / denominator
