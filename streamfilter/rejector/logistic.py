"""Logistic regression with an L2 penalty and no negative weight: evidence may be left out, but never turned around."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STEPS = 5000
TOLERANCE = 1e-9


class Logistic(NamedTuple):
    """`weights`: `(d,)`, 0 and up. The log odds of `x` `(n, d)` are `x @ weights + bias`."""

    weights: Floats
    bias: float


def fit_logistic(x: Floats, y: NDArray[np.bool_], *, sample_weight: Floats, penalty: float) -> Logistic:
    """Minimise  Σ wᵢ log(1 + exp(−yᵢ (xᵢ·β + b))) / Σ wᵢ + penalty ‖β‖² / 2  over β ≥ 0, by accelerated projected
    gradient descent (Beck and Teboulle, "A Fast Iterative Shrinkage-Thresholding Algorithm", 2009).

    `x`: `(n, d)`, best about standardised; `y`: `(n,)` bool.
    """
    rows = np.column_stack([x, np.ones(len(x))])
    shares = sample_weight / sample_weight.sum()
    ridge = np.append(np.full(x.shape[1], penalty), 0.0)
    step = 1.0 / (float(np.linalg.eigvalsh((rows * shares[:, None]).T @ rows)[-1]) / 4 + penalty)
    now = ahead = np.zeros(rows.shape[1])
    speed = 1.0
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-np.clip(rows @ ahead, -500, 500)))
        there = ahead - step * (rows.T @ (shares * (chances - y)) + ridge * ahead)
        there[:-1] = np.maximum(there[:-1], 0.0)
        if np.abs(there - now).max() < TOLERANCE:
            break
        faster = (1 + np.sqrt(1 + 4 * speed**2)) / 2
        # Momentum that points uphill is dropped (O'Donoghue and Candès, "Adaptive Restart", 2015).
        if (ahead - there) @ (there - now) > 0:
            speed, faster = 1.0, 1.0
        ahead = there + (speed - 1) / faster * (there - now)
        now, speed = there, faster
    return Logistic(there[:-1], float(there[-1]))
