"""The Gaussian mechanism on a grid: a clipped sum goes in, noisy integers for the wire come out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.errors import (
    GridOverflowError,
    InvalidReleaseError,
    InvalidRowsError,
    NonFiniteRowsError,
)
from highstreet.privacy.noise import NoiseSource, standard_normals
from highstreet.privacy.releases import GaussianRelease, customer_release
from highstreet.privacy.summing import ROUNDING_SLACK

__all__ = ["GaussianMechanism"]

#: Share of the clipping norm that rounding to the grid may cost.
_ROUNDING_SHARE = 2.0**-10
#: Share of the noise stddev that a grid step may fall short of.
_NOISE_SHARE = 2.0**-23
_LARGEST = 2.0**62
#: Largest value on the wire.
_WIRE_LIMIT = 2**31 - 1
_MAX_DIMENSION = 1 << 24
_MAX_NOISE_MULTIPLIER = 2.0**12


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianMechanism:
    """Adds Gaussian noise to a clipped sum, both on a grid of integers, so that floating point leaks nothing.

    Guarantee: what `privatise` returns is a Gaussian release with exactly `noise_multiplier`, for adding or
    removing one customer, if the sums differ by at most clipping_norm (1 + ROUNDING_SLACK), as
    `clipped_row_sum` and `clipped_gradient_sum` promise.

    Proof. Let S and S' be the sums of neighbouring data sets and g the grid step. Rounding moves each
    coordinate by at most g/2, so the integer sums, times g, differ by at most
    clipping_norm (1 + ROUNDING_SLACK) + g sqrt(d) = `sensitivity`. Write Q for an integer sum and N for a
    vector of exact normals with stddev noise_multiplier * sensitivity / g. What is sent is Q + round(N) =
    round(Q + N), limited to 32 bits: a function of Q + N, which is the Gaussian mechanism with multiplier
    noise_multiplier. A value over the limit is cut, not refused, because a refusal would tell of the data.

    Departure: N is a double-precision normal with a 63-bit tail (`noise.standard_normals`). With
    s = noise stddev / g, an outcome's probability is off by a factor of at most 1 + 2^-45 s where the density
    is above 2^-18, and by at most 2^-63 elsewhere. One release of d coordinates is therefore at most
    d s 2^-44 above its epsilon and d s 2^-60 above its delta: 0.000004 and 6e-11 for d = 1,000 and a noise
    multiplier of 1, where s is about 2^16.

    Attributes:
        dimension: number of coordinates d.
        clipping_norm: L2 bound on one customer's contribution.
        noise_multiplier: noise stddev over sensitivity, above 0. There is no mechanism without noise.
    """

    dimension: int
    clipping_norm: float
    noise_multiplier: float

    def __post_init__(self) -> None:
        sound = (
            0 < self.dimension <= _MAX_DIMENSION
            and math.isfinite(self.clipping_norm)
            and 2.0**-500 < self.clipping_norm < 2.0**500
            and 0 < self.noise_multiplier <= _MAX_NOISE_MULTIPLIER
        )
        if not sound:
            raise InvalidReleaseError(
                f"No mechanism has dimension {self.dimension}, clipping norm {self.clipping_norm} and noise "
                f"multiplier {self.noise_multiplier}."
            )

    @property
    def grid_step(self) -> float:
        """Size of one integer step in the unit of the sum: a power of two, from public numbers alone.

        Fine enough that rounding adds at most 2^-10 to the sensitivity, but never so fine that the noise
        takes more than 2^24 steps of the 2^31 there are.
        """
        wanted = self.clipping_norm * max(
            _ROUNDING_SHARE / math.sqrt(self.dimension), _NOISE_SHARE * self.noise_multiplier
        )
        return 2.0 ** math.floor(math.log2(wanted))

    @property
    def sensitivity(self) -> float:
        """L2 bound on the change of the rounded sum when one customer is added or removed; see the proof."""
        return self.clipping_norm * (1 + ROUNDING_SLACK) + self.grid_step * math.sqrt(self.dimension)

    @property
    def noise_stddev(self) -> float:
        """Stddev of the noise per coordinate, in the unit of the sum."""
        return self.noise_multiplier * self.sensitivity

    def release(self, *, sampling_rate: float = 1.0) -> GaussianRelease:
        """Describe one use of this mechanism for the accountant."""
        return customer_release(noise_multiplier=self.noise_multiplier, sampling_rate=sampling_rate)

    def encode(self, clipped_sum: NDArray[np.float64]) -> NDArray[np.int64]:
        """Round a clipped sum to the grid. Not private: for the mechanism and the secure sum only.

        Raises:
            InvalidRowsError: another shape than (dimension,).
            NonFiniteRowsError: NaN or infinity.
            GridOverflowError: a coordinate beyond 2^62 steps.
        """
        if clipped_sum.shape != (self.dimension,):
            raise InvalidRowsError(f"A sum must have shape ({self.dimension},), not {clipped_sum.shape}.")
        if not np.isfinite(clipped_sum).all():
            raise NonFiniteRowsError("A sum holds NaN or infinity; nothing was released.")
        return _to_grid(clipped_sum / self.grid_step)

    def noise(self, source: NoiseSource) -> NDArray[np.int64]:
        """Draw the noise of one full mechanism, as integers."""
        return _to_grid(standard_normals(source, self.dimension) * (self.noise_stddev / self.grid_step))

    def privatise(self, clipped_sum: NDArray[np.float64], *, source: NoiseSource) -> NDArray[np.int64]:
        """Return the noisy integers that may leave, each within 32 bits; see the guarantee above.

        Raises:
            InvalidRowsError, NonFiniteRowsError, GridOverflowError: see `encode`.
        """
        noisy = self.encode(clipped_sum) + self.noise(source)
        limited: NDArray[np.int64] = np.clip(noisy, -_WIRE_LIMIT, _WIRE_LIMIT)
        return limited

    def decode(self, integers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return integers, or a sum of such vectors, in the unit of the sum.

        >>> mechanism = GaussianMechanism(dimension=2, clipping_norm=1.0, noise_multiplier=1.0)
        >>> mechanism.decode(mechanism.encode(np.array([0.5, -0.25]))).tolist()
        [0.5, -0.25]
        """
        return integers.astype(np.float64) * self.grid_step


def _to_grid(steps: NDArray[np.float64]) -> NDArray[np.int64]:
    if np.abs(steps).max(initial=0.0) >= _LARGEST:
        raise GridOverflowError("A sum does not fit the fixed-point grid; nothing was released.")
    return np.rint(steps).astype(np.int64)
