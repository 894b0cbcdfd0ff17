"""Norms and clipped sums are those of single examples, for every shape of module that is known."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from highstreet.privacy.ghost import clip_and_sum
from highstreet.privacy.ghost.capture import captured_terms
from highstreet.privacy.ghost.terms import RowTerms, squared_norms
from tests.privacy.ghost.loops import clipped_one_by_one, flat_sum, one_by_one
from tests.privacy.ghost.zoo import BAGS, ITEMS, ZOO, Bag, Sequence, loss, made, without_a_clip


@pytest.mark.parametrize("build", ZOO)
def test_norms_are_those_of_single_examples_by_autograd(build):
    for module, tolerance in ((made(build), 2e-5), (made(build).double(), 1e-12)):
        norms = without_a_clip(module).norms
        exact = one_by_one(module, loss, (ITEMS, ITEMS)).norm(dim=1)
        assert torch.allclose(norms, exact, rtol=tolerance, atol=0)


@pytest.mark.parametrize("build", ZOO)
@pytest.mark.parametrize("clipping_norm", [0.3, 3.0, 1e9])
def test_the_sum_is_that_of_single_examples_clipped_one_at_a_time(build, clipping_norm):
    module = made(build).double()
    total = clip_and_sum(module, loss, (ITEMS, ITEMS), clipping_norm=clipping_norm)
    expected = clipped_one_by_one(module, loss, (ITEMS, ITEMS), clipping_norm)
    assert torch.allclose(flat_sum(module, total), expected, rtol=1e-10, atol=1e-12)
    assert total.examples == len(ITEMS)


@pytest.mark.parametrize("build", ZOO)
def test_no_clipped_gradient_is_longer_than_the_clipping_norm(build):
    """Each example alone: the sum of one is its clipped gradient."""
    for module, slack in ((made(build), 2e-6), (made(build).double(), 1e-14)):
        for i in range(len(ITEMS)):
            one = ITEMS[i : i + 1]
            total = clip_and_sum(module, loss, (one, one), clipping_norm=0.1)
            assert flat_sum(module, total).norm() <= 0.1 * (1 + slack)
            assert total.norms[0] < 0.1 or flat_sum(module, total).norm() >= 0.1 * (1 - 1e-4)


@pytest.mark.parametrize("build", ZOO)
def test_removing_any_customer_moves_the_sum_by_at_most_the_clipping_norm(build):
    module = made(build).double()
    whole = flat_sum(module, clip_and_sum(module, loss, (ITEMS, ITEMS), clipping_norm=0.2))
    moved = []
    for gone in range(len(ITEMS)):
        rest = ITEMS[[i for i in range(len(ITEMS)) if i != gone]]
        without = flat_sum(module, clip_and_sum(module, loss, (rest, rest), clipping_norm=0.2))
        moved.append(float((whole - without).norm()))
    assert max(moved) <= 0.2 * (1 + 1e-12)
    assert max(moved) > 0.199  # the bound is reached


def squares_of_each_token(terms, examples):
    """The wrong way: square first, then add up."""
    each = terms.values().double().square().sum(dim=1)
    return torch.zeros(examples, dtype=torch.float64).index_add_(0, terms.example, each)


@pytest.mark.parametrize("build", [lambda: Bag("offsets"), Sequence], ids=["bag", "sequence"])
def test_the_sum_of_squares_over_repeated_items_is_seen_to_be_wrong(build):
    """The twin of the tests above: the norm most often got wrong, in the place where it goes wrong."""
    module = made(build).double()
    terms, examples = captured_terms(module, loss, (ITEMS, ITEMS))
    table = next(p for p in terms if p.shape == (6, 3) and isinstance(terms[p][0], RowTerms))
    rest = [i for i, p in enumerate(module.parameters()) if p is table]
    assert len(rest) == 1
    wrong = squares_of_each_token(terms[table][0], examples).sqrt()
    only_table = copy.deepcopy(module)
    for p in list(only_table.parameters())[: rest[0]] + list(only_table.parameters())[rest[0] + 1 :]:
        p.requires_grad_(False)
    exact = one_by_one(only_table, loss, (ITEMS, ITEMS)).norm(dim=1)
    got = clip_and_sum(only_table, loss, (ITEMS, ITEMS), clipping_norm=1.0).norms
    assert torch.allclose(got, exact, rtol=1e-12)
    assert wrong[0] < 0.99 * exact[0]  # customer 0 took item 0 three times


@pytest.mark.parametrize("build", [lambda: Bag("offsets", tied=True), lambda: Sequence(tied=True)])
def test_a_tied_table_without_the_product_of_its_two_uses_is_seen_to_be_wrong(build):
    module = made(build).double()
    terms, examples = captured_terms(module, loss, (ITEMS, ITEMS))
    table = next(kinds for kinds in terms.values() if len(kinds) == 2)
    together = squared_norms(table, examples=examples)
    apart = sum(squared_norms([each], examples=examples) for each in table)
    assert ((together - apart).abs() > 0.01 * apart).any()


@st.composite
def customers(draw):
    """A few customers' items: duplicates, empty histories, empty batches."""
    rows, length, items = draw(st.integers(0, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 5))
    cells = st.lists(st.integers(-1, items - 1), min_size=length, max_size=length)
    taken = draw(st.lists(cells, min_size=rows, max_size=rows))
    return torch.tensor(taken, dtype=torch.int64).reshape(rows, length), items


