"""One backward pass that brings each layer's input and output gradient, and no parameter's gradient.

Each layer with parameters of its own is run on detached parameters, and its output passes a tap. Autograd
then never forms the gradient of a parameter; what it brings to the taps is all that norms and clipped sums
need. Because the parameters themselves stay in the graph wherever a module uses them outside their layer, a
gradient that arrives there is a use that nobody counted, and is refused: a tied table multiplied by hand
would otherwise be given a wrong norm without a word, as in Opacus 1.6.

Source: Bu et al. 2022, arXiv:2210.00038, algorithm 1 (book-keeping: one backward for norms and sums).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from highstreet.privacy.errors import InvalidRowsError, UnsupportedModuleError
from highstreet.privacy.ghost.layers import BagInput, is_factored, refuse_layer, terms_of
from highstreet.privacy.ghost.terms import DenseTerms, Terms

__all__ = ["captured_terms"]

Batch = Sequence[Tensor]
Loss = Callable[..., Tensor]


@dataclass(slots=True, eq=False)
class _Use:
    """One use of a layer: its input, and after the backward pass the gradient of its output."""

    layer: nn.Module
    inputs: tuple[Tensor | None, ...]
    backprop: Tensor | None = None
    versions: list[int] = field(default_factory=list)

    def kept(self) -> list[Tensor]:
        """Return what must stay as it was until norms are taken."""
        return [each for each in (*self.inputs, self.backprop) if each is not None]


class _Tap(torch.autograd.Function):
    """Hands its input on, and keeps the gradient that comes back; the anchor keeps it in the graph."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, output: Tensor, anchor: Tensor, use: _Use
    ) -> Tensor:
        ctx.use = use  # type: ignore[attr-defined]  # torch lets a context carry anything
        return output.view_as(output)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, backprop: Tensor) -> tuple[Tensor, None, None]:
        use: _Use = ctx.use  # type: ignore[attr-defined]  # set in forward
        use.backprop = backprop.detach()
        use.versions.append(backprop._version)
        return backprop, None, None


def captured_terms(
    module: nn.Module, loss: Loss, batch: Batch
) -> tuple[dict[nn.Parameter, list[Terms]], int]:
    """Run a batch forward and backward once; return what each example adds to each parameter's gradient.

    Args:
        module: in training mode; its parameters and hooks are as before afterwards.
        loss: `loss(module(inputs), *targets)`, one number per example, each of that example alone.
        batch: (inputs, *targets); the number of losses is the number of examples.

    Returns:
        The terms of each trainable parameter, and the number of examples.

    Raises:
        UnsupportedModuleError: a layer mixes examples, or a parameter is used outside its layer or not at
            all.
        InvalidRowsError: losses are not one number per example, or a layer's input has not the examples
            first.
    """
    trainable = [p for p in module.parameters() if p.requires_grad]
    uses: list[_Use] = []
    anchor = torch.zeros((), requires_grad=True)
    with torch.enable_grad(), _tapped(module, uses, anchor):
        inputs, *targets = batch
        losses = loss(module(inputs), *targets)
    if losses.dim() != 1:
        raise InvalidRowsError("A loss must be one number per customer.")
    _backward(losses, anchor, trainable)
    terms: dict[nn.Parameter, list[Terms]] = {p: [] for p in trainable}
    for use in uses:
        _keep(use, terms, examples=len(losses))
    for kinds in terms.values():
        _refuse_unreached(kinds)
    return terms, len(losses)


def _backward(losses: Tensor, anchor: Tensor, trainable: Sequence[nn.Parameter]) -> None:
    """Fill the taps; refuse a parameter that is reached without passing one."""
    if not losses.requires_grad:
        return
    _, *past = torch.autograd.grad(losses.sum(), [anchor, *trainable], allow_unused=True)
    if any(gradient is not None for gradient in past):
        raise UnsupportedModuleError(
            "A parameter is used outside the layer it belongs to; its per-customer norm would be wrong.",
            next_step="Give that use a layer that shares the parameter, as `out.weight = table.weight`.",
        )


