"""The distributed discrete Gaussian mechanism: each store adds a share of the noise, the sum carries it all.

The numbers that describe it are public and known before the round, so every machine derives the same grid.
Source: Kairouz, Liu and Steinke 2021, arXiv:2102.06387. Departures: rounding is to the nearest integer and
paid for in the worst case, nothing is rotated, coordinates are cut at the store, and what is accounted is a
Gaussian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from highstreet.privacy.discrete_gaussian import MAX_LOG2_STDDEV, discrete_gaussians
from highstreet.privacy.discreteness import Departure, departure
from highstreet.privacy.errors import InvalidReleaseError, InvalidRowsError, NonFiniteRowsError
from highstreet.privacy.noise import NoiseSource
from highstreet.privacy.releases import GaussianRelease, customer_release
from highstreet.privacy.secure_sum.field import HALF, MODULUS
from highstreet.privacy.summing import ROUNDING_SLACK

__all__ = ["DistributedMechanism"]

#: Share of the clipping norm that rounding may cost: as wanted, and at most.
_WANTED_ROUNDING = 2.0**-9
_MOST_ROUNDING = 2.0**-2
#: Clients a store must have room for in one coordinate, as a multiple of clients_per_store.
_ROOM = 4
#: Amount, in steps, by which dividing by the grid step may move a coordinate; generous, see the proof.
_DIVISION_SLACK = 2.0**-20
#: Relative amount by which the floating-point arithmetic of the grid step itself may be off; generous.
_ARITHMETIC_SLACK = 2.0**-40
_MAX_DIMENSION = 1 << 24
#: Below this b a sum of shares need not be close to one discrete Gaussian; see `_least_log2_stddev`.
_LEAST_LOG2_STDDEV = 2
_MAX_NOISE_MULTIPLIER = 2.0**12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """What the public numbers lead to; see DistributedMechanism."""

    share_log2_stddev: int
    grid_step: float
    largest_sum: int
    capacity_customers: int
    is_fine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributedMechanism:
    """Turns a store's clipped sum into its addend of a noisy sum; noise shares are exact discrete Gaussians.

    Guarantee: the sum of what `share` returns at `floor` or more stores, of which at most `colluders` tell
    their own addend, is a Gaussian release with `noise_multiplier`, for adding or removing one customer of a
    store that does not collude, up to `departure`, which `PldAccountant` adds. It is seen only as a sum,
    modulo 2^31 - 1, by everybody outside the store (the secure sum's part), and stores that do not collude
    draw their shares from SecureNoise (the caller's part: `require_secure`). What changes with the customer
    is the clipped sum of one store, by at most clipping_norm (1 + ROUNDING_SLACK), as `clipped_row_sum` and
    `clipped_gradient_sum` promise.

    Proof of the sensitivity. Let S and S' be the store's sums, g the grid step, d the dimension. `encode`
    divides by g, cuts each coordinate to -B .. B, B = largest_sum, and rounds. Cutting, which is
    t -> min(max(t, -B), B), moves no two numbers further apart, so the vectors stay within
    clipping_norm (1 + ROUNDING_SLACK) / g of each other. Rounding is by at most 1/2 on each side, and
    B < 2^30, so dividing in double precision is off by at most 2^-23 on each side: a coordinate's change
    grows by less than 1 + 2^-20. So the integer vectors differ by at most, in the Euclidean norm,

        `sensitivity` = clipping_norm (1 + ROUNDING_SLACK) / g + sqrt(d) (1 + 2^-20).

    With weights that add up to at most 1 over the stores of a person, the clipped sums of these stores move
    by at most clipping_norm (1 + ROUNDING_SLACK) together, but each of up to `shops_per_person` stores rounds
    for itself:

        `sensitivity` = clipping_norm (1 + ROUNDING_SLACK) / g + shops_per_person sqrt(d) (1 + 2^-20)

    bounds how far the integers of all stores together move when the person is added or removed, and it also
    bounds the customer of one store. Both are one contribution to a release with `noise_multiplier`.

    Proof of the noise. The f - c shares of stores that do not collude add up to independent noise per
    coordinate, which `departure` compares with normals of variance tau^2 = (f - c) 4^b - 1/12, rounded
    (see `discreteness`); g is chosen so that tau = noise_multiplier * sensitivity. Everything else in the
    sum is independent of that noise and of the customer: the other stores' sums, further shares of noise,
    the reduction modulo 2^31 - 1. For a person who is a customer of several stores, without weights, each of
    the sums changes by at most the sensitivity: `release_for_person` with ONCE_IN_SUM.

    Proof that sums come back whole. A sum of n discrete Gaussians is sub-Gaussian with variance proxy n 4^b
    (`discrete_gaussians`), so a coordinate of the noise reaches T with probability at most
    2 exp(-T^2 / (2 n 4^b)). T is chosen so that d times this is below 2^-40, and largest_sum so that
    n largest_sum + T <= (p - 1) / 2: except with that probability no coordinate of the sum of up to n stores
    wraps around p = 2^31 - 1. Privacy does not depend on it.

    The grid. b is the smallest at which rounding costs at most 2^-9 of the clipping norm, and is such that
    epsilon_extra of the departure stays below 2^-20: what has to be wide for that is the sum of the f - c
    shares, not each of them, so many stores may add small shares. A fine grid leaves less room for the sum
    itself: where a store would not have room for 4 clients_per_store customers that all contribute
    clipping_norm to one coordinate, the grid is made coarser, so that rounding costs up to a quarter of the
    clipping norm, which the noise makes up for; and beyond that the numbers are refused. Only +, -, *, / and
    square roots of double precision, which IEEE 754 rounds correctly, and integers are used: every machine
    gets the same g, b and largest_sum, bit for bit.

    Attributes:
        dimension: number of coordinates d.
        clipping_norm: L2 bound C on one customer's contribution.
        noise_multiplier: noise stddev over sensitivity, as promised; above 0.
        floor: fewest contributors f with which the sum is opened.
        colluders: stores c that may give their own addend away.
        stores: most contributors n that a sum can have.
        clients_per_store: customers a store may have, by weight; a public constant, for room only.
        shops_per_person: 1 where contributions are whole; else the most stores a person has weights above 0
            in.
        share_log2_stddev: b; one share of noise has stddev 2^b steps.
        grid_step: g, size of one integer step in the unit of the sum.
        largest_sum: a store's coordinate is cut to this many steps before noise is added.
        capacity_customers: customers a store can have who all contribute clipping_norm to one coordinate
            before cutting starts.

    Raises:
        InvalidReleaseError: a number is out of range, or the field has no room for this sum.
    """

    dimension: int
    clipping_norm: float
    noise_multiplier: float
    floor: int
    colluders: int
    stores: int
    clients_per_store: int
    shops_per_person: int = 1
    share_log2_stddev: int = field(init=False)
    grid_step: float = field(init=False)
    largest_sum: int = field(init=False)
    capacity_customers: int = field(init=False)

    def __post_init__(self) -> None:
        sound = (
            0 < self.dimension <= _MAX_DIMENSION
            and math.isfinite(self.clipping_norm)
            and 2.0**-500 < self.clipping_norm < 2.0**500
            and 0 < self.noise_multiplier <= _MAX_NOISE_MULTIPLIER
            and 0 <= self.colluders < self.floor <= self.stores <= HALF
            and self.clients_per_store > 0
            and 1 <= self.shops_per_person <= self.stores
        )
        if not sound:
            raise InvalidReleaseError(
                f"No mechanism has dimension {self.dimension}, clipping norm {self.clipping_norm}, noise "
                f"multiplier {self.noise_multiplier}, a floor of {self.floor}, {self.colluders} colluders "
                f"among {self.stores} stores, {self.clients_per_store} clients per store, and persons in up "
                f"to {self.shops_per_person} of them."
            )
        grid = self._finest_grid()
        for name in ("share_log2_stddev", "grid_step", "largest_sum", "capacity_customers"):
            object.__setattr__(self, name, getattr(grid, name))

    @property
    def sensitivity(self) -> float:
        """L2 bound on the change of the stores' integers by one privacy unit added or removed, in steps."""
        return self.clipping_norm * (1 + ROUNDING_SLACK) / self.grid_step + self._rounding()

    @property
    def rounding_share(self) -> float:
        """Share of the clipping norm that rounding adds: shops_per_person sqrt(d) g / C."""
        return self.shops_per_person * math.sqrt(self.dimension) * self.grid_step / self.clipping_norm

    @property
    def departure(self) -> Departure:
        """How far one sum at the floor is from the release that is accounted; less with more shares."""
        honest = self.floor - self.colluders
        return departure(dimension=self.dimension, shares=honest, log2_stddev=self.share_log2_stddev)

    def release(self, *, sampling_rate: float = 1.0) -> GaussianRelease:
        """Describe one sum for the accountant, as promised at the floor; see the guarantee."""
        return customer_release(noise_multiplier=self.noise_multiplier, sampling_rate=sampling_rate)

    def noise_multiplier_with(self, *, contributors: int, colluders: int) -> float:
        """Return the noise multiplier that so many contributors reach, of whom so many give theirs away.

        At the floor it is `noise_multiplier`, up to rounding; above it, the surplus.

        Raises:
            InvalidReleaseError: no contributor is left, or there are more than there are stores.
        """
        if not 0 <= colluders < contributors <= self.stores:
            raise InvalidReleaseError(
                f"There is no sum of {contributors} contributors, {colluders} of them colluding, among "
                f"{self.stores} stores."
            )
        return _accounted_stddev(contributors - colluders, self.share_log2_stddev) / self.sensitivity

    def noise_stddev(self, *, contributors: int) -> float:
        """Return the stddev of the noise in a sum of so many stores, per coordinate, in the unit of the sum.

        Raises:
            InvalidReleaseError: no contributor, or more than there are stores.
        """
        if not 0 < contributors <= self.stores:
            raise InvalidReleaseError(f"There is no sum of {contributors} among {self.stores} stores.")
        return self.grid_step * 2.0**self.share_log2_stddev * math.sqrt(contributors)

    def encode(self, clipped_sum: NDArray[np.float64]) -> NDArray[np.int64]:
        """Put a clipped sum on the grid, cut to largest_sum. Not private: for `share` and for tests.

        A coordinate over the limit is cut, not refused, because a refusal would tell of the data.

        Raises:
            InvalidRowsError: another shape than (dimension,).
            NonFiniteRowsError: NaN or infinity.
        """
        if clipped_sum.shape != (self.dimension,):
            raise InvalidRowsError(f"A sum must have shape ({self.dimension},), not {clipped_sum.shape}.")
        if not np.isfinite(clipped_sum).all():
            raise NonFiniteRowsError("A sum holds NaN or infinity; nothing was released.")
        with np.errstate(over="ignore"):  # an infinite quotient is cut like any other
            steps = clipped_sum.astype(np.float64) / self.grid_step
        return np.rint(np.clip(steps, -self.largest_sum, self.largest_sum)).astype(np.int64)

    def share(self, clipped_sum: NDArray[np.float64], *, source: NoiseSource) -> NDArray[np.int64]:
        """Return what a store puts into the secure sum: its cut, rounded sum and one share of the noise.

        Not private on its own: one share is less noise than promised. See the guarantee above.

        Args:
            clipped_sum: shape (dimension,), in the unit of the sum.
            source: of the noise; where real customers are protected the caller has it checked by
                `require_secure`.

        Returns:
            int64, shape (dimension,), reduced modulo p = 2^31 - 1 to -(p - 1) / 2 .. (p - 1) / 2.

        Raises:
            InvalidRowsError, NonFiniteRowsError: see `encode`.
        """
        encoded = self.encode(clipped_sum)
        return _centred(
            encoded + discrete_gaussians(source, self.dimension, log2_stddev=self.share_log2_stddev)
        )

    def decode(self, total: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return a sum of shares, modulo p or not, in the unit of the sum.

        Raises:
            InvalidRowsError: another shape than (dimension,), or no integers.

        >>> mechanism = DistributedMechanism(dimension=2, clipping_norm=1.0, noise_multiplier=1.0, floor=3,
        ...                                  colluders=1, stores=5, clients_per_store=100)
        >>> encoded = mechanism.encode(np.array([0.5, -0.25]))
        >>> np.abs(mechanism.decode(encoded) - [0.5, -0.25]).max() <= mechanism.grid_step / 2
        np.True_
        """
        if total.shape != (self.dimension,) or not np.issubdtype(total.dtype, np.signedinteger):
            raise InvalidRowsError(f"A total must be {self.dimension} signed integers.")
        return _centred(total.astype(np.int64)).astype(np.float64) * self.grid_step

    def _finest_grid(self) -> _Grid:
        """Return the finest grid wanted, or the finest there is room for."""
        best = None
        least = _least_log2_stddev(self.dimension, shares=self.floor - self.colluders)
        for b in range(least, MAX_LOG2_STDDEV + 1):
            grid = self._grid(b)
            if grid is None:
                continue
            if grid.capacity_customers < _ROOM * self.clients_per_store:
                break
            best = grid
            if grid.is_fine:
                break
        if best is None:
            raise InvalidReleaseError(
                f"A sum modulo 2^31 - 1 has no room for {self.stores} stores with {self.clients_per_store} "
                f"clients each, {self.dimension} coordinates, a floor of {self.floor} with {self.colluders} "
                f"colluders and a noise multiplier of {self.noise_multiplier}.",
                next_step="Lower the coordinates, the clients per store, the stores or the noise multiplier.",
            )
        return best

    def _grid(self, b: int) -> _Grid | None:
        """Return the grid on which a share has stddev 2^b; None where rounding would cost too much on it."""
        reach = _accounted_stddev(self.floor - self.colluders, b) / self.noise_multiplier
        rounding = self._rounding()
        room = reach - rounding
        if rounding > _MOST_ROUNDING * room:
            return None
        step = self.clipping_norm * (1 + ROUNDING_SLACK) / room * (1 + _ARITHMETIC_SLACK)
        largest = max(0, (HALF - self._noise_room(b)) // self.stores)
        return _Grid(
            share_log2_stddev=b,
            grid_step=step,
            largest_sum=largest,
            capacity_customers=int(largest * (step / self.clipping_norm)),
            is_fine=rounding <= _WANTED_ROUNDING * room,
        )

    def _rounding(self) -> float:
        """Return what rounding adds to the sensitivity, in steps."""
        return self.shops_per_person * math.sqrt(self.dimension) * (1 + _DIVISION_SLACK)

    def _noise_room(self, b: int) -> int:
        """Return T: a coordinate of n shares reaches it with probability below 2^-41 / d.

        That is where T^2 >= 2 n 4^b ln(2^42 d); d < 2^bits and ln 2 < 0.6932 make it an integer square root.
        """
        bits = self.dimension.bit_length()
        return math.isqrt(2 * self.stores * 4**b * (42 + bits) * 6932 // 10_000) + 1


def _accounted_stddev(shares: int, b: int) -> float:
    """Return tau, the stddev in steps that a sum of shares is accounted with; see `discreteness`."""
    return math.sqrt(shares * 4**b - 1 / 12)


def _least_log2_stddev(dimension: int, *, shares: int) -> int:
    """Return the smallest b >= 2 at which the variance v = shares 4^b of the sum has v^2 >= 2^24 d.

    Then 2 d eta < 2^-20 = EPSILON_EXTRA_LIMIT: up to d = 2^24 the comparison's u is below 12.1, so that
    eta - theta < 7.96 / v^2. From b = 2 on theta < 10 shares exp(-157), which is less than 1e-50 even for
    2^30 shares and d = 2^24, while 0.04 / v^2 is left for it. See `discreteness`.
    """
    b = _LEAST_LOG2_STDDEV
    while (shares << 2 * b) ** 2 < dimension << 24:
        b += 1
    return b


def _centred(integers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Reduce modulo p to -(p - 1) / 2 .. (p - 1) / 2."""
    return (integers % MODULUS + HALF) % MODULUS - HALF