@given(
    customers(),
    st.sampled_from(BAGS),
    st.sampled_from(["sum", "mean"]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 4),
    st.sampled_from([0.05, 1.0, 50.0]),
)
@settings(max_examples=150, deadline=None)
def test_every_shape_of_bag_gives_the_loops_sum(taken, form, mode, tied, padded, width, clipping_norm):
    items, catalogue = taken
    mode = "sum" if "weights" in form else mode
    module = made(
        lambda: Bag(form, mode, tied=tied, padding=0 if padded else None, items=catalogue, width=width)
    ).double()
    total = clip_and_sum(module, loss, (items, items), clipping_norm=clipping_norm)
    expected = clipped_one_by_one(module, loss, (items, items), clipping_norm)
    got = flat_sum(module, total)
    assert torch.allclose(got, expected if len(items) else torch.zeros_like(got), rtol=1e-9, atol=1e-11)


@given(customers(), st.booleans(), st.booleans(), st.integers(1, 4), st.sampled_from([0.05, 1.0, 50.0]))
@settings(max_examples=75, deadline=None)
def test_every_shape_of_sequence_gives_the_loops_sum(taken, tied, padded, width, clipping_norm):
    items, catalogue = taken
    module = made(
        lambda: Sequence(tied=tied, padding=0 if padded else None, items=catalogue, width=width)
    ).double()
    total = clip_and_sum(module, loss, (items, items), clipping_norm=clipping_norm)
    got, expected = flat_sum(module, total), clipped_one_by_one(module, loss, (items, items), clipping_norm)
    assert torch.allclose(got, expected if len(items) else torch.zeros_like(got), rtol=1e-8, atol=1e-10)


class Cancelling(nn.Module):
    """A linear layer over two positions whose large contributions cancel but for a millionth."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(3, 3, bias=False)

    def forward(self, inputs):
        outputs = self.out(inputs)
        return outputs[:, 0] - outputs[:, 1]


def test_a_clip_holds_where_large_terms_cancel_in_single_precision():
    torch.manual_seed(5)
    first = torch.randn(200, 1, 3) * 300
    inputs = torch.cat([first, first + torch.randn(200, 1, 3) * 3e-4], dim=1)
    module = Cancelling()

    def lost(outputs, _):
        return outputs.sum(dim=1)

    exact = one_by_one(module, lost, (inputs, inputs)).norm(dim=1)
    norms = clip_and_sum(module, lost, (inputs, inputs), clipping_norm=1.0).norms
    assert (norms >= exact * (1 - 1e-9)).all()
    # The twin: the same products without the stated rounding are too short for some.
    pairs = torch.bmm(inputs, inputs.mT) * torch.tensor([[1.0, -1.0], [-1.0, 1.0]]) * 3
    assert (pairs.sum(dim=(1, 2)).clamp(min=0).sqrt() < 0.9 * exact).any()


def test_an_empty_batch_gives_a_sum_of_zeros():
    for build in (lambda: Bag("two dimensions", tied=True), Sequence):
        module = made(build)
        total = clip_and_sum(module, loss, (ITEMS[:0], ITEMS[:0]), clipping_norm=1.0)
        assert total.examples == 0
        assert total.norms.shape == (0,)
        assert not flat_sum(module, total).any()


def test_a_gradient_of_zero_stays_zero_and_harms_nobody():
    module = made(lambda: Bag("two dimensions", tied=True)).double()

    def silent(outputs, weights):
        return outputs.square().sum(dim=1) * weights

    weights = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    total = clip_and_sum(module, silent, (ITEMS, weights), clipping_norm=0.1)
    assert total.norms[1] == total.norms[3] == 0
    kept = [0, 2, 4]
    others = clip_and_sum(module, silent, (ITEMS[kept], weights[kept]), clipping_norm=0.1)
    assert torch.allclose(flat_sum(module, total), flat_sum(module, others), atol=1e-15)


def test_the_gradient_of_a_table_holds_no_row_nobody_touched():
    module = made(lambda: Bag("offsets", items=1000))
    total = clip_and_sum(module, loss, (ITEMS, ITEMS), clipping_norm=1.0)
    gradient = total.gradients[module.bag.weight]
    assert gradient.is_sparse
    assert set(gradient.rows[0].index.tolist()) == set(ITEMS[ITEMS >= 0].tolist())
    assert not total.gradients[module.out.weight].is_sparse


def test_the_module_is_left_as_it_was():
    module = made(lambda: Sequence(tied=True))
    parameters = [(name, id(p), p.clone()) for name, p in module.named_parameters(remove_duplicate=False)]
    without_a_clip(module)
    with pytest.raises(IndexError):
        clip_and_sum(module, loss, (ITEMS + 100, ITEMS), clipping_norm=1.0)
    after = list(module.named_parameters(remove_duplicate=False))
    assert [(n, i) for n, i, _ in parameters] == [(n, id(p)) for n, p in after]
    assert all(torch.equal(kept, p) for (_, _, kept), (_, p) in zip(parameters, after, strict=True))
    assert all(p.grad is None for p in module.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
