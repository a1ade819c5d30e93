"""The one threshold that calibration turns: that of the deciding score, or the least softmax where none decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamfilter.config import RejectorConfig
from streamfilter.errors import ConfigError
from streamfilter.model import Model, Thresholds
from streamfilter.rejector import ThresholdRejector, chosen_score, make_rejector, with_enrolled
from streamfilter.rejector.scores.max_softmax import MaxSoftmax
from streamfilter.types import Candidate, Sighting

Floats = NDArray[np.float64]

MAX_SOFTMAX, SCORE_THRESHOLD = "rejector.max_softmax", "rejector.score_threshold"


class Dial:
    """A model's rejector with its threshold set free.

    A candidate is accepted when its unfamiliarity is at most the threshold: smaller is stricter, whatever decides. For
    the softmax that is the probability with its sign turned. Raises `ConfigError` when the settings hold it fast.
    """

    def __init__(self, model: Model, config: RejectorConfig) -> None:
        self._rejector = make_rejector(model.thresholds, config, model.scores)
        self._enrolled = model.enrolled
        self._config = config
        self._score = chosen_score(model.thresholds, config)
        self.setting = SCORE_THRESHOLD if self._score else MAX_SOFTMAX
        holds = {"score_threshold"} if self._score else {"max_softmax"}
        if self._score == MaxSoftmax.name:
            holds.add("max_softmax")
        for name in sorted(holds):
            if getattr(config, name) is not None:
                raise ConfigError(f"rejector.{name} is what calibrate looks for: leave it out of the settings")

    @property
    def own(self) -> float:
        """Where the model has it."""
        return self._rejector.threshold if self._score else -self._rejector.gates.max_softmax

    def measure(self, candidates: Sequence[Candidate]) -> Floats:
        """How unfamiliar candidates are: `(n,)`."""
        if self._score:
            return self._rejector.measure(candidates)
        return np.array([-candidate.softmax for candidate in candidates], np.float64)

    def decide(self, candidates: Sequence[Candidate], values: Floats, threshold: float) -> tuple[Sighting, ...]:
        """The verdicts on candidates that `measure` gave these values, as a run with this threshold gives them."""
        taught = _Measured(self._at(threshold), candidates, values)
        return with_enrolled(taught, self._enrolled, self._config).judge(candidates)

    def value(self, threshold: float) -> float:
        """A threshold as the settings say it."""
        return threshold if self._score else -threshold

    def written(self, thresholds: Thresholds, threshold: float) -> Thresholds:
        """A model's thresholds with this one in its place."""
        if self._score:
            return thresholds.with_threshold(self._score, threshold)
        return replace(thresholds, max_softmax=-threshold)

    def _at(self, threshold: float) -> ThresholdRejector:
        if self._score:
            return self._rejector.with_threshold(threshold)
        return ThresholdRejector(replace(self._rejector.gates, max_softmax=-threshold))


class _Measured:
    """See `stages.Rejector`: judges some of the candidates whose unfamiliarity is known."""

    def __init__(self, rejector: ThresholdRejector, candidates: Sequence[Candidate], values: Floats) -> None:
        self._rejector = rejector
        self._values = {id(candidate): value for candidate, value in zip(candidates, values, strict=True)}

    def judge(self, candidates: Sequence[Candidate]) -> tuple[Sighting, ...]:
        """One sighting per candidate, in order."""
        return self._rejector.decide(candidates, np.array([self._values[id(one)] for one in candidates]))
