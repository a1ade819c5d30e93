"""Rejection by two gates and one score; the first that is crossed gives the reason.

The gates ask whether the label is likelier wrong than right. How unfamiliar a candidate may be is for the score alone
to say, so that one number, its threshold, carries whatever is promised about false events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamfilter.config import RejectorConfig
from streamfilter.errors import ConfigError
from streamfilter.rejector.scores.base import Score
from streamfilter.rejector.scores.max_softmax import MaxSoftmax
from streamfilter.rejector.scores.odin import Odin
from streamfilter.rejector.witnessed import is_witnessed
from streamfilter.types import Candidate, Features, Rejection, Sighting

Floats = NDArray[np.float64]


class FittedThresholds(Protocol):
    """What a model file says the thresholds are: see `model.Thresholds`."""

    @property
    def none_class(self) -> float: ...

    @property
    def max_softmax(self) -> float: ...

    @property
    def mahalanobis(self) -> float: ...

    @property
    def score(self) -> str: ...

    @property
    def scores(self) -> Mapping[str, float]: ...


@dataclass(frozen=True, slots=True)
class Gates:
    """Least probability of the label, largest of none of the above, largest distance to the label's mean."""

    none_class: float = 0.5
    max_softmax: float = 0.5
    mahalanobis: float = float("inf")


def chosen_score(fitted: FittedThresholds, config: RejectorConfig) -> str:
    """The name of the score that decides, empty for none: as configured, or as the model file says."""
    name = fitted.score if config.score == "auto" else config.score
    return "" if name == "none" else name


def make_rejector(
    fitted: FittedThresholds, config: RejectorConfig, scores: Mapping[str, Score] | None = None
) -> ThresholdRejector:
    """A rejector with the configured thresholds, and the fitted ones where none is configured.

    `scores` are the model's. Raises `ConfigError` when the configured score or its threshold is not among them.
    """
    name = chosen_score(fitted, config)
    # A score has the last word on distance: a second threshold beside it would make its promise another.
    far = float("inf") if name else fitted.mahalanobis
    gates = Gates(
        none_class=fitted.none_class if config.none_class is None else config.none_class,
        max_softmax=fitted.max_softmax if config.max_softmax is None else config.max_softmax,
        mahalanobis=far if config.mahalanobis is None else config.mahalanobis,
    )
    if not name:
        return ThresholdRejector(gates)
    return ThresholdRejector(gates, score=_score(name, scores or {}), threshold=_threshold(name, fitted, config))


def _score(name: str, scores: Mapping[str, Score]) -> Score:
    score = Odin() if name == Odin.name else scores.get(name)
    if score is None:
        known = ", ".join(scores) or "no score at all"
        raise ConfigError(
            f"rejector.score = {name!r}: this model has {known}; choose one of its scores, or none, or train it again"
        )
    return score


def _threshold(name: str, fitted: FittedThresholds, config: RejectorConfig) -> float:
    if config.score_threshold is not None:
        return config.score_threshold
    if name == MaxSoftmax.name and config.max_softmax is not None:
        return 1.0 - config.max_softmax  # the same quantity
    if name not in fitted.scores:
        raise ConfigError(f"rejector.score = {name!r}: the model has no threshold for it; set rejector.score_threshold")
    return fitted.scores[name]


class ThresholdRejector:
    """See `stages.Rejector`. `score` None: the gates decide alone. `threshold`: the largest value that is accepted."""

    def __init__(self, gates: Gates, *, score: Score | None = None, threshold: float = float("inf")) -> None:
        self.gates, self.score, self.threshold = gates, score, threshold

    def with_threshold(self, threshold: float) -> ThresholdRejector:
        """The same rejector with another threshold of its score."""
        return ThresholdRejector(self.gates, score=self.score, threshold=threshold)

    def judge(self, candidates: Sequence[Candidate]) -> tuple[Sighting, ...]:
        """One sighting per candidate, in order."""
        return self.decide(candidates, self.measure(candidates))

    def measure(self, candidates: Sequence[Candidate]) -> Floats:
        """How unfamiliar candidates are to the score: `(n,)`; -inf where there is no score or no features."""
        values = np.full(len(candidates), -np.inf)
        rows = [i for i, candidate in enumerate(candidates) if candidate.features is not None]
        if self.score is not None and rows:
            parts = [c.features for c in candidates if c.features is not None]
            values[rows] = self.score(Features.concatenate(parts))
        return values

    def decide(self, candidates: Sequence[Candidate], unfamiliarity: Floats) -> tuple[Sighting, ...]:
        """One sighting per candidate, in order, where `measure` gave these values."""
        return tuple(self._decide(candidate, value) for candidate, value in zip(candidates, unfamiliarity, strict=True))

    def _decide(self, candidate: Candidate, unfamiliarity: float) -> Sighting:
        reason = self._reason(candidate, unfamiliarity)
        label = candidate.label if reason is None else None
        return Sighting(candidate, label, reason, min(max(candidate.softmax, 0.0), 1.0))

    def _reason(self, candidate: Candidate, unfamiliarity: float) -> Rejection | None:
        if candidate.none_probability > self.gates.none_class:
            return Rejection.NONE_CLASS
        if is_witnessed(candidate):
            return None
        if candidate.softmax < self.gates.max_softmax:
            return Rejection.LOW_SOFTMAX
        if unfamiliarity > self.threshold:
            return Rejection.LOW_SOFTMAX if isinstance(self.score, MaxSoftmax) else Rejection.FAR
        return Rejection.FAR if candidate.distance > self.gates.mahalanobis else None
