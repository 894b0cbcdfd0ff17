"""Opacus' own accountants behind our interface: a second opinion, never the claim.

They know one contribution per privacy unit, sampled or not. PRV (Gopi, Lee and Wutschitz 2021,
arXiv:2106.02848) is tight; RDP (Mironov 2017, arXiv:1702.07476) is a looser bound that cannot be wrong in the
same way.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

import numpy as np
from opacus.accountants import PRVAccountant, RDPAccountant

from highstreet.privacy.accountant import accountable
from highstreet.privacy.errors import UnsupportedReleaseError
from highstreet.privacy.releases import GaussianRelease

__all__ = ["OpacusPrvAccountant", "OpacusRdpAccountant"]

_History = list[tuple[float, float, int]]


class OpacusPrvAccountant:
    """Opacus' PRV accountant: an upper bound, by default within 0.002 of the true epsilon."""

    def __init__(self, *, epsilon_error: float = 0.002) -> None:
        self._epsilon_error = epsilon_error

    def epsilon(self, releases: Iterable[GaussianRelease], *, delta: float) -> float:
        """Return an upper bound on epsilon; infinity without noise.

        Raises:
            UnsupportedReleaseError: several contributions to one sampled sum, or not accountable at all.
            InvalidReleaseError: delta is out of range.
        """
        history = _history(releases, delta=delta)
        if not history or math.isinf(history[0][0]):
            return math.inf if history else 0.0
        accountant = PRVAccountant()
        accountant.history = history
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            bound = float(accountant.get_epsilon(delta, eps_error=self._epsilon_error))
        return max(0.0, bound)


class OpacusRdpAccountant:
    """Opacus' RDP accountant: an upper bound, loose by up to a quarter."""

    def epsilon(self, releases: Iterable[GaussianRelease], *, delta: float) -> float:
        """Return an upper bound on epsilon; infinity without noise.

        Raises:
            UnsupportedReleaseError: several contributions to one sampled sum, or not accountable at all.
            InvalidReleaseError: delta is out of range.
        """
        history = _history(releases, delta=delta)
        if not history or math.isinf(history[0][0]):
            return math.inf if history else 0.0
        accountant = RDPAccountant()
        accountant.history = history
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return max(0.0, float(accountant.get_epsilon(delta)))


def _history(releases: Iterable[GaussianRelease], *, delta: float) -> _History:
    """Return Opacus' (noise multiplier, sampling rate, steps); one infinite entry when there is no noise."""
    programme = accountable(releases, delta=delta)
    if any(contributions > 1 for (_, _, contributions), _ in programme):
        raise UnsupportedReleaseError("Opacus' accountants know one contribution per privacy unit.")
    if any(noise == 0 for (noise, _, _), _ in programme):
        return [(math.inf, 1.0, 1)]
    return [(noise, rate, steps) for (noise, rate, _), steps in programme]
