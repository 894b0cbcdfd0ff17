"""A contrast: the mean of a group's figures, or what it is less everybody else's, with its error.

The error adds two variances. One is from which persons were judged: with a group's mean m over n pairs, each
pair has the influence (x - m) / n, others' with the sign turned; influences are summed by person, so that one
who shops in several stores, perhaps on both sides, counts once, and g such sums S give g / (g - 1) sum S^2
(Liang and Zeger 1986, the intercept-only case, as in `models.comparison`). The other is from the training's
randomness: the variance between the seeds' contrasts, over the number of seeds. Their degrees of freedom are
put together after Welch and Satterthwaite, so that few seeds that differ widen the interval as they should.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from highstreet.models.comparison import InvalidComparisonError

__all__ = ["Contrast", "contrast"]

Values = NDArray[np.float64]
Chosen = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A mean or a difference of two, and its error.

    Attributes:
        mean: of the group, less the others' where there are others.
        error: standard error.
        degrees: of freedom of the error.
        units: pairs of the group that have a figure.
        persons: in them.
    """

    mean: float
    error: float
    degrees: float
    units: int
    persons: int

    def reach(self, misses: float) -> float:
        """Return half the width of the interval that misses the truth so often.

        >>> still = Contrast(mean=1.0, error=0.0, degrees=9.0, units=10, persons=10)
        >>> still.reach(0.05)
        0.0
        """
        return float(student_t.ppf(1 - misses / 2, self.degrees)) * self.error if self.error > 0 else 0.0


def contrast(
    values: Values,
    persons: NDArray[np.integer],
    inside: Chosen,
    outside: Chosen | None = None,
    *,
    fewest_persons: int = 2,
) -> Contrast | None:
    """Return a group's mean over pairs and seeds, less that of others if given; None with too few persons.

    Args:
        values: (seeds, units); NaN, in every seed alike, where a pair has no figure.
        persons: (units,) whose pair it is.
        inside: (units,) the group.
        outside: (units,) whom the group is compared with; apart from it.
        fewest_persons: with a figure, on either side; at least 2.

    Raises:
        InvalidComparisonError: shapes do not fit, or a pair has a figure in some seeds only.

    Worked, one seed, every pair another person: 1, 3 against 5, 9: means 2 and 7; influences -.5, .5 and
    1, -1; 4 / 3 of .25 + .25 + 1 + 1 is 3.3333.

    >>> four, group = np.arange(4), np.array([True, True, False, False])
    >>> found = contrast(np.array([[1.0, 3.0, 5.0, 9.0]]), four, group, ~group)
    >>> found.mean, round(found.error**2, 4)
    (-5.0, 3.3333)
    """
    _check(values, persons, inside, outside)
    has = ~np.isnan(values[0])
    sides = [(inside & has, 1.0)] + ([] if outside is None else [(outside & has, -1.0)])
    counts = [len(np.unique(persons[side])) for side, _ in sides]
    if min(counts) < max(fewest_persons, 2):
        return None
    seeds = len(values)
    influence, by_seed = np.zeros(values.shape[1]), np.zeros(seeds)
    for side, sign in sides:
        chosen = values[:, side]
        by_seed += sign * chosen.mean(axis=1)
        influence[side] += sign * (chosen.mean(axis=0) - chosen.mean()) / chosen.shape[1]
    taken = np.logical_or.reduce([side for side, _ in sides])
    _, index = np.unique(persons[taken], return_inverse=True)
    sums = np.bincount(index, weights=influence[taken])
    of_persons = len(sums) / (len(sums) - 1) * float(sums @ sums)
    of_seeds = float(by_seed.var(ddof=1)) / seeds if seeds > 1 else 0.0
    return Contrast(
        mean=float(by_seed.mean()),
        error=float(np.sqrt(of_persons + of_seeds)),
        degrees=_degrees((of_persons, min(counts) - 1), (of_seeds, seeds - 1)),
        units=int(sides[0][0].sum()),
        persons=counts[0],
    )


def _check(values: Values, persons: NDArray[np.integer], inside: Chosen, outside: Chosen | None) -> None:
    shapes = {persons.shape, inside.shape, *([] if outside is None else [outside.shape])}
    if values.ndim != 2 or not len(values) or shapes != {values.shape[1:]}:
        raise InvalidComparisonError(f"{values.shape} values came with columns of {sorted(shapes)}.")
    missing = np.isnan(values)
    if (missing != missing[0]).any():
        raise InvalidComparisonError("A pair has a figure under some seeds only.")
    if outside is not None and (inside & outside).any():
        raise InvalidComparisonError("A pair is on both sides of a comparison.")


def _degrees(*parts: tuple[float, int]) -> float:
    """Welch and Satterthwaite: of a sum of variances, each with its own degrees of freedom."""
    total = sum(variance for variance, _ in parts)
    below = sum(variance**2 / degrees for variance, degrees in parts if variance > 0)
    return total**2 / below if below > 0 else float(parts[0][1])
