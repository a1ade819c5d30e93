"""Scores as probabilities: the curve that the model file keeps. `evaluation.reliability` says how well it does.

`scores`: `(n,)`, 0 to 1. `right`: `(n,)` bool, whether the label was right.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamfilter.probability import NEAREST, ProbabilityCurve

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FOLDS = 5
STAY = 1.0
"""How much the fit is pulled to a curve that changes nothing: as much as one event per parameter."""
_STEPS = 100


def fit_curve(scores: Floats, right: Bools, *, stay: float = STAY) -> ProbabilityCurve:
    """Beta calibration by logistic regression on `ln s` and `−ln(1 − s)`; a slope below 0 is fixed at 0 instead.

    `stay` is the weight of `(a − 1)² + (b − 1)² + c²` halved beside the log-likelihood: with few events the scores stay
    as they are.
    """
    clipped = np.clip(scores, NEAREST, 1 - NEAREST)
    inputs = np.stack([np.log(clipped), -np.log1p(-clipped), np.ones(len(clipped))], axis=1)
    free = [0, 1, 2]
    while True:
        a, b, c = _regress(inputs, right.astype(np.float64), free, stay)
        falling = [index for index, slope in ((0, a), (1, b)) if slope < 0]
        if not falling:
            return ProbabilityCurve(a, b, c)
        free.remove(falling[0] if a <= b or len(falling) == 1 else falling[-1])


def held_out(scores: Floats, right: Bools, clips: Sequence[Hashable]) -> Floats:
    """The probability of each score by a curve fitted without its clip, `(n,)`: what the curve does on other clips.

    Clips are dealt to at most `FOLDS` folds in their order.
    """
    numbers = {clip: i for i, clip in enumerate(dict.fromkeys(clips))}
    folds = np.array([numbers[clip] % FOLDS for clip in clips])
    values = scores.astype(np.float64, copy=True)
    for fold in np.unique(folds):
        mine = folds == fold
        if not mine.all():
            curve = fit_curve(scores[~mine], right[~mine])
            values[mine] = [curve(float(score)) for score in scores[mine]]
    return values


def _regress(inputs: Floats, targets: Floats, free: list[int], stay: float) -> tuple[float, float, float]:
    """Newton's method for the free ones of three parameters; the others are 0."""
    chosen = inputs[:, free]
    start = np.array([1.0, 1.0, 0.0])[free]
    values = start.copy()
    loss = _loss(chosen, targets, values, start, stay)
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-np.clip(chosen @ values, -500, 500)))
        slope = chosen.T @ (chances - targets) + stay * (values - start)
        curvature = (chosen * (chances * (1 - chances))[:, None]).T @ chosen + (stay + 1e-9) * np.eye(len(free))
        step = np.linalg.solve(curvature, slope)
        size = 1.0
        while (after := _loss(chosen, targets, values - size * step, start, stay)) > loss and size > 1e-9:
            size /= 2
        values, gain, loss = values - size * step, loss - after, after
        if gain < 1e-12 * max(1.0, math.fabs(loss)):
            break
    full = np.zeros(3)
    full[free] = values
    return float(full[0]), float(full[1]), float(full[2])


def _loss(inputs: Floats, targets: Floats, values: Floats, start: Floats, stay: float) -> float:
    logits = inputs @ values
    likelihood = np.logaddexp(0.0, logits) - targets * logits
    return float(likelihood.sum() + stay * ((values - start) ** 2).sum() / 2)
