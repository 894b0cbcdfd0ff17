from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from highstreet.privacy.errors import (
    InvalidReleaseError,
    InvalidRowsError,
    NonFiniteRowsError,
    UnsupportedModuleError,
)
from highstreet.privacy.per_customer import batch_rows, clipped_gradient_sum
from highstreet.privacy.summing import ROUNDING_SLACK

torch.manual_seed(7)
CUSTOMERS = 9
DENSE = torch.randn(CUSTOMERS, 4, 5)
TOKENS = torch.randint(0, 7, (CUSTOMERS, 4))
TARGETS = torch.randn(CUSTOMERS, 4)


class OwnParameters(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(5)), nn.Parameter(torch.zeros(1))

    def forward(self, inputs):
        return inputs @ self.weight + self.bias


class Embedded(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.embedding, self.out = nn.Embedding(7, 3, **options), nn.Linear(3, 1)

    def forward(self, inputs):
        return self.out(self.embedding(inputs)).squeeze(-1)


class UsedTwice(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Linear(5, 5), nn.Linear(5, 1)

    def forward(self, inputs):
        return self.out(self.inner(torch.tanh(self.inner(inputs)))).squeeze(-1)


class Bag(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.bag, self.out = nn.EmbeddingBag(7, 3, **options), nn.Linear(3, 4)

    def forward(self, inputs):
        return self.out(self.bag(inputs))


class TiedByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 3)

    def forward(self, inputs):
        return self.embedding(inputs).mean(dim=1) @ self.embedding.weight[:4].T


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.out = nn.Embedding(7, 3), nn.Linear(3, 7, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, inputs):
        return self.out(self.embedding(inputs).mean(dim=1))[:, :4]


class PartlyFrozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.frozen, self.out = nn.Linear(5, 5).requires_grad_(False), nn.Linear(5, 1)

    def forward(self, inputs):
        return self.out(torch.tanh(self.frozen(inputs))).squeeze(-1)


class Unreached(nn.Module):
    def __init__(self):
        super().__init__()
        self.out, self.idle = nn.Linear(5, 1), nn.Linear(5, 1)

    def forward(self, inputs):
        return self.out(inputs).squeeze(-1)


def normed():
    return nn.Sequential(nn.Linear(5, 3), nn.LayerNorm(3), nn.Linear(3, 1), nn.Flatten())


def squares(outputs, targets):
    return ((outputs - targets) ** 2).reshape(len(outputs), -1).sum(dim=1)


def size(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def batches(inputs, targets, rows):
    return [(inputs[i : i + rows], targets[i : i + rows]) for i in range(0, len(inputs), rows)]


def ours(module, inputs, targets, clipping_norm, rows=4):
    return clipped_gradient_sum(
        module, squares, batches(inputs, targets, rows), dimension=size(module), clipping_norm=clipping_norm
    )


def one_at_a_time(module, inputs, targets, clipping_norm):
    """The slow way: a backward pass and a clip for each customer alone."""
    plain = copy.deepcopy(module).double().train()
    parameters = [p for p in plain.parameters() if p.requires_grad]
    total = np.zeros(size(module))
    for i in range(len(inputs)):
        one = inputs[i : i + 1].double() if inputs.is_floating_point() else inputs[i : i + 1]
        loss = squares(plain(one), targets[i : i + 1].double()).sum()
        gradient = torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters)]).numpy()
        total += gradient * min(1.0, clipping_norm / np.linalg.norm(gradient))
    return total


MODULES = [
    pytest.param(OwnParameters, DENSE, id="own parameters"),
    pytest.param(UsedTwice, DENSE, id="a layer used twice"),
    pytest.param(PartlyFrozen, DENSE, id="a frozen layer"),
    pytest.param(normed, DENSE, id="layer norm"),
    pytest.param(Embedded, TOKENS, id="embedding"),
    pytest.param(lambda: Embedded(padding_idx=0), TOKENS, id="padded embedding"),
    pytest.param(lambda: Bag(mode="sum"), TOKENS, id="embedding bag"),
    pytest.param(lambda: Bag(mode="mean", padding_idx=2), TOKENS, id="padded embedding bag"),
    pytest.param(Tied, TOKENS, id="tied embeddings"),
]


@pytest.mark.parametrize(("build", "inputs"), MODULES)
@pytest.mark.parametrize("clipping_norm", [0.7, 1e9])
def test_the_sum_is_that_of_single_customers_one_at_a_time(build, inputs, clipping_norm):
    module = build()
    expected = one_at_a_time(module, inputs, TARGETS, clipping_norm)
    for rows in (1, 4, CUSTOMERS):
        # Opacus adds 1e-6 to each norm before it divides: at most that much, near the clip.
        got = ours(module, inputs, TARGETS, clipping_norm, rows)
        assert np.linalg.norm(got - expected) <= CUSTOMERS * 2e-6
    # The twin: clipping the sum of a batch instead of each customer is far off.
    wrong = one_at_a_time(module, inputs, TARGETS, 1e9)
    wrong *= min(1.0, CUSTOMERS * 0.7 / np.linalg.norm(wrong))
    assert clipping_norm > 1 or np.linalg.norm(wrong - expected) > 1e-3


