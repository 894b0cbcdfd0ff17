"""Per-example gradients of one parameter, kept in the form in which backpropagation brings them.

A batch of b examples is never turned into b gradients. Three forms cover every layer:

- `RowTerms`: example i adds `coefficient * vector` to row `index` (embeddings, embedding bags);
- `OuterTerms`: example i adds left_is right_is^T for each position s (linear layers);
- `DenseTerms`: the gradients themselves, for small parameters only.

All have norms, and sums weighted per example. Norms are rounded up: `squared_norms` returns the squared norm
plus a bound on the rounding of its own computation, so that a clip by them is never too weak, even where
large terms cancel.

Sources: Goodfellow 2015, arXiv:1510.01799 (linear layers); Lee & Kifer 2021, arXiv:2009.03106 (norms first,
    gradients
never); Li et al. 2022, arXiv:2110.05679, section 4 (sequences); Denison et al. 2023, "Private ad modeling",
and Ghazi et al. 2023, arXiv:2311.08357 (embeddings: rows of one example are added up before the norm is
taken).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["DenseTerms", "OuterTerms", "RowTerms", "Terms", "squared_norms"]

#: Numbers a temporary array may hold; 16 MiB in single precision.
_TEMPORARY = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowTerms:
    """Terms of a table's gradient: example[n] adds coefficient[n] * vectors[vector[n]] to row index[n].

    Attributes:
        example: (n,), int64, ascending or not.
        index: (n,), int64, row of the table.
        vector: (n,), int64, row of `vectors`.
        coefficient: (n,), of the vectors' type.
        vectors: (m, d); several terms may share one, as in an embedding bag.
    """

    example: Tensor
    index: Tensor
    vector: Tensor
    coefficient: Tensor
    vectors: Tensor

    def values(self) -> Tensor:
        """Return what each term adds, shape (n, d)."""
        return self.vectors[self.vector] * self.coefficient.unsqueeze(1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OuterTerms:
    """Terms of a matrix's gradient: example i adds the sum over s of left[i, s] right[i, s]^T.

    Attributes:
        left: (b, s, rows), the gradient of the layer's output.
        right: (b, s, columns), the layer's input. A bias is a matrix of one column whose input is 1.
    """

    left: Tensor
    right: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DenseTerms:
    """The gradient of each example, shape (b, *shape of the parameter)."""

    gradients: Tensor


Terms = RowTerms | OuterTerms | DenseTerms


def squared_norms(terms: Sequence[Terms], *, examples: int) -> Tensor:
    """Return each example's squared norm of the sum of all its terms, rounded up.

    One parameter may be used several times, in several forms: an item table that is embedding and output
    layer at once has row terms and outer terms, and the norm of their sum has the product of the two in it.

    Args:
        terms: every use of one parameter; dense terms only if all are.
        examples: number of examples b.

    Returns:
        Shape (b,), double precision.
    """
    rows = [each for each in terms if isinstance(each, RowTerms)]
    outers = [each for each in terms if isinstance(each, OuterTerms)]
    dense = [each.gradients for each in terms if isinstance(each, DenseTerms)]
    if dense:
        return _dense(dense)
    total = torch.zeros(examples, dtype=torch.float64)
    table = _joined(rows) if rows else None
    if table is not None:
        total += _row_norms(table, examples)
    outer = _concatenated(outers) if outers else None
    if outer is None:
        return total * (1 + _unit(total))
    lengths = _lengths(outer)
    total += _outer_norms(outer, lengths)
    if table is not None:
        total = (total + 2 * _products(table, outer)).clamp(min=0)
    return total + _slack(table, lengths, unit=_unit(outer.left))


def _dense(gradients: Sequence[Tensor]) -> Tensor:
    """Return squared norms of gradients that are there."""
    whole = gradients[0] if len(gradients) == 1 else torch.stack(list(gradients)).sum(dim=0)
    flat = whole.flatten(start_dim=1) if whole.dim() > 1 else whole.unsqueeze(1)
    return flat.double().square().sum(dim=1) * (1 + _unit(flat))


def _joined(uses: Sequence[RowTerms]) -> RowTerms:
    """Return one list of terms for all uses of a table."""
    if len(uses) == 1:
        return uses[0]
    before = [0]
    for use in uses:
        before.append(before[-1] + len(use.vectors))
    return RowTerms(
        example=torch.cat([use.example for use in uses]),
        index=torch.cat([use.index for use in uses]),
        vector=torch.cat([use.vector + start for use, start in zip(uses, before, strict=False)]),
        coefficient=torch.cat([use.coefficient for use in uses]),
        vectors=torch.cat([use.vectors for use in uses]),
    )


def _concatenated(uses: Sequence[OuterTerms]) -> OuterTerms:
    """Return one set of positions for all uses of a matrix."""
    if len(uses) == 1:
        return uses[0]
    return OuterTerms(
        left=torch.cat([use.left for use in uses], dim=1), right=torch.cat([use.right for use in uses], dim=1)
    )


def _row_norms(terms: RowTerms, examples: int) -> Tensor:
    """Add up the terms of one example in one row, then square: never the other way round."""
    norms = torch.zeros(examples, dtype=torch.float64)
    if not len(terms.index):
        return norms
    rows = int(terms.index.max()) + 1
    if _one_vector_each(terms, examples):
        # A bag's terms all point one way: their coefficients are added up instead of vectors.
        key, place = torch.unique(terms.example * rows + terms.index, return_inverse=True)
        sums = torch.zeros(len(key), dtype=torch.float64)
        sums.index_add_(0, place, terms.coefficient.double())
        norms.index_add_(0, key // rows, sums.square())
        return norms * terms.vectors.double().square().sum(dim=1)
    key, place = torch.unique(terms.example * rows + terms.index, return_inverse=True)
    order = torch.argsort(place)
    step = max(1, _TEMPORARY // max(1, terms.vectors.shape[1]))
    ordered = place[order]
    for first in range(0, len(key), step):
        last = min(first + step, len(key))
        start, stop = torch.searchsorted(ordered, torch.tensor([first, last])).tolist()
        chosen = order[start:stop]
        values = terms.vectors[terms.vector[chosen]].double() * terms.coefficient[chosen].double().unsqueeze(
            1
        )
        summed = torch.zeros(last - first, values.shape[1], dtype=torch.float64)
        summed.index_add_(0, place[chosen] - first, values)
        norms.index_add_(0, key[first:last] // rows, summed.square().sum(dim=1))
    return norms


def _one_vector_each(terms: RowTerms, examples: int) -> bool:
    """Whether example i's terms are multiples of vector i, as in one embedding bag."""
    return len(terms.vectors) == examples and bool((terms.vector == terms.example).all())