def _keep(use: _Use, terms: dict[nn.Parameter, list[Terms]], *, examples: int) -> None:
    """Add the terms of one use to its parameters."""
    if use.backprop is None:
        return
    if [each._version for each in use.kept()] != use.versions:
        raise UnsupportedModuleError(
            "A layer's input or the gradient of its output was overwritten before it was used.",
            next_step="Replace operations in place, as relu_, by ones that make a new tensor.",
        )
    if len(use.backprop) != examples:
        raise InvalidRowsError("A layer was given another number of rows than there are customers.")
    for parameter, added in terms_of(use.layer, use.inputs, use.backprop):
        if parameter in terms:
            terms[parameter].append(added)


def _refuse_unreached(kinds: Sequence[Terms]) -> None:
    if not kinds:
        raise UnsupportedModuleError("A parameter has no gradient for each customer.")
    dense = sum(isinstance(each, DenseTerms) for each in kinds)
    if 0 < dense < len(kinds):
        raise UnsupportedModuleError(
            "A parameter is shared by layers of which only some have norms without gradients."
        )


@contextmanager
def _tapped(module: nn.Module, uses: list[_Use], anchor: Tensor) -> Iterator[None]:
    """Put hooks on every layer with parameters of its own, and take them off again."""
    hooks: list[RemovableHandle | _Swap] = []
    try:
        for part in module.modules():
            refuse_layer(part)
        for layer in _layers(module):
            swap = _Swap(layer, uses, anchor)
            hooks.append(layer.register_forward_pre_hook(swap.before))
            hooks.append(layer.register_forward_hook(swap.after, with_kwargs=True, always_call=False))
            hooks.append(swap)
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers with trainable parameters; not what lies inside one that is sampled as a whole."""
    if any(p.requires_grad for p in module.parameters(recurse=False)):
        yield module
        return
    for child in module.children():
        yield from _layers(child)


@dataclass(slots=True, eq=False)
class _Swap:
    """Hooks that run one layer on detached parameters, and remember its inputs."""

    layer: nn.Module
    uses: list[_Use]
    anchor: Tensor
    _kept: list[tuple[nn.Module, str, nn.Parameter]] = field(default_factory=list)

    def before(self, _layer: nn.Module, _inputs: tuple[Tensor, ...]) -> None:
        """Put detached parameters in the place of the layer's own."""
        for part in self.layer.modules():
            for name, parameter in list(part._parameters.items()):
                if parameter is not None and isinstance(parameter, nn.Parameter):
                    self._kept.append((part, name, parameter))
                    part._parameters[name] = parameter.detach()  # type: ignore[assignment]  # until remove

    def after(
        self, layer: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor], output: Tensor
    ) -> Tensor:
        """Put the parameters back and tap the output."""
        self.remove()
        if not isinstance(output, Tensor):
            raise UnsupportedModuleError("A layer with several outputs has no per-customer gradients here.")
        use = _Use(layer=layer, inputs=_inputs_of(layer, inputs, named))
        use.versions.extend(each._version for each in use.kept())
        self.uses.append(use)
        tapped: Tensor = _Tap.apply(output, self.anchor, use)  # type: ignore[no-untyped-call]  # torch's
        return tapped

    def remove(self) -> None:
        """Put the parameters back, also after a forward that failed."""
        while self._kept:
            part, name, parameter = self._kept.pop()
            part._parameters[name] = parameter


def _inputs_of(
    layer: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor]
) -> tuple[Tensor | None, ...]:
    """Return a forward's arguments in order."""
    if type(layer) is nn.EmbeddingBag:
        return tuple(BagInput(*inputs, **named))
    if len(inputs) + len(named) != 1 or not (is_factored(layer) or inputs):
        raise UnsupportedModuleError("A layer with several inputs has no per-customer gradients here.")
    return tuple(each.detach() for each in (*inputs, *named.values()))
