"""A map of the features: points on a plane such that neighbours stay neighbours.

Van der Maaten and Hinton, "Visualizing Data using t-SNE" (JMLR 2008), the exact algorithm: n is at most a few hundred.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamfilter.evaluation.bootstrap import Floats

PERPLEXITY = 25.0
"""How many neighbours a point has, softly counted."""
_STEPS = 400
_EXAGGERATED = 100
_EXAGGERATION = 12.0
_SEARCHES = 50


def feature_map(embeddings: NDArray[np.float32]) -> Floats:
    """Places `(n, 2)`, each axis -1 to 1, for embeddings `(n, E)`; their direction counts, not their length.

    The same embeddings give the same map.
    """
    if len(embeddings) < 3:
        return np.zeros((len(embeddings), 2))
    rows = embeddings.astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    places = _descend(affinities(squared_distances(rows)), principal(rows))
    return np.asarray(places / np.maximum(np.abs(places).max(axis=0), 1e-12))


def principal(rows: Floats) -> Floats:
    """The two principal components of `(n, E)`, `(n, 2)`, at a small scale; signs are settled by the largest entry."""
    centered = rows - rows.mean(axis=0)
    left, values, _ = np.linalg.svd(centered, full_matrices=False)
    places = np.zeros((len(rows), 2))
    count = min(2, left.shape[1])
    places[:, :count] = left[:, :count] * values[:count]
    places *= np.where(places[np.abs(places).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    return np.asarray(1e-4 * places / max(float(places[:, 0].std()), 1e-12))


def squared_distances(rows: Floats) -> Floats:
    """`(n, n)` squared distances between rows `(n, d)`."""
    lengths = (rows**2).sum(axis=1)
    return np.asarray(np.maximum(lengths[:, None] - 2 * rows @ rows.T + lengths, 0.0))


def affinities(squared: Floats, *, perplexity: float = PERPLEXITY) -> Floats:
    """Joint probabilities `(n, n)`, symmetric and of sum 1, from squared distances `(n, n)`."""
    chances = neighbours(squared, perplexity=perplexity)
    return np.asarray((chances + chances.T) / (2 * len(squared)))


def neighbours(squared: Floats, *, perplexity: float) -> Floats:
    """How likely each point (row) is to pick each other, `(n, n)`: rows of sum 1, all of one perplexity."""
    count = len(squared)
    wanted = np.log(min(perplexity, (count - 1) / 3))
    off = ~np.eye(count, dtype=bool)
    nearest = np.where(off, squared, np.inf).min(axis=1, keepdims=True)
    shifted = np.where(off, squared - nearest, np.inf)
    low, high = np.full((count, 1), 1e-12), np.full((count, 1), 1e12)
    for _ in range(_SEARCHES):
        precision = np.sqrt(low * high)
        is_wide = _entropy(shifted, precision) > wanted
        low, high = np.where(is_wide, precision, low), np.where(is_wide, high, precision)
    return _chances(shifted, np.sqrt(low * high))


def _chances(shifted: Floats, precision: Floats) -> Floats:
    powers = np.exp(-shifted * precision)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _entropy(shifted: Floats, precision: Floats) -> Floats:
    chances = _chances(shifted, precision)
    logs = np.log(chances, out=np.zeros_like(chances), where=chances > 0)
    return -np.asarray((chances * logs).sum(axis=1, keepdims=True))


def _descend(joint: Floats, start: Floats) -> Floats:
    """Gradient descent with momentum and a gain per coordinate, as in the paper."""
    places, step, gains = start.copy(), np.zeros_like(start), np.ones_like(start)
    rate = max(len(start) / _EXAGGERATION / 4, 50.0)
    for number in range(_STEPS):
        early = number < _EXAGGERATED
        slope = _slope(joint * (_EXAGGERATION if early else 1.0), places)
        gains = np.maximum(np.where(np.sign(slope) == np.sign(step), gains * 0.8, gains + 0.2), 0.01)
        step = (0.5 if early else 0.8) * step - rate * gains * slope
        places = places + step
        places -= places.mean(axis=0)
    return places


def _slope(joint: Floats, places: Floats) -> Floats:
    closeness = 1 / (1 + squared_distances(places))
    np.fill_diagonal(closeness, 0.0)
    pull = (joint - closeness / closeness.sum()) * closeness
    return np.asarray(4 * (pull.sum(axis=1)[:, None] * places - pull @ places))
