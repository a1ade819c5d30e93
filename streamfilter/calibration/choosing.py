"""The loosest threshold whose bound on false events an hour is within what is wanted.

Learn then Test with fixed-sequence testing (Angelopoulos, Bates, Candès, Jordan and Lei 2021; Bauer 1991): from the
strictest threshold on, each is tested for "more than wanted" with the exact bound of `bound`, and the first that can't
be told to be within ends the search. So the chance that the chosen one yields more than wanted is at most that of one
test, however many there are. Events grow fewer as thresholds grow stricter, so it does not matter that the thresholds
that are tried are taken from the footage.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.calibration.bound import count_chance, effective_clips, hours_needed, likeness, rate_upper

Floats = NDArray[np.float64]

NEAR_RANKS = 24
"""The most familiar strangers, of which each is a threshold; further ones stand apart by a tenth of their rank."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What the footage can carry: its hours and clips, and how alike the clips are (`shape` of the total)."""

    hours: float
    clips: int
    shape: float
    confidence: float

    def per_hour(self, events: int) -> float:
        """Most false events an hour that can be behind so many seen."""
        return rate_upper(events, self.hours, confidence=self.confidence, shape=self.shape)

    def hours_needed(self, per_hour: float) -> float:
        """Hours without an event, these among them, that would carry `per_hour`."""
        return hours_needed(per_hour, self.hours, confidence=self.confidence, shape=self.shape)


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen threshold, the events seen at it, and the promise: at most `per_hour`.

    `is_as_wanted` is False where the footage can't carry what was wanted; `missing_hours` says how much more is needed.
    """

    threshold: float
    events: int
    per_hour: float
    is_as_wanted: bool
    missing_hours: float = 0.0


def thresholds_to_try(values: Floats, others: Floats, own: float) -> list[float]:
    """Thresholds to try, the strictest first, which accepts none of `values`.

    `values`: unfamiliarity of the strangers, `(n,)`; `others`: that of true logos, tried too so that what they need is
    known; `own`: the model's threshold. No threshold accepts more than all of these.
    """
    steps = {*_ranked(np.unique(values)), *_ranked(np.unique(others)), own}
    if len(values):
        steps.add(float(np.nextafter(values.min(), -math.inf)))
    return sorted(steps)


def measure_footage(counts: Sequence[Sequence[int]], hours: Sequence[float], *, confidence: float) -> Bound:
    """What footage can carry, from the events per threshold and clip and the hours of each clip."""
    shape = likeness(counts, hours) * effective_clips(hours)
    return Bound(float(sum(hours)), len(hours), shape, confidence)


def choose(
    thresholds: Sequence[float], events: Sequence[int], bound: Bound, *, wanted_per_hour: float, own: float
) -> Choice:
    """Choose among thresholds, strictest first, with the false events seen at each; `own` is the model's.

    Where not even the strictest carries what is wanted, the promise is what that one carries, and the threshold is
    never looser than `own`: too little was seen to trust strangers more than training did.
    """
    best = _last_within(events, bound, wanted_per_hour)
    if best is not None:
        return Choice(thresholds[best], events[best], wanted_per_hour, is_as_wanted=True)
    least = bound.per_hour(events[0])
    quiet = _last_within(events, bound, least)
    index = min(quiet or 0, bisect_right(thresholds, own, lo=1) - 1)
    missing_hours = max(0.0, bound.hours_needed(wanted_per_hour) - bound.hours)
    return Choice(thresholds[index], events[index], least, is_as_wanted=False, missing_hours=missing_hours)


def _last_within(events: Sequence[int], bound: Bound, per_hour: float) -> int | None:
    """Index of the last threshold before the first that can't be told to be within; None when the first can't."""
    last = None
    for index, count in enumerate(events):
        if count_chance(count, per_hour * bound.hours, bound.shape) > 1 - bound.confidence + 1e-12:
            break
        last = index
    return last


def _ranked(values: Floats) -> list[float]:
    """Every one of the smallest values, fewer and fewer of the larger ones, and the largest."""
    ranks = list(range(min(NEAR_RANKS, len(values))))
    while ranks and ranks[-1] < len(values) - 1:
        ranks.append(min(len(values) - 1, max(ranks[-1] + 1, round(ranks[-1] * 1.1))))
    return values[ranks].tolist() if ranks else []
