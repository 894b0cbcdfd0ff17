"""Our norms and gradients of single layers, for Opacus' own engines.

After `register_with_opacus()` every Opacus module in this process, ghost clipping or hooks, uses them; models
need not know. They add what Opacus 1.6 lacks: embedding bags of every form, exact padding indices, linear
layers over any number of positions, empty batches. What they cannot add is sight: Opacus shows a sampler the
positional arguments of one layer at a time. A table used on both sides it refuses, or overlooks when the
second use is written by hand; weights of an embedding bag given by name it does not pass on. `clip_and_sum`
sees both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from highstreet.privacy.ghost.layers import refuse_layer, terms_of
from highstreet.privacy.ghost.terms import OuterTerms, RowTerms, squared_norms

__all__ = ["example_gradients", "example_norms", "register_with_opacus"]


def register_with_opacus() -> None:
    """Put the samplers below into Opacus' tables; doing it again changes nothing."""
    from opacus.grad_sample import register_grad_sampler, register_norm_sampler

    register_norm_sampler([nn.Embedding, nn.EmbeddingBag, nn.Linear])(example_norms)
    register_grad_sampler([nn.Embedding, nn.EmbeddingBag])(example_gradients)


def example_norms(
    layer: nn.Module, activations: list[Tensor], backprops: Tensor
) -> dict[nn.Parameter, Tensor]:
    """Return each example's gradient norm for each trainable parameter of one use of a layer, shape (b,).

    Args:
        layer: an embedding, embedding bag or linear layer.
        activations: the positional arguments of its forward.
        backprops: the gradient of its output, examples first.

    Raises:
        UnsupportedModuleError: this layer's gradient belongs to no single example.
    """
    refuse_layer(layer)
    return {
        parameter: squared_norms([terms], examples=len(backprops)).sqrt().to(backprops.dtype)
        for parameter, terms in terms_of(layer, tuple(activations), backprops)
        if parameter.requires_grad
    }


def example_gradients(
    layer: nn.Module, activations: list[Tensor], backprops: Tensor
) -> dict[nn.Parameter, Tensor]:
    """Return each example's whole gradient for each trainable parameter, shape (b, *shape of the parameter).

    Args and errors are those of `example_norms`.
    """
    refuse_layer(layer)
    # Opacus takes the length of the last argument for the number of examples; offsets and weights may be
    # longer.
    layer.max_batch_len = len(backprops)  # type: ignore[assignment]  # Opacus keeps it on the layer
    found = {}
    for parameter, terms in terms_of(layer, tuple(activations), backprops):
        if parameter.requires_grad and isinstance(terms, RowTerms):
            found[parameter] = _whole(terms, parameter.shape, examples=len(backprops))
        elif parameter.requires_grad and isinstance(terms, OuterTerms):
            found[parameter] = torch.bmm(terms.left.mT, terms.right).reshape(-1, *parameter.shape)
    return found


def _whole(terms: RowTerms, shape: torch.Size, *, examples: int) -> Tensor:
    whole = torch.zeros(examples, *shape, dtype=terms.vectors.dtype)
    whole.index_put_((terms.example, terms.index), terms.values(), accumulate=True)
    return whole
