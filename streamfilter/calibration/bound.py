"""How many false events an hour can be behind the few that were seen: exact upper bounds for counts.

Events are counted per clip, and clips differ: one street has a board that is taken for a logo all day, nine have none.
So the count of a clip is a Poisson count whose rate is drawn anew for every clip from a gamma distribution (Greenwood
and Yule 1920), and the total over clips is negative binomial: mean μ and shape A = a · n, for n clips of one length
and a gamma distribution of shape a. For clips of several lengths Kish's effective number takes the place of n, which
keeps mean and variance. As A grows this becomes the Poisson bound of Garwood (1936), and with no event the rule of
three (Hanley and Lippman-Hand 1983); no bound of this module is below those.

`a` can't be known from clips without an event. It does not change when events are thinned out, so it is estimated at
thresholds where there are events, and never taken to be above `ALIKE`: with few clips, little is known of the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ALIKE = 1.0
"""Largest shape that is believed: rates of clips differ at least as exponential ones do."""
LEAST_ALIKE = 0.02
FEW_EVENTS = 5
"""Fewer events say nothing of how they cluster."""
_SHAPES = np.exp(np.linspace(math.log(LEAST_ALIKE), math.log(ALIKE), 80))
_HALVINGS = 100
_INFINITE = 1e300


def count_upper(events: int, *, confidence: float, shape: float = math.inf) -> float:
    """The largest mean count that can have given so few `events`: at it, that few have the chance `1 - confidence`.

    `shape` is that of the negative binomial distribution; infinite, it is Poisson's and this is Garwood's bound.

    >>> round(count_upper(0, confidence=0.95), 2)
    3.0
    """
    return _root(lambda mean: count_chance(events, mean, shape) - (1 - confidence))


def rate_upper(events: int, hours: float, *, confidence: float, shape: float = math.inf) -> float:
    """`count_upper` as a rate per hour; infinite without any hour."""
    return count_upper(events, confidence=confidence, shape=shape) / hours if hours > 0 else math.inf


def count_chance(events: int, mean: float, shape: float = math.inf) -> float:
    """Chance, 0 to 1, of at most `events` when `mean` are expected: negative binomial; Poisson for infinite `shape`."""
    if mean <= 0:
        return 1.0
    steps = np.arange(1, events + 1, dtype=np.float64)
    if math.isinf(shape):
        first, ratios = -mean, math.log(mean) - np.log(steps)
    else:
        first = -shape * math.log1p(mean / shape)
        ratios = np.log((shape + steps - 1) / steps) - math.log1p(shape / mean)
    return min(1.0, _summed(first, ratios))


def share_upper(hits: int, trials: int, *, confidence: float) -> float:
    """Upper bound of Clopper and Pearson (1934) on a share, 0 to 1, of which `hits` of `trials` were seen."""
    if hits >= trials:
        return 1.0
    return _bisected(lambda share: share_chance(hits, trials, share) - (1 - confidence), 0.0, 1.0)


def share_chance(hits: int, trials: int, share: float) -> float:
    """Chance, 0 to 1, of at most `hits` in `trials` when each hits with the chance `share`: binomial."""
    if not 0 < share < 1:
        return float(share <= 0 or hits >= trials)
    steps = np.arange(1, hits + 1, dtype=np.float64)
    ratios = np.log((trials - steps + 1) / steps) + math.log(share) - math.log1p(-share)
    return min(1.0, _summed(trials * math.log1p(-share), ratios))


def effective_clips(hours: Sequence[float]) -> float:
    """Kish's effective number of clips, `(Σh)² / Σh²`: how many of one length would be as good. 0 without any."""
    lengths = np.asarray(hours, np.float64)
    return float(lengths.sum() ** 2 / (lengths**2).sum()) if lengths.sum() > 0 else 0.0


def likeness(counts: Sequence[Sequence[int]], hours: Sequence[float]) -> float:
    """How alike clips are: the smallest shape of their rates that any threshold shows, at most `ALIKE`.

    `counts`: per threshold the events of each clip; `hours`: the length of each clip. Thresholds with fewer than
    `FEW_EVENTS` events are left out.
    """
    lengths = np.asarray(hours, np.float64)
    rows = {tuple(row) for row in counts if sum(row) >= FEW_EVENTS}
    return min((_likeliest_shape(np.array(row), lengths) for row in rows), default=ALIKE)


def hours_needed(per_hour: float, hours: float, *, confidence: float, shape: float) -> float:
    """Hours without any event that carry the bound `per_hour`, when more clips come like those in `hours`.

    `shape` is that of the total over `hours`, and grows with them: the chance of no event, `(1 + μ / A)^−A`, falls
    exponentially with the hours.
    """
    decay = shape / hours * math.log1p(per_hour * hours / shape)
    return -math.log(1 - confidence) / decay


def _likeliest_shape(counts: NDArray[np.int64], hours: Floats) -> float:
    """The shape, `LEAST_ALIKE` to `ALIKE`, of greatest likelihood for the counts of clips, at their mean rate."""
    means = counts.sum() / hours.sum() * hours
    log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])
    shapes = _SHAPES[:, None]
    kinds, kind = np.unique(counts, return_inverse=True)  # few, however many clips there are
    terms = (log_gamma(kinds + shapes) - log_gamma(shapes))[:, kind] + shapes * np.log(shapes / (shapes + means))
    terms += counts * np.log(np.where(counts > 0, means, 1.0) / (shapes + means))
    return float(_SHAPES[int(terms.sum(axis=1).argmax())])


def _summed(first: float, log_ratios: Floats) -> float:
    """The sum of terms, given the logarithm of the first and those of each term over the one before."""
    logs = first + np.concatenate([[0.0], np.cumsum(log_ratios)])
    top = float(logs.max())
    return math.exp(top) * float(np.exp(logs - top).sum())


def _root(falling: Callable[[float], float]) -> float:
    """Where a function that falls over 0 to infinity goes through zero."""
    high = 1.0
    while falling(high) > 0 and high < _INFINITE:
        high *= 2
    return _bisected(falling, 0.0, high)


def _bisected(falling: Callable[[float], float], low: float, high: float) -> float:
    """The upper end of the interval in which a falling function goes through zero, once it can't be halved."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high
