"""Small modules of every known shape over the histories of five customers, and their loss."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from highstreet.privacy.ghost import clip_and_sum

#: Items of each customer; -1 stands for nothing, so that histories differ in length and may be empty.
ITEMS = torch.tensor([[0, 0, 3, 0], [1, 2, 3, 4], [-1, -1, -1, -1], [5, -1, 5, 0], [2, -1, -1, -1]])


class Bag(nn.Module):
    """An embedding bag in each of torch's forms, and an output layer over the items."""

    def __init__(self, form="offsets", mode="sum", *, tied=False, padding=None, items=6, width=3):
        super().__init__()
        self.form = form
        last = form == "last offset"
        self.bag = nn.EmbeddingBag(items, width, mode=mode, padding_idx=padding, include_last_offset=last)
        self.out = nn.Linear(width, items, bias=not tied)
        if tied:
            self.out.weight = self.bag.weight

    def forward(self, inputs):
        return self.out(torch.tanh(self.history(inputs)))

    def history(self, inputs):
        lengths = (inputs >= 0).sum(dim=1)
        flat = inputs[inputs >= 0]
        ends = lengths.cumsum(dim=0)
        if self.form == "two dimensions":
            return self.bag(inputs.clamp(min=0))
        weights = (1.0 + flat).sqrt().to(self.bag.weight.dtype) / 3
        if self.form == "weights":
            return self.bag(flat, ends - lengths, weights)
        if self.form == "weights by name":
            return self.bag(input=flat, offsets=ends - lengths, per_sample_weights=weights)
        if self.form == "two dimensions, weights":
            return self.bag(inputs.clamp(min=0), per_sample_weights=(2.0 + inputs).to(self.bag.weight.dtype))
        if self.form == "last offset":
            return self.bag(flat, torch.cat([ends - lengths, ends[-1:] if len(ends) else ends.new_zeros(1)]))
        return self.bag(flat, ends - lengths)


class Sequence(nn.Module):
    """A table of tokens, a linear layer used twice over positions, layer normalisation, an output."""

    def __init__(self, *, tied=False, padding=None, items=6, width=3):
        super().__init__()
        self.table = nn.Embedding(items, width, padding_idx=padding)
        self.mix = nn.Linear(width, width)
        self.normal = nn.LayerNorm(width)
        self.out = nn.Linear(width, items, bias=not tied)
        if tied:
            self.out.weight = self.table.weight

    def forward(self, inputs):
        hidden = self.mix(torch.tanh(self.mix(self.table(inputs.clamp(min=0)))))
        return self.out(self.normal(hidden)).sum(dim=1)


class TwoTables(nn.Module):
    """Two embeddings that share their rows, and a bag over the same rows."""

    def __init__(self):
        super().__init__()
        self.bag, self.one, self.two = (
            nn.EmbeddingBag(6, 3, mode="mean"),
            nn.Embedding(6, 3),
            nn.Embedding(6, 3),
        )
        self.one.weight = self.two.weight = self.bag.weight

    def forward(self, inputs):
        inputs = inputs.clamp(min=0)
        user = self.bag(inputs) + self.one(inputs[:, :2]).sum(dim=1)
        return torch.einsum("bd,btd->bt", user, self.two(inputs))


class Positions(nn.Module):
    """Linear layers over two axes of positions, and one without its weight trained."""

    def __init__(self):
        super().__init__()
        self.table, self.a, self.b = nn.Embedding(6, 8), nn.Linear(2, 5), nn.Linear(5, 3, bias=False)
        self.a.weight.requires_grad_(False)

    def forward(self, inputs):
        grid = self.table(inputs.clamp(min=0)).reshape(len(inputs), inputs.shape[1], 2, 2, 2)
        return self.b(torch.tanh(self.a(grid))).sum(dim=(1, 2, 3))


class OwnParameters(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.scale = nn.Embedding(6, 3), Scale()

    def forward(self, inputs):
        return self.scale(self.table(inputs.clamp(min=0))).sum(dim=1)


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor, self.inner = nn.Parameter(torch.randn(3)), nn.Linear(3, 3)

    def forward(self, inputs):
        return self.inner(inputs * self.factor)


def loss(outputs, targets):
    """Of one customer each: likelihood of the items, and squares so that it is not linear."""
    chosen = functional.one_hot(targets.clamp(min=0) % outputs.shape[1], outputs.shape[1]).sum(dim=1)
    likelihood = -(torch.log_softmax(outputs, dim=1) * chosen).sum(dim=1)
    return likelihood + outputs.square().sum(dim=1)


BAGS = [
    "offsets", "last offset", "two dimensions", "weights", "weights by name", "two dimensions, weights"
]  # fmt: skip
ZOO = [
    *[pytest.param(lambda f=f: Bag(f), id=f"bag, {f}") for f in BAGS],
    *[pytest.param(lambda f=f: Bag(f, "mean"), id=f"mean bag, {f}") for f in BAGS if "weights" not in f],
    *[pytest.param(lambda f=f: Bag(f, tied=True, padding=0), id=f"tied, padded bag, {f}") for f in BAGS],
    pytest.param(lambda: Bag("two dimensions", "mean", tied=True, padding=0), id="tied, padded mean bag"),
    pytest.param(Sequence, id="sequence"),
    pytest.param(lambda: Sequence(padding=3), id="padded sequence"),
    pytest.param(lambda: Sequence(tied=True, padding=0), id="tied, padded sequence"),
    pytest.param(lambda: Sequence(items=40, width=2), id="sequence with many items"),
    pytest.param(TwoTables, id="one table three times"),
    pytest.param(Positions, id="two axes of positions"),
    pytest.param(OwnParameters, id="parameters of its own"),
]


def made(build, seed=3):
    torch.manual_seed(seed)
    return build().train()


def without_a_clip(module):
    return clip_and_sum(module, loss, (ITEMS, ITEMS), clipping_norm=1e9)
