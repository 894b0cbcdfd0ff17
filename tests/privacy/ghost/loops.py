"""The slow way: a backward pass for each example alone, by autograd."""

from __future__ import annotations

import copy

import torch


def one_by_one(module, loss, batch):
    """Return each example's whole gradient as rows of a matrix, in double precision."""
    plain = copy.deepcopy(module).double()
    parameters = [p for p in plain.parameters() if p.requires_grad]
    rows = []
    for i in range(len(batch[0])):
        one = [_double(part[i : i + 1]) for part in batch]
        gradients = torch.autograd.grad(loss(plain(one[0]), *one[1:]).sum(), parameters, allow_unused=True)
        flat = [
            (torch.zeros_like(p) if g is None else g).reshape(-1)
            for p, g in zip(parameters, gradients, strict=True)
        ]
        rows.append(torch.cat(flat))
    return torch.stack(rows) if rows else torch.zeros(0, sum(p.numel() for p in parameters))


def clipped_one_by_one(module, loss, batch, clipping_norm):
    """Return the sum of the rows, each scaled to a norm of at most C."""
    rows = one_by_one(module, loss, batch)
    norms = rows.norm(dim=1, keepdim=True)
    return (rows * (clipping_norm / norms.clamp(min=1e-300)).clamp(max=1.0)).sum(dim=0)


def flat_sum(module, total):
    """Return a ClippedSum in the order of the parameters."""
    parts = [total.gradients[p].to_dense().reshape(-1) for p in module.parameters() if p.requires_grad]
    return torch.cat(parts).double()


def _double(tensor):
    return tensor.double() if tensor.is_floating_point() else tensor