def _lengths(terms: OuterTerms) -> Tensor:
    """Return the norm of each position's outer product, shape (b, s)."""
    left, right = (torch.linalg.vector_norm(each, dim=2).double() for each in (terms.left, terms.right))
    return torch.mul(left, right)


def _outer_norms(terms: OuterTerms, lengths: Tensor) -> Tensor:
    """Return the squared norm of the sum over positions, by whichever way is cheaper."""
    examples, positions, rows = terms.left.shape
    columns = terms.right.shape[2]
    if positions == 1:
        return lengths[:, 0].square()
    norms = torch.zeros(examples, dtype=torch.float64)
    by_pairs = positions * (rows + columns) <= rows * columns
    step = max(1, _TEMPORARY // max(1, positions**2 if by_pairs else rows * columns))
    for start in range(0, examples, step):
        left, right = terms.left[start : start + step], terms.right[start : start + step]
        if by_pairs:
            pairs = torch.bmm(left, left.mT).double().mul_(torch.bmm(right, right.mT))
            norms[start : start + step] = pairs.sum(dim=(1, 2)).clamp(min=0)
        else:
            sums = torch.bmm(left.mT, right).flatten(start_dim=1)
            norms[start : start + step] = torch.linalg.vector_norm(sums, dim=1).double().square()
    return norms


def _products(table: RowTerms, outer: OuterTerms) -> Tensor:
    """Return the products of the row parts and the outer parts: sums of (vector . right) left[index]."""
    examples, positions = outer.left.shape[:2]
    products = torch.zeros(examples, dtype=torch.float64)
    step = max(1, _TEMPORARY // max(1, positions * outer.right.shape[2]))
    for start in range(0, len(table.index), step):
        some = slice(start, start + step)
        example = table.example[some]
        along = torch.einsum(
            "nd,nsd->ns", table.vectors[table.vector[some]].double(), outer.right[example].double()
        )
        at_rows = outer.left[example, :, table.index[some]].double()
        parts = (along * at_rows).sum(dim=1) * table.coefficient[some].double()
        products.index_add_(0, example, parts)
    return products


def _slack(table: RowTerms | None, lengths: Tensor, *, unit: float) -> Tensor:
    """Bound the rounding of a squared norm: a few units of the squared sum of the lengths of all terms.

    Row terms and mixed products are added up in double precision. The products of a linear layer come from
    matrix products in the layer's own precision, whose blocked sums err by a few units of the product of the
    lengths.
    """
    length = lengths.sum(dim=1)
    slack = length.square() * unit
    if table is not None:
        each = torch.linalg.vector_norm(table.vectors, dim=1).double()[table.vector]
        length.index_add_(0, table.example, each * table.coefficient.double().abs())
        slack += length.square() * _unit(length)
    return slack


def _unit(numbers: Tensor) -> float:
    """Return 16 units of rounding of this type."""
    return 8 * float(torch.finfo(numbers.dtype).eps)
