"""Clipped sums of per-customer gradients, by Opacus; by ghost norms where a module has item tables.

One example is one customer's whole history, so Opacus' per-example clipping is the per-customer clip. Opacus'
GradSampleModule gives the per-example gradients and its DPOptimizer clips and adds them; the optimizer never
adds noise and never steps: the noise is `mechanism`'s, and the step is the coordinator's. Embeddings,
embedding bags and shared parameters, for which Opacus makes a table per customer, crashes or gives a wrong
norm, go through `ghost`.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from opacus.grad_sample import GradSampleModule
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn

from highstreet.privacy.errors import (
    InvalidReleaseError,
    InvalidRowsError,
    NonFiniteRowsError,
    UnsupportedModuleError,
)
from highstreet.privacy.ghost import clip_and_sum
from highstreet.privacy.ghost.layers import refuse_layer
from highstreet.privacy.summing import compensated_sum

__all__ = ["batch_rows", "clipped_gradient_sum"]

_MEMORY_BYTES = 64 * 2**20
_MOST_ROWS = 256

Batch = tuple[Tensor, ...]
Loss = Callable[..., Tensor]


def batch_rows(dimension: int) -> int:
    """Return how many customers to put into one physical batch: 1 to 256, gradients of at most 64 MiB.

    >>> batch_rows(30), batch_rows(10**6)
    (256, 8)
    """
    return max(1, min(_MOST_ROWS, _MEMORY_BYTES // (8 * max(1, dimension))))


def clipped_gradient_sum(
    module: nn.Module, loss: Loss, batches: Iterable[Batch], *, dimension: int, clipping_norm: float
) -> NDArray[np.float64]:
    """Clip each customer's gradient to an L2 norm and add them up, over any number of physical batches.

    Adding or removing one customer changes the exact sum by at most the clipping norm, if the loss of a
    customer depends on that customer's tensors and on the module's parameters only. Computation is in double
    precision on a copy, so the floating-point sum is within `summing.ROUNDING_SLACK` of that. The caller's
    module, its parameters, gradients, mode and hooks are left as they were.

    Args:
        module: trained in training mode; its trainable parameters, in the order of `parameters()`, make the
            vector.
        loss: `loss(module(inputs), *targets)` gives one loss per customer, shape (b,).
        batches: tuples (inputs, *targets) of tensors, customers first; at most `batch_rows(dimension)`
            customers each keep the memory bounded. Empty batches and no batches at all are allowed.
        dimension: number of trainable parameters.
        clipping_norm: bound C > 0 on one customer's gradient.

    Returns:
        The sum, float64, shape (dimension,).

    Raises:
        UnsupportedModuleError: per-customer gradients of this module would be wrong: buffers or layers that
            mix customers, parameters used outside a layer or not reached by the loss.
        InvalidRowsError: the module has another dimension, or the loss is not one number per customer.
        NonFiniteRowsError: a gradient holds NaN or infinity.
        InvalidReleaseError: the clipping norm is not a positive number.

    Source: Abadi et al. 2016, arXiv:1607.00133, Algorithm 1, without its noise and its division by the lot
        size.
    """
    if not (np.isfinite(clipping_norm) and clipping_norm > 0):
        raise InvalidReleaseError("The clipping norm must be a positive number.")
    for part in module.modules():
        refuse_layer(part)
    trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)
    if trainable != dimension:
        raise InvalidRowsError(
            f"The module has {trainable} trainable parameters; its phase declares {dimension}."
        )
    if _has_tables(module):
        ghost = _GhostCopy(module, clipping_norm)
        return compensated_sum((ghost.sum_of(loss, batch) for batch in batches), dimension=dimension)
    with _OpacusCopy(module, clipping_norm) as engine:
        return compensated_sum((engine.sum_of(loss, batch) for batch in batches), dimension=dimension)


class _GhostCopy:
    """A double-precision copy of a module whose gradients are never made customer by customer."""

    def __init__(self, module: nn.Module, clipping_norm: float) -> None:
        self._private = copy.deepcopy(module).double().train()
        self._clipping_norm = clipping_norm

    def sum_of(self, loss: Loss, batch: Batch) -> tuple[int, NDArray[np.float64]]:
        """Return the number of customers of a physical batch and the sum of their clipped gradients."""
        customers = len(batch[0])
        if customers == 0:
            return 0, np.zeros(sum(p.numel() for p in self._private.parameters() if p.requires_grad))
        total = clip_and_sum(self._private, loss, _in_double(batch), clipping_norm=self._clipping_norm)
        if total.examples != customers:
            raise InvalidRowsError("A loss must be one number per customer.")
        parts = [each.to_dense().reshape(-1) for each in total.gradients.values()]
        return customers, torch.cat(parts).numpy()


class _OpacusCopy:
    """A double-precision copy of a module under Opacus' hooks, for the length of a `with`."""

    def __init__(self, module: nn.Module, clipping_norm: float) -> None:
        private = copy.deepcopy(module).double().train()
        try:
            self._hooked = GradSampleModule(private, batch_first=True, loss_reduction="sum", strict=True)
        except NotImplementedError as error:
            raise UnsupportedModuleError("The module holds buffers, which may mix customers.") from error
        self._parameters = [p for p in self._hooked.parameters() if p.requires_grad]
        self._optimizer = DPOptimizer(
            torch.optim.SGD(self._parameters, lr=0.0),
            noise_multiplier=0.0,
            max_grad_norm=clipping_norm,
            expected_batch_size=None,
            loss_reduction="sum",
        )

    def __enter__(self) -> _OpacusCopy:
        return self

    def __exit__(self, *_: object) -> None:
        self._hooked.remove_hooks()

    def sum_of(self, loss: Loss, batch: Batch) -> tuple[int, NDArray[np.float64]]:
        """Return the number of customers of a physical batch and the sum of their clipped gradients."""
        customers = len(batch[0])
        if customers == 0:
            return 0, np.zeros(sum(p.numel() for p in self._parameters))
        self._optimizer.zero_grad(set_to_none=True)
        inputs, *targets = _in_double(batch)
        with torch.enable_grad(), warnings.catch_warnings():
            # torch warns that inputs need no gradient whenever full backward hooks are used; that is intended
            # here.
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            losses = loss(self._hooked(inputs), *targets)
            if losses.shape != (customers,):
                raise InvalidRowsError("A loss must be one number per customer.")
            losses.sum().backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
        self._require_gradients(customers)
        self._optimizer.clip_and_accumulate()
        total = torch.cat([p.summed_grad.reshape(-1) for p in self._parameters]).numpy().copy()
        self._optimizer.zero_grad(set_to_none=True)
        if not np.isfinite(total).all():
            raise NonFiniteRowsError("A customer's gradient is not finite; nothing was summed.")
        return customers, total

    def _require_gradients(self, customers: int) -> None:
        for parameter in self._parameters:
            sample = parameter.grad_sample
            if not isinstance(sample, Tensor) or len(sample) != customers:
                raise UnsupportedModuleError("A parameter has no gradient for each customer.")


def _has_tables(module: nn.Module) -> bool:
    """Whether Opacus 1.6 would crash, take a table per customer, or be wrong without saying so."""
    named = [p for _, p in module.named_parameters(remove_duplicate=False)]
    shared = len({id(p) for p in named}) != len(named)
    return shared or any(isinstance(part, nn.Embedding | nn.EmbeddingBag) for part in module.modules())


def _in_double(batch: Batch) -> Batch:
    return tuple(t.double() if t.is_floating_point() else t for t in batch)
