"""The ways of taking a training step that are compared, each as a function that takes one step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from highstreet.models.item_likelihood import item_likelihood_loss
from highstreet.privacy.ghost import ClippedSum, clip_and_sum, noisy_step_, plain_step_
from highstreet.privacy.ghost.capture import captured_terms
from highstreet.privacy.ghost.sums import weighted_sum
from highstreet.privacy.noise import SecureNoise
from highstreet.privacy.normals import keyed_normals
from highstreet.simulations.bench.step_case import CLIPPING_NORM, LEARNING_RATE, NOISE_MULTIPLIER, Case

__all__ = ["METHODS", "Method", "Step", "prepared"]

Step = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way of taking a step.

    Attributes:
        name: for tables and the command line.
        title: in words.
        prepare: gives a function that takes one step, for the length of a `with`.
        needed_bytes: about how much memory it takes beyond what all take.
        one_table: whether it can use one table on both sides.
    """

    name: str
    title: str
    prepare: Callable[[Case], Iterator[Step]]
    needed_bytes: Callable[[Case], int] = lambda case: 4 * 4 * case.items * case.customers
    one_table: bool = True


def _plain(case: Case) -> Iterator[Step]:
    """The private step's own way, without norms, clip or noise."""
    model, taken = case.model(), case.batch()
    ones = torch.ones(case.customers)

    def step() -> None:
        terms, examples = captured_terms(model, item_likelihood_loss, (taken, taken))
        sums = {p: weighted_sum(kinds, ones, p.shape) for p, kinds in terms.items()}
        del terms
        total = ClippedSum(gradients=sums, norms=ones, examples=examples)
        plain_step_(total, learning_rate=LEARNING_RATE, denominator=case.customers)

    yield step


def _private(case: Case, fill: Callable[[NDArray[np.float32]], None]) -> Step:
    model, taken = case.model(), case.batch()

    def step() -> None:
        total = clip_and_sum(model, item_likelihood_loss, (taken, taken), clipping_norm=CLIPPING_NORM)
        noisy_step_(
            total,
            fill,
            noise_stddev=NOISE_MULTIPLIER * CLIPPING_NORM,
            learning_rate=LEARNING_RATE,
            denominator=case.customers,
        )

    return step


def _private_secure(case: Case) -> Iterator[Step]:
    """Noise from AES keystreams, keyed by the operating system."""
    with keyed_normals(SecureNoise()) as normals:
        yield _private(case, normals.fill)


def _private_ordinary(case: Case) -> Iterator[Step]:
    """Noise from torch's own generator, one in each of as many threads as torch uses."""
    count = torch.get_num_threads()
    generators = [torch.Generator().manual_seed(seed) for seed in range(count)]
    with ThreadPoolExecutor(count) as workers:

        def fill(numbers: NDArray[np.float32]) -> None:
            pieces = torch.from_numpy(numbers).tensor_split(count)
            for _ in workers.map(_fill_by_torch, pieces, generators):
                pass

        yield _private(case, fill)


def _fill_by_torch(piece: Tensor, generator: torch.Generator) -> None:
    piece.normal_(generator=generator)


def _stock_losses(scores: Tensor, taken: Tensor) -> Tensor:
    return -torch.log_softmax(scores, dim=1).gather(1, taken).mean(dim=1)


def _stock(case: Case) -> Iterator[Step]:
    """Autograd and torch's optimizer, as in any tutorial; no privacy."""
    model, taken = case.model(), case.batch()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step() -> None:
        optimizer.zero_grad()
        _stock_losses(model(taken), taken).mean().backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()

    yield step


def _opacus_ghost(case: Case) -> Iterator[Step]:
    """Opacus' ghost clipping: two backward passes, dense noise."""
    from opacus.grad_sample import GradSampleModuleFastGradientClipping
    from opacus.optimizers import DPOptimizerFastGradientClipping
    from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping

    taken = case.batch()
    model = GradSampleModuleFastGradientClipping(
        case.model(bag=False), loss_reduction="mean", max_grad_norm=CLIPPING_NORM
    )
    optimizer = DPOptimizerFastGradientClipping(
        torch.optim.SGD(model.parameters(), lr=LEARNING_RATE),
        noise_multiplier=NOISE_MULTIPLIER,
        max_grad_norm=CLIPPING_NORM,
        expected_batch_size=case.customers,
    )

    def step() -> None:
        losses = _stock_losses(model(taken), taken)
        DPTensorFastGradientClipping(model, optimizer, losses).backward()
        optimizer.step()
        optimizer.zero_grad()

    yield step


def _opacus_hooks(case: Case) -> Iterator[Step]:
    """Opacus' hooks: a gradient of every table for every customer."""
    from opacus.grad_sample import GradSampleModule
    from opacus.optimizers import DPOptimizer

    taken = case.batch()
    model = GradSampleModule(case.model(bag=False), loss_reduction="mean")
    optimizer = DPOptimizer(
        torch.optim.SGD(model.parameters(), lr=LEARNING_RATE),
        noise_multiplier=NOISE_MULTIPLIER,
        max_grad_norm=CLIPPING_NORM,
        expected_batch_size=case.customers,
    )

    def step() -> None:
        _stock_losses(model(taken), taken).mean().backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    yield step


def _every_gradient(case: Case) -> int:
    """Both tables for every customer, one of them twice while Opacus copies it."""
    return 3 * case.items * case.width * case.customers * 4


METHODS = {
    each.name: each
    for each in (
        Method(name="plain", title="optimised, no privacy", prepare=_plain),
        Method(name="ordinary", title="private, ordinary noise", prepare=_private_ordinary),
        Method(name="secure", title="private, cryptographic noise", prepare=_private_secure),
        Method(name="stock", title="stock autograd, no privacy", prepare=_stock),
        Method(name="opacus-ghost", title="Opacus ghost clipping", prepare=_opacus_ghost, one_table=False),
        Method(
            name="opacus-hooks",
            title="Opacus hooks",
            prepare=_opacus_hooks,
            needed_bytes=_every_gradient,
            one_table=False,
        ),
    )
}


@contextmanager
def prepared(method: Method, case: Case) -> Iterator[Step]:
    """Give a function that takes one step by this method."""
    with warnings.catch_warnings():
        # torch warns that inputs need no gradient whenever full backward hooks are used.
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        yield from method.prepare(case)
