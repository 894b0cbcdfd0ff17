from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from highstreet.models import item_likelihood
from highstreet.models.item_likelihood import item_likelihood_loss


def by_torch(scores, items):
    return -torch.log_softmax(scores, dim=1).gather(1, items).mean(dim=1)


@given(st.integers(0, 5), st.integers(1, 9), st.integers(1, 4), st.sampled_from([1, 10, 1000]))
@settings(max_examples=60, deadline=None)
def test_it_is_torchs_log_softmax_with_the_same_gradient(customers, catalogue, taken, size):
    generator = torch.Generator().manual_seed(catalogue)
    scores = torch.randn(customers, catalogue, generator=generator, dtype=torch.float64) * size
    items = torch.randint(0, catalogue, (customers, taken), generator=generator)
    weights = torch.randn(customers, generator=generator, dtype=torch.float64)
    ours, theirs = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    got, expected = item_likelihood_loss(ours * 1, items), by_torch(theirs, items)
    assert torch.allclose(got, expected, atol=1e-12)
    (gradient,) = torch.autograd.grad((got * weights).sum(), ours)
    (by_autograd,) = torch.autograd.grad((expected * weights).sum(), theirs)
    assert torch.allclose(gradient, by_autograd, atol=1e-12)


@pytest.mark.parametrize("block", [1, 7, 1 << 21])
def test_the_blocks_it_works_in_change_nothing(monkeypatch, block):
    monkeypatch.setattr(item_likelihood, "_BLOCK", block)
    scores, items = torch.arange(12.0).reshape(3, 4).sin(), torch.tensor([[0, 0], [1, 3], [2, 2]])
    assert torch.allclose(item_likelihood_loss(scores.clone(), items), by_torch(scores, items))


def test_huge_scores_neither_overflow_nor_vanish():
    scores = torch.tensor([[1e30, 0.0], [-1e30, -1e30]])
    losses = item_likelihood_loss(scores, torch.tensor([[0], [1]]))
    assert torch.allclose(losses, torch.tensor([1.0, 2.0]).log())
