"""What each kind of layer adds to its parameters' gradients, example by example.

`terms_of` turns a layer's input and the gradient of its output into `terms` of its parameters. Embeddings,
embedding bags and linear layers stay in factors; every other layer goes through Opacus' own samplers (or
functorch, where Opacus has none), which make a whole gradient per example and are meant for small parameters.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from highstreet.privacy.errors import InvalidRowsError, UnsupportedModuleError
from highstreet.privacy.ghost.terms import DenseTerms, OuterTerms, RowTerms, Terms

__all__ = [
    "BagInput",
    "bag_terms",
    "embedding_terms",
    "is_factored",
    "linear_terms",
    "refuse_layer",
    "terms_of",
]

_FACTORED = (nn.Embedding, nn.EmbeddingBag, nn.Linear)


class BagInput(NamedTuple):
    """The arguments of an embedding bag's forward, in torch's order."""

    input: Tensor
    offsets: Tensor | None = None
    per_sample_weights: Tensor | None = None


def is_factored(layer: nn.Module) -> bool:
    """Whether this layer's gradients are never made: torch's own classes only; others may do anything."""
    return type(layer) in _FACTORED


def refuse_layer(layer: nn.Module) -> None:
    """Refuse layers without a gradient that belongs to one example.

    Raises:
        UnsupportedModuleError: what each example does to this layer depends on the others, or the forward
            changes it.
    """
    if getattr(layer, "max_norm", None) is not None:
        raise UnsupportedModuleError(
            "An embedding that renormalises itself is changed by the forward pass.",
            next_step="Build it without max_norm.",
        )
    if getattr(layer, "scale_grad_by_freq", False):
        raise UnsupportedModuleError(
            "An embedding that scales gradients by how often a row comes in the batch mixes customers.",
            next_step="Build it without scale_grad_by_freq.",
        )
    if isinstance(layer, nn.EmbeddingBag) and layer.mode not in ("sum", "mean"):
        raise UnsupportedModuleError(
            f"Embedding bags of mode {layer.mode!r} have no per-customer gradients here.",
            next_step="Use the mode sum or mean.",
        )
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        raise UnsupportedModuleError(
            "Batch normalisation mixes customers.", next_step="Use layer normalisation."
        )
    if list(layer.buffers(recurse=False)):
        raise UnsupportedModuleError("The module holds buffers, which may mix customers.")


def terms_of(
    layer: nn.Module, inputs: tuple[Tensor | None, ...], backprop: Tensor
) -> list[tuple[nn.Parameter, Terms]]:
    """Return the terms one use of a layer adds to each of its parameters.

    Args:
        layer: the layer, its parameters those that were used.
        inputs: arguments of its forward, examples first (embedding bags: as torch takes them).
        backprop: gradient of the summed losses with respect to its output, examples first.

    Raises:
        InvalidRowsError: the shapes do not have examples first.
    """
    first = cast("Tensor", inputs[0])
    if type(layer) is nn.Embedding:
        return [(_own(layer.weight), embedding_terms(layer, first, backprop))]
    if type(layer) is nn.EmbeddingBag:
        return [(_own(layer.weight), bag_terms(layer, BagInput(first, *inputs[1:]), backprop))]
    if type(layer) is nn.Linear:
        return linear_terms(layer, first, backprop)
    return _sampled(layer, first, backprop)


def embedding_terms(layer: nn.Embedding, tokens: Tensor, backprop: Tensor) -> RowTerms:
    """Return the terms of an embedding's table.

    Args:
        layer: an embedding; its padding index has no gradient.
        tokens: (b, ...), integers.
        backprop: (b, ..., d).
    """
    vectors = backprop.reshape(-1, layer.embedding_dim)
    index = tokens.reshape(-1).long()
    each = tokens[0].numel() if len(tokens) else 0
    example = torch.arange(len(tokens)).repeat_interleave(each)
    vector = torch.arange(len(index))
    coefficient = torch.ones(len(index), dtype=vectors.dtype)
    return _without_padding(layer, example, index, vector, coefficient, vectors)


def bag_terms(layer: nn.EmbeddingBag, given: BagInput, backprop: Tensor) -> RowTerms:
    """Return the terms of an embedding bag's table; each example is one bag.

    Args:
        layer: of mode sum or mean; its padding index has no gradient and does not count in a mean.
        given: (b, n) tokens, or (n,) tokens and (b,) offsets ((b + 1,) where the last offset is included);
            with weights of the tokens' shape in mode sum.
        backprop: (b, d).
    """
    index = given.input.reshape(-1).long()
    lengths = _bag_lengths(layer, given)
    if len(lengths) != len(backprop) or int(lengths.sum()) != len(index):
        raise InvalidRowsError("An embedding bag has another number of bags than of outputs.")
    example = torch.arange(len(lengths)).repeat_interleave(lengths)
    if layer.mode == "mean":
        counted = torch.ones(len(index), dtype=torch.float64)
        if layer.padding_idx is not None:
            counted[index == layer.padding_idx] = 0
        sizes = torch.zeros(len(lengths), dtype=torch.float64).index_add_(0, example, counted)
        coefficient = (1 / sizes.clamp(min=1)).to(backprop.dtype)[example]
    elif given.per_sample_weights is not None:
        coefficient = given.per_sample_weights.detach().reshape(-1).to(backprop.dtype)
    else:
        coefficient = torch.ones(len(index), dtype=backprop.dtype)
    return _without_padding(layer, example, index, example, coefficient, backprop)


def linear_terms(layer: nn.Linear, inputs: Tensor, backprop: Tensor) -> list[tuple[nn.Parameter, Terms]]:
    """Return the terms of a linear layer's weight and bias.

    Args:
        layer: a linear layer.
        inputs: (b, in) or (b, ..., in); what lies between is positions.
        backprop: (b, out) or (b, ..., out).
    """
    if inputs.dim() < 2:
        raise InvalidRowsError("A linear layer was given one vector; customers come first.")
    examples, positions = len(inputs), inputs[0, ..., 0].numel() if len(inputs) else 1
    left = backprop.reshape(examples, positions, layer.out_features)
    right = inputs.detach().reshape(examples, positions, layer.in_features).to(left.dtype)
    terms: list[tuple[nn.Parameter, Terms]] = [(_own(layer.weight), OuterTerms(left=left, right=right))]
    if layer.bias is not None:
        ones = torch.ones(examples, positions, 1, dtype=left.dtype)
        terms.append((_own(layer.bias), OuterTerms(left=left, right=ones)))
    return terms


def _sampled(layer: nn.Module, inputs: Tensor, backprop: Tensor) -> list[tuple[nn.Parameter, Terms]]:
    """Return whole gradients from Opacus, which are kept for every example at once."""
    # Opacus takes 100 MB, which a model of embeddings and linear layers alone does not need.
    from opacus.grad_sample import GradSampleHooks
    from opacus.grad_sample.functorch import ft_compute_per_sample_gradient

    sampler = GradSampleHooks.GRAD_SAMPLERS.get(type(layer), ft_compute_per_sample_gradient)
    found = sampler(layer, [inputs], backprop)
    return [(parameter, DenseTerms(gradients=gradient.detach())) for parameter, gradient in found.items()]


def _own(parameter: Tensor) -> nn.Parameter:
    """Say what torch's annotations leave out: weights of layers are parameters."""
    return cast("nn.Parameter", parameter)


def _bag_lengths(layer: nn.EmbeddingBag, given: BagInput) -> Tensor:
    if given.input.dim() == 2:
        return torch.full((len(given.input),), given.input.shape[1])
    offsets = given.offsets
    if given.input.dim() != 1 or offsets is None:
        raise InvalidRowsError("An embedding bag takes (b, n) tokens, or (n,) tokens with offsets.")
    offsets = offsets.long()
    if not layer.include_last_offset:
        offsets = torch.cat([offsets, offsets.new_tensor([given.input.numel()])])
    return offsets.diff()


def _without_padding(
    layer: nn.Embedding | nn.EmbeddingBag,
    example: Tensor,
    index: Tensor,
    vector: Tensor,
    coefficient: Tensor,
    vectors: Tensor,
) -> RowTerms:
    if layer.padding_idx is not None:
        kept = index != layer.padding_idx
        example, index, vector, coefficient = (c[kept] for c in (example, index, vector, coefficient))
    return RowTerms(example=example, index=index, vector=vector, coefficient=coefficient, vectors=vectors)
