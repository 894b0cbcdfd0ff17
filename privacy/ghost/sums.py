"""A clipped sum of gradients that is written out only where it is needed.

The sum over examples of clip_i * gradient_i needs no gradients: scaling the small factor of each term (a
linear layer's input, a row's coefficient) by clip_i and multiplying once gives it. Kept in that form, the sum
of a table of 200,000 rows is as small as the batch; `add_rows` writes any block of rows on demand, so that no
table of gradients ever exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from highstreet.privacy.ghost.terms import OuterTerms, RowTerms, Terms

__all__ = ["ClippedSum", "GradientSum", "weighted_sum"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GradientSum:
    """The weighted sum of one parameter's per-example gradients, as a matrix of (rows, columns).

    Attributes:
        shape: of the parameter. A vector counts as a matrix of one column.
        products: pairs (left, right), shapes (n, rows) and (n, columns), adding left^T right.
        index: (n,), ascending, rows that `values` are added to; a row may come several times.
        values: (n, columns).
        dense: added as it is, or None; shape (rows, columns).
    """

    shape: torch.Size
    products: tuple[tuple[Tensor, Tensor], ...]
    index: Tensor
    values: Tensor
    dense: Tensor | None

    @property
    def is_sparse(self) -> bool:
        """Whether rows not in `index` are zero."""
        return not self.products and self.dense is None

    def add_rows(self, block: Tensor, *, start: int, factor: float = 1.0) -> None:
        """Add factor times rows start, start + 1, ... of the sum to a block of (rows, columns), in place."""
        stop = start + len(block)
        for left, right in self.products:
            block.addmm_(left[:, start:stop].T, right, alpha=factor)
        if self.dense is not None:
            block.add_(self.dense[start:stop], alpha=factor)
        first, last = torch.searchsorted(self.index, torch.tensor([start, stop])).tolist()
        if last > first:
            block.index_add_(0, self.index[first:last] - start, self.values[first:last], alpha=factor)

    def to_dense(self) -> Tensor:
        """Return the whole sum in the parameter's shape."""
        whole = torch.zeros(self.shape, dtype=self.values.dtype)
        self.add_rows(_as_matrix(whole), start=0)
        return whole


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClippedSum:
    """The sum over examples of gradients clipped to a norm; nothing private yet.

    Attributes:
        gradients: the sum, by parameter.
        norms: (b,), upper bounds, exact up to rounding, of the norms before the clip. Not private.
        examples: b.
    """

    gradients: dict[nn.Parameter, GradientSum]
    norms: Tensor
    examples: int


def weighted_sum(terms: Sequence[Terms], weights: Tensor, shape: torch.Size) -> GradientSum:
    """Return the sum over examples of weight times gradient, in factors.

    Args:
        terms: every use of one parameter.
        weights: (b,), one for each example.
        shape: of the parameter.
    """
    products, index, values = [], [], []
    dense: Tensor | None = None
    columns = shape[1:].numel() if len(shape) > 1 else 1
    for each in terms:
        if isinstance(each, OuterTerms):
            scaled = each.right * weights.to(each.right.dtype)[:, None, None]
            products.append((each.left.flatten(end_dim=1), scaled.flatten(end_dim=1)))
        elif isinstance(each, RowTerms):
            factor = each.coefficient * weights.to(each.coefficient.dtype)[each.example]
            index.append(each.index)
            values.append(each.vectors[each.vector] * factor.unsqueeze(1))
        else:
            dense = _plus(
                dense, _as_matrix(torch.tensordot(weights.to(each.gradients.dtype), each.gradients, 1))
            )
    rows = torch.cat(index) if index else torch.zeros(0, dtype=torch.int64)
    order = torch.argsort(rows, stable=True)
    kind = _dtype(terms)
    added = torch.cat(values)[order] if values else torch.zeros(0, columns, dtype=kind)
    return GradientSum(shape=shape, products=tuple(products), index=rows[order], values=added, dense=dense)


def _as_matrix(tensor: Tensor) -> Tensor:
    """View a parameter's shape as (rows, columns)."""
    return tensor.flatten(start_dim=1) if tensor.dim() > 1 else tensor.reshape(-1, 1)


def _plus(sum_so_far: Tensor | None, added: Tensor) -> Tensor:
    return added if sum_so_far is None else sum_so_far + added


def _dtype(terms: Sequence[Terms]) -> torch.dtype:
    first = terms[0]
    if isinstance(first, OuterTerms):
        return first.left.dtype
    return first.vectors.dtype if isinstance(first, RowTerms) else first.gradients.dtype
