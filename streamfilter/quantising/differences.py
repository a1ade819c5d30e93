"""How far what two arithmetics say of the same pictures lies apart, where that could matter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamfilter.types import Candidate

COVERED = 0.98
"""Share of the differences that are no larger than what is given."""
UNDECIDED = (0.1, 0.9)
"""Probabilities between which thresholds lie. Outside, log odds differ by more and nothing comes of it."""
_ABSENT = 0.05
"""Stands for the probability of a label that one of the two did not find."""


def largest_difference(quick: Sequence[Sequence[Candidate]], sure: Sequence[Sequence[Candidate]]) -> float:
    """Of the log odds of labels in the same pictures, all but the largest two percent; 0 where none is undecided."""
    pairs = [
        (own.get(label, _ABSENT), other.get(label, _ABSENT))
        for own, other in zip(map(_likeliest, quick), map(_likeliest, sure), strict=True)
        for label in sorted(own.keys() | other.keys())
    ]
    undecided = [pair for pair in pairs if any(UNDECIDED[0] <= chance <= UNDECIDED[1] for chance in pair)]
    if not undecided:
        return 0.0
    odds = _log_odds(np.array(undecided))
    return float(np.quantile(np.abs(odds[:, 0] - odds[:, 1]), COVERED))


def _likeliest(candidates: Sequence[Candidate]) -> dict[str, float]:
    """The probability of each label that is found, where it is likeliest."""
    found: dict[str, float] = {}
    for candidate in candidates:
        found[candidate.label] = max(candidate.softmax, found.get(candidate.label, 0.0))
    return found


def _log_odds(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    held = np.clip(chances, _ABSENT, 1 - _ABSENT)
    return np.asarray(np.log(held / (1 - held)))
