from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from highstreet.privacy.errors import InvalidReleaseError
from highstreet.privacy.ghost import clip_and_sum, noisy_step_, plain_step_, step
from highstreet.privacy.noise import SecureNoise, SeededNoise
from highstreet.privacy.normals import keyed_normals
from tests.privacy.ghost.loops import clipped_one_by_one

ITEMS = torch.tensor([[0, 0, 3], [1, 2, 3], [5, 5, 5], [9, 2, 0]])


class Tables(nn.Module):
    def __init__(self, items=50, width=4, *, tied=False):
        super().__init__()
        self.table = nn.EmbeddingBag(items, width, mode="mean")
        self.out = nn.Linear(width, items, bias=not tied)
        if tied:
            self.out.weight = self.table.weight

    def forward(self, inputs):
        return self.out(self.table(inputs))


def loss(outputs, items):
    return -torch.log_softmax(outputs, dim=1).gather(1, items).sum(dim=1)


def summed(module, clipping_norm=0.5, items=ITEMS):
    return clip_and_sum(module, loss, (items, items), clipping_norm=clipping_norm)


def flat(module):
    return torch.cat([p.detach().reshape(-1) for p in module.parameters()]).clone()


class Recorded:
    """Noise that can be looked at afterwards."""

    def __init__(self, seed=1):
        self.rng, self.drawn = np.random.default_rng(seed), []

    def __call__(self, numbers):
        numbers[:] = self.rng.standard_normal(len(numbers))
        self.drawn.append(numbers.copy())


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("block", [4, 37, 1 << 20])
def test_a_private_step_is_the_clipped_sum_plus_noise_in_every_coordinate(monkeypatch, tied, block):
    monkeypatch.setattr(step, "_BLOCK", block)
    torch.manual_seed(1)
    module = Tables(tied=tied).double()
    expected = clipped_one_by_one(module, loss, (ITEMS, ITEMS), 0.5)
    before, noise = flat(module), Recorded()
    noisy_step_(summed(module), noise, noise_stddev=0.3, learning_rate=0.7, denominator=20)
    noised = expected + 0.3 * torch.from_numpy(np.concatenate(noise.drawn)).double()
    assert torch.allclose(flat(module), before - 0.7 / 20 * noised, atol=1e-9)


@pytest.mark.parametrize("tied", [False, True])
def test_a_plain_step_is_the_clipped_sum(tied):
    module = Tables(tied=tied).double()
    expected, before = clipped_one_by_one(module, loss, (ITEMS, ITEMS), 0.5), flat(module)
    plain_step_(summed(module), learning_rate=0.7, denominator=20)
    assert torch.allclose(flat(module), before - 0.7 / 20 * expected, atol=1e-12)


def changed_rows(module, take):
    before = module.table.weight.detach().clone()
    take(module)
    return (module.table.weight.detach() != before).any(dim=1)


def test_every_row_of_a_table_changes_so_that_the_rows_tell_nothing():
    def private(module):
        with keyed_normals(SecureNoise()) as normals:
            noisy_step_(summed(module), normals.fill, noise_stddev=1.0, learning_rate=1.0, denominator=4)

    assert changed_rows(Tables(), private).all()

    # The twin: without noise the rows that changed are the items bought.
    def open_to_all(module):
        plain_step_(summed(module), learning_rate=1.0, denominator=4)

    rows = changed_rows(Tables(), open_to_all)
    assert set(rows.nonzero().flatten().tolist()) == set(ITEMS.flatten().tolist())


def test_an_empty_batch_is_a_step_of_noise_alone():
    module = Tables().double()
    before, noise = flat(module), Recorded()
    total = summed(module, items=ITEMS[:0])
    noisy_step_(total, noise, noise_stddev=2.0, learning_rate=1.0, denominator=1)
    drawn = 2 * torch.from_numpy(np.concatenate(noise.drawn)).double()
    assert torch.allclose(flat(module), before - drawn, atol=1e-12)


def test_the_noise_of_a_step_has_the_stddev_asked_for():
    module = Tables(items=20_000)
    before = flat(module)
    with keyed_normals(SeededNoise(4)) as normals:
        noisy_step_(
            summed(module, items=ITEMS[:0]), normals.fill, noise_stddev=3.0, learning_rate=1.0, denominator=6
        )
    moved = (flat(module) - before).double()
    tolerance = 5 * 0.5 / (2 * len(moved)) ** 0.5
    assert abs(moved.std() - 0.5) < tolerance
    assert abs(1.02 * moved.std() - 0.5) > tolerance  # a 2 % error would be seen


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_stddev": 0.0},
        {"noise_stddev": -1.0},
        {"noise_stddev": float("nan")},
        {"denominator": 0.0},
        {"denominator": float("nan")},
        {"learning_rate": float("inf")},
    ],
)
def test_a_step_that_protects_nobody_is_refused(wrong):
    module = Tables()
    before = flat(module)
    numbers = {"noise_stddev": 1.0, "learning_rate": 1.0, "denominator": 1.0} | wrong
    with pytest.raises(InvalidReleaseError):
        noisy_step_(summed(module), Recorded(), **numbers)
    assert torch.equal(flat(module), before)
