"""The thresholds that a model file carries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the rejector was fitted to on validation pictures, and the temperature that the probabilities are read at.

    `none_class` and `max_softmax` are probabilities, `mahalanobis` a distance in standard deviations. `scores`: by name
    the largest value of each fitted score that is accepted; `score` names the one that decides, empty for none.
    """

    temperature: float = 1.0
    none_class: float = 0.5
    max_softmax: float = 0.5
    mahalanobis: float = float("inf")
    score: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)

    def with_threshold(self, name: str, value: float) -> Thresholds:
        """The same thresholds with the score `name` to decide, at this value."""
        return replace(self, score=name, scores={**self.scores, name: value})


def check_thresholds(thresholds: Thresholds) -> Thresholds:
    """The same thresholds. Raises `ValueError` for any that mean nothing."""
    chances = (thresholds.none_class, thresholds.max_softmax)
    if not 0 < thresholds.temperature < math.inf or not all(0 <= c <= 1 for c in chances):
        raise ValueError(f"{thresholds}: expected a temperature above 0 and probabilities")
    if not thresholds.mahalanobis > 0:
        raise ValueError(f"{thresholds}: expected a distance above 0")
    if not isinstance(thresholds.scores, dict) or not all(math.isfinite(value) for value in thresholds.scores.values()):
        raise ValueError(f"{thresholds}: expected a finite threshold for every score")
    if thresholds.score and thresholds.score not in thresholds.scores:
        raise ValueError(f"{thresholds}: the deciding score has no threshold")
    return thresholds
