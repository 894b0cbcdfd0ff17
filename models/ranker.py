"""The shared ranker as a gradient task: one example is one customer's whole history."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from highstreet.models.shop import ShopData
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["GradientTask"]


class GradientTask(Protocol):
    """What a store trains in one gradient round.

    `module(inputs)` gives outputs; `loss(outputs, *targets)` gives one loss per customer. The flat gradient has the
    trainable parameters in the order of `module.parameters()`, `dimension` numbers in all.
    """

    module: torch.nn.Module

    def examples(self, shop: ShopData, rows: NDArray[np.integer]) -> tuple[Tensor, ...]:
        """Return (inputs, *targets) for these customer rows, customers first; an empty selection is allowed."""
        ...

    def loss(self, outputs: Tensor, *targets: Tensor) -> Tensor:
        """Return the loss of each customer, shape (b,)."""
        ...