@pytest.mark.parametrize(("build", "inputs"), MODULES)
def test_removing_any_customer_moves_the_sum_by_at_most_the_clipping_norm(build, inputs):
    module = build()
    whole = ours(module, inputs, TARGETS, 0.7)
    changes = []
    for gone in range(CUSTOMERS):
        keep = [i for i in range(CUSTOMERS) if i != gone]
        changes.append(np.linalg.norm(whole - ours(module, inputs[keep], TARGETS[keep], 0.7)))
    assert max(changes) <= 0.7 * (1 + ROUNDING_SLACK)
    assert max(changes) > 0.69  # the bound is reached: these customers are clipped


def test_no_customer_and_an_empty_batch_add_nothing():
    module = OwnParameters()
    assert ours(module, DENSE[:0], TARGETS[:0], 1.0).tolist() == [0.0] * 6
    empty = (DENSE[:0], TARGETS[:0])
    mixed = [empty, (DENSE, TARGETS), empty]
    got = clipped_gradient_sum(module, squares, mixed, dimension=6, clipping_norm=1.0)
    assert np.array_equal(got, ours(module, DENSE, TARGETS, 1.0, rows=CUSTOMERS))


def test_a_customer_without_gradient_adds_nothing_and_harms_nobody():
    inputs, targets = DENSE.clone(), TARGETS.clone()
    inputs[3] = 0
    module = OwnParameters()
    targets[3] = module.bias.item()
    without = [i for i in range(CUSTOMERS) if i != 3]
    got, expected = ours(module, inputs, targets, 1.0), ours(module, DENSE[without], TARGETS[without], 1.0)
    assert np.allclose(got, expected, atol=1e-12)


def test_the_callers_module_is_left_as_it_was():
    module = nn.Sequential(OwnParameters()).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    names = {part: set(vars(part)) for part in module.modules()}
    ours(module, DENSE, TARGETS, 1.0)
    assert not module.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.dtype == torch.float32
    for part in module.modules():
        assert set(vars(part)) == names[part]
        assert not part._forward_hooks
        assert not part._backward_hooks
    for parameter in module.parameters():
        assert parameter.grad is None
        assert not hasattr(parameter, "grad_sample")
        assert not parameter._backward_hooks


def test_it_works_where_gradients_are_switched_off_around_it():
    with torch.no_grad():
        assert np.any(ours(OwnParameters(), DENSE, TARGETS, 1.0))


@pytest.mark.parametrize(
    ("build", "inputs"),
    [
        pytest.param(TiedByHand, TOKENS, id="a table tied by hand"),
        pytest.param(lambda: Embedded(scale_grad_by_freq=True), TOKENS, id="gradients scaled by the batch"),
        pytest.param(lambda: Embedded(max_norm=1.0), TOKENS, id="self-normalising embedding"),
        pytest.param(lambda: Bag(mode="max"), TOKENS, id="embedding bag of mode max"),
        pytest.param(lambda: nn.Sequential(nn.BatchNorm1d(4), nn.Linear(5, 1)), DENSE, id="batch norm"),
        pytest.param(
            lambda: nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(5, 1)),
            DENSE,
            id="batch norm without buffers",
        ),
        pytest.param(Unreached, DENSE, id="a parameter the loss does not reach"),
    ],
)
def test_a_module_whose_per_customer_gradients_would_be_wrong_is_refused(build, inputs):
    module = build()
    with pytest.raises(UnsupportedModuleError):
        ours(module, inputs, TARGETS, 1.0)


def test_a_gradient_that_is_not_finite_is_refused():
    for value in (float("nan"), float("inf")):
        inputs = DENSE.clone()
        inputs[2, 1, 1] = value
        with pytest.raises(NonFiniteRowsError):
            ours(OwnParameters(), inputs, TARGETS, 1.0)


def test_another_dimension_than_declared_is_refused():
    with pytest.raises(InvalidRowsError):
        clipped_gradient_sum(OwnParameters(), squares, [], dimension=7, clipping_norm=1.0)


def test_a_loss_that_is_not_one_number_per_customer_is_refused():
    with pytest.raises(InvalidRowsError):
        clipped_gradient_sum(
            OwnParameters(),
            lambda outputs, targets: ((outputs - targets) ** 2).sum(),
            [(DENSE, TARGETS)],
            dimension=6,
            clipping_norm=1.0,
        )


@pytest.mark.parametrize("clipping_norm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_clipping_norm_that_bounds_nothing_is_refused(clipping_norm):
    with pytest.raises(InvalidReleaseError):
        ours(OwnParameters(), DENSE, TARGETS, clipping_norm)


def test_physical_batches_keep_their_gradients_within_64_mebibytes():
    for dimension in (1, 1000, 10**5, 10**6, 10**9):
        rows = batch_rows(dimension)
        assert 1 <= rows <= 256
        assert rows == 1 or rows * dimension * 8 <= 64 * 2**20
