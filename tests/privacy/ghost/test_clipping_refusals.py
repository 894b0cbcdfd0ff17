"""What would be given a wrong norm is refused: modules, rows, gradients and norms."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from highstreet.privacy.errors import (
    InvalidReleaseError,
    InvalidRowsError,
    NonFiniteRowsError,
    UnsupportedModuleError,
)
from highstreet.privacy.ghost import clip_and_sum
from tests.privacy.ghost.zoo import ITEMS, Bag, Sequence, loss, made


class ByHand(nn.Module):
    """A table embedded by its layer and multiplied by hand: Opacus 1.6 gives it a wrong norm."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(6, 3)

    def forward(self, inputs):
        return functional.linear(self.table(inputs.clamp(min=0)).sum(dim=1), self.table.weight)


class Overwriting(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.out = nn.Embedding(6, 3), nn.Linear(3, 6)

    def forward(self, inputs):
        hidden = torch.tanh(self.table(inputs.clamp(min=0)).sum(dim=1)) + 0
        outputs = self.out(hidden)
        hidden.mul_(2)
        return outputs


class Unreached(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.idle = nn.Embedding(6, 3), nn.Linear(3, 3)

    def forward(self, inputs):
        return self.table(inputs.clamp(min=0)).sum(dim=1)


class Flattened(nn.Module):
    """Positions taken for customers: the rows of a layer are no longer one for each."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(6, 3)

    def forward(self, inputs):
        return self.table(inputs.clamp(min=0).reshape(-1)).reshape(len(inputs), -1, 3).sum(dim=1)


class HalfShared(nn.Module):
    """A parameter shared by a linear layer and a layer that is sampled as a whole."""

    def __init__(self):
        super().__init__()
        self.table, self.out, self.normal = nn.Embedding(6, 3), nn.Linear(3, 3), nn.LayerNorm(3)
        self.normal.bias = self.out.bias

    def forward(self, inputs):
        return self.normal(self.out(self.table(inputs.clamp(min=0)).sum(dim=1)))


def with_table(**options):
    def build():
        module = Unreached()
        module.table, module.idle = nn.Embedding(6, 3, **options), nn.Identity()
        return module

    return build


def widest():
    module = Bag("two dimensions")
    module.bag = nn.EmbeddingBag(6, 3, mode="max")
    return module


def normalised():
    return nn.Sequential(nn.Embedding(6, 3), nn.BatchNorm1d(4), nn.Flatten())


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(ByHand, id="a table multiplied by hand"),
        pytest.param(Overwriting, id="an input overwritten after its use"),
        pytest.param(Unreached, id="a parameter the loss does not reach"),
        pytest.param(HalfShared, id="a parameter shared with a sampled layer"),
        pytest.param(with_table(max_norm=1.0), id="a table that renormalises itself"),
        pytest.param(with_table(scale_grad_by_freq=True), id="gradients scaled by the batch"),
        pytest.param(widest, id="a bag of mode max"),
        pytest.param(normalised, id="batch normalisation"),
    ],
)
def test_what_would_be_given_a_wrong_norm_is_refused(build):
    with pytest.raises(UnsupportedModuleError):
        clip_and_sum(made(build), loss, (ITEMS.clamp(min=0), ITEMS), clipping_norm=1.0)


def test_rows_that_are_not_one_for_each_customer_are_refused():
    with pytest.raises(InvalidRowsError):
        clip_and_sum(made(Flattened), loss, (ITEMS, ITEMS), clipping_norm=1.0)
    with pytest.raises(InvalidRowsError):
        clip_and_sum(made(Sequence), lambda o, t: loss(o, t).sum(), (ITEMS, ITEMS), clipping_norm=1.0)


def test_a_gradient_that_is_not_finite_is_refused():
    module = made(lambda: Bag("two dimensions"))
    with torch.no_grad():
        module.bag.weight[2, 1] = float("nan")
    with pytest.raises(NonFiniteRowsError):
        clip_and_sum(module, loss, (ITEMS, ITEMS), clipping_norm=1.0)


@pytest.mark.parametrize("clipping_norm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_clipping_norm_that_bounds_nothing_is_refused(clipping_norm):
    with pytest.raises(InvalidReleaseError):
        clip_and_sum(made(Sequence), loss, (ITEMS, ITEMS), clipping_norm=clipping_norm)
