"""Confidence intervals by resampling: what a number would have been with other pictures or clips of the same kind.

Efron, "Bootstrap Methods: Another Look at the Jackknife" (Annals of Statistics, 1979), percentile intervals. What is
drawn with replacement are groups (source pictures, clips), never frames or windows of one: those are not independent.
A resample is a row of weights, how often each sample was drawn, so that every metric is one pass over a matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 1000
"""Resamples of an interval."""
CONFIDENCE = 0.95
"""Share of the resamples that lie inside it."""
_CELLS_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured number and its interval at `CONFIDENCE`; the bounds are None where nothing can be resampled."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


Metrics = dict[str, Floats]
Measure = Callable[[Floats], Metrics]
"""Takes weights `(B, n)` and gives each metric's value per row, `(B,)`."""


def resample(groups: NDArray[np.int64], strata: NDArray[np.int64], *, rounds: int, rng: np.random.Generator) -> Floats:
    """Weights `(rounds, n)`: in each row every stratum's groups were drawn with replacement, as many as it has.

    `groups`, `strata`: `(n,)`, what each sample belongs to; no group lies in two strata.
    """
    weights = np.zeros((rounds, len(groups)))
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        names, members = np.unique(groups[rows], return_inverse=True)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=rounds)
        weights[:, rows] = drawn[:, members]
    return weights


def estimate(
    measure: Measure, groups: NDArray[np.int64], strata: NDArray[np.int64], *, rounds: int = ROUNDS, seed: int = 0
) -> dict[str, Estimate]:
    """Every metric that `measure` gives, with its interval. The same seed gives the same interval.

    A metric that is not a number in some resamples (nothing to divide by) is judged by the others. With under two
    groups in every stratum there is no interval.
    """
    values = measure(np.ones((1, len(groups))))
    if all(len(np.unique(groups[strata == stratum])) < 2 for stratum in np.unique(strata)):
        return {name: Estimate(float(value[0])) for name, value in values.items()}
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS_AT_ONCE // max(1, len(groups)))
    parts = [
        measure(resample(groups, strata, rounds=min(step, rounds - done), rng=rng)) for done in range(0, rounds, step)
    ]
    return {
        name: _interval(float(value[0]), np.concatenate([part[name] for part in parts]))
        for name, value in values.items()
    }


def _interval(value: float, resampled: Floats) -> Estimate:
    numbers = resampled[np.isfinite(resampled)]
    if not len(numbers) or not np.isfinite(value):
        return Estimate(value)
    low, high = np.quantile(numbers, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(low), float(high))
