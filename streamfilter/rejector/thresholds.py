"""Rejection by three thresholds, each with its own reason; the first that is crossed gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streamfilter.config import RejectorConfig
from streamfilter.types import Candidate, Rejection, Sighting


class FittedThresholds(Protocol):
    """What a model file says the thresholds are."""

    @property
    def none_class(self) -> float: ...

    @property
    def max_softmax(self) -> float: ...

    @property
    def mahalanobis(self) -> float: ...


def make_rejector(fitted: FittedThresholds, config: RejectorConfig) -> ThresholdRejector:
    """A rejector with the configured thresholds, and the fitted ones where none is configured."""
    return ThresholdRejector(
        none_class=fitted.none_class if config.none_class is None else config.none_class,
        max_softmax=fitted.max_softmax if config.max_softmax is None else config.max_softmax,
        mahalanobis=fitted.mahalanobis if config.mahalanobis is None else config.mahalanobis,
    )


class ThresholdRejector:
    """None-of-the-above probability, maximum softmax probability (Hendrycks and Gimpel 2017), Mahalanobis distance."""

    def __init__(self, *, none_class: float, max_softmax: float, mahalanobis: float) -> None:
        self._none_class, self._max_softmax, self._mahalanobis = none_class, max_softmax, mahalanobis

    def judge(self, candidates: Sequence[Candidate]) -> tuple[Sighting, ...]:
        """One sighting per candidate, in order."""
        return tuple(self._judge(candidate) for candidate in candidates)

    def _judge(self, candidate: Candidate) -> Sighting:
        reason = self._reason(candidate)
        label = candidate.label if reason is None else None
        return Sighting(candidate, label, reason, min(max(candidate.softmax, 0.0), 1.0))

    def _reason(self, candidate: Candidate) -> Rejection | None:
        if candidate.none_probability > self._none_class:
            return Rejection.NONE_CLASS
        if candidate.softmax < self._max_softmax:
            return Rejection.LOW_SOFTMAX
        if candidate.distance > self._mahalanobis:
            return Rejection.FAR
        return None
