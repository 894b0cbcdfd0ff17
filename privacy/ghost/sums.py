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

#: Rows written out at a time.
_ROWS = 1 << 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GradientSum:
    """The weighted sum of one parameter's per-example gradients, as a matrix of (rows, columns).

    Attributes:
        shape: of the parameter. A vector counts as a matrix of one column.
        dtype: of the sum.
        products: pairs (left, right), shapes (n, rows) and (n, columns), adding left^T right.
        rows: terms of single rows, weighted, ordered by row; one for each use of a table.
        dense: added as it is, or None; shape (rows, columns).
    """

    shape: torch.Size
    dtype: torch.dtype
    products: tuple[tuple[Tensor, Tensor], ...]
    rows: tuple[RowTerms, ...]
    dense: Tensor | None

    @property
    def is_sparse(self) -> bool:
        """Whether rows that no term names are zero."""
        return not self.products and self.dense is None

    def add_rows(self, block: Tensor, *, start: int, factor: float = 1.0) -> None:
        """Add factor times rows start, start + 1, ... of the sum to a block of (rows, columns), in place."""
        stop = start + len(block)
        for left, right in self.products:
            block.addmm_(left[:, start:stop].T, right, alpha=factor)
        if self.dense is not None:
            block.add_(self.dense[start:stop], alpha=factor)
        for terms in self.rows:
            first, last = torch.searchsorted(terms.index, torch.tensor([start, stop])).tolist()
            for some in _slices(first, last):
                values = terms.vectors[terms.vector[some]].mul_(terms.coefficient[some].unsqueeze(1))
                block.index_add_(0, terms.index[some] - start, values, alpha=factor)

    def to_dense(self) -> Tensor:
        """Return the whole sum in the parameter's shape."""
        whole = torch.zeros(self.shape, dtype=self.dtype)
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
    products, rows = [], []
    dense: Tensor | None = None
    for each in terms:
        if isinstance(each, OuterTerms):
            scaled = each.right * weights.to(each.right.dtype)[:, None, None]
            products.append((each.left.flatten(end_dim=1), scaled.flatten(end_dim=1)))
        elif isinstance(each, RowTerms):
            rows.append(_weighted_rows(each, weights))
        else:
            sums = torch.tensordot(weights.to(each.gradients.dtype), each.gradients, 1)
            dense = _plus(dense, _as_matrix(sums))
    return GradientSum(
        shape=shape, dtype=_dtype(terms), products=tuple(products), rows=tuple(rows), dense=dense
    )


def _weighted_rows(terms: RowTerms, weights: Tensor) -> RowTerms:
    """Return the terms times their examples' weights, ordered by row."""
    index, order = torch.sort(terms.index, stable=True)
    example = terms.example[order]
    return RowTerms(
        example=example,
        index=index,
        vector=terms.vector[order],
        coefficient=terms.coefficient[order] * weights.to(terms.coefficient.dtype)[example],
        vectors=terms.vectors,
    )


def _slices(first: int, last: int) -> list[slice]:
    """Cut a range into pieces whose rows stay in a processor's cache."""
    return [slice(at, min(at + _ROWS, last)) for at in range(first, last, _ROWS)]


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
