"""Per-customer clipping without per-customer gradients.

One forward and one backward pass give each layer's input and the gradient of its output; exact norms follow
from these, then the clip, then the clipped sum in factors. Against Opacus 1.6's ghost clipping this saves the
second backward pass, is exact where one table is used on both sides, and takes embedding bags, padding
indices and empty batches.

Sources: Abadi et al. 2016, arXiv:1607.00133, algorithm 1 (the clip); Lee & Kifer 2021, arXiv:2009.03106
    (norms without
gradients); Bu et al. 2022, arXiv:2210.00038 (one backward pass).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from highstreet.privacy.errors import InvalidReleaseError, NonFiniteRowsError
from highstreet.privacy.ghost.capture import Batch, Loss, captured_terms
from highstreet.privacy.ghost.sums import ClippedSum, weighted_sum
from highstreet.privacy.ghost.terms import squared_norms

__all__ = ["clip_and_sum"]

#: Keeps the quotient below from rounding a clipped gradient to above the clipping norm.
_DOWN = 1 - 2.0**-52


def clip_and_sum(module: nn.Module, loss: Loss, batch: Batch, *, clipping_norm: float) -> ClippedSum:
    """Clip each example's gradient to an L2 norm and add them up, keeping sums of tables in factors.

    Adding or removing one example changes the exact sum by at most the clipping norm, if the loss of an
    example depends on that example's tensors and on the module's parameters only. The sum is computed in the
    module's own
    precision: single precision is for training where the data are; what leaves a shop is computed in double
        precision
    (`per_customer`).

    Args:
        module: in training mode. Linear layers, embeddings and embedding bags (sum, mean) keep their
            gradients in factors; other layers make one gradient per example, so they should be small. Layers
            may share parameters.
        loss: `loss(module(inputs), *targets)`, one number per example, shape (b,).
        batch: (inputs, *targets), examples first. b may be 0.
        clipping_norm: bound C > 0 on one example's gradient over all parameters.

    Returns:
        The sum, the norms before the clip, the number of examples.

    Raises:
        UnsupportedModuleError: the norms of this module would be wrong: layers that mix examples, parameters
            used outside a layer, or not used.
        InvalidRowsError: losses or a layer's rows are not one for each example.
        NonFiniteRowsError: a gradient holds NaN or infinity; nothing is summed.
        InvalidReleaseError: the clipping norm is not a positive number.
    """
    if not (math.isfinite(clipping_norm) and clipping_norm > 0):
        raise InvalidReleaseError("The clipping norm must be a positive number.")
    terms, examples = captured_terms(module, loss, batch)
    squared = torch.zeros(examples, dtype=torch.float64)
    for kinds in terms.values():
        squared += squared_norms(kinds, examples=examples)
    norms = squared.sqrt()
    if not bool(torch.isfinite(norms).all()):
        raise NonFiniteRowsError("A customer's gradient is not finite; nothing was summed.")
    weights = _clips(norms, clipping_norm)
    sums = {parameter: weighted_sum(kinds, weights, parameter.shape) for parameter, kinds in terms.items()}
    return ClippedSum(gradients=sums, norms=norms, examples=examples)


def _clips(norms: Tensor, clipping_norm: float) -> Tensor:
    """Return min(1, C / norm) per example; 1 for a gradient of zero."""
    return torch.where(norms > clipping_norm, clipping_norm * _DOWN / norms, 1.0)
