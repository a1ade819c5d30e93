"""int8 where it is sure, and exacter arithmetic where its error could change what is decided.

Between float32 and int8 the log odds of a label differ by some tenths, now and then by more. Far from a threshold that
changes nothing; near one it is the toss of a coin. So a picture in which any candidate would be judged otherwise, were
its log odds a little more or less, is looked at once more as if there were no int8, and that counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from streamfilter.classifier.dense import DenseClassifier, make_classifier
from streamfilter.classifier.runtimes import Runtime
from streamfilter.config import ClassifierConfig
from streamfilter.model import Model
from streamfilter.stages import Rejector
from streamfilter.types import Candidate, Features, Pixels


def make_doubting(
    model: Model, config: ClassifierConfig, rejector: Rejector, *, perturbs: bool = False
) -> DenseClassifier | DoubtingClassifier:
    """The classifier of a model; where it runs in int8, one that looks again. Raises as `make_classifier` does."""
    quick = make_classifier(model, config, perturbs=perturbs)
    if not quick.is_int8 or model.int8 is None or not model.int8.doubt:
        return quick
    sure = make_classifier(replace(model, int8=None), config.model_copy(update={"precision": "auto"}))
    return DoubtingClassifier(quick, sure, Doubt(model, rejector, model.int8.doubt))


class Doubt:
    """Whether a decision of `rejector` could be another, were the log odds of labels `log_odds` more or less."""

    def __init__(self, model: Model, rejector: Rejector, log_odds: float) -> None:
        self._rejector, self._log_odds = rejector, log_odds
        self._rows = {label: number for number, label in enumerate(model.labels)}
        self._temperature = model.thresholds.temperature

    def about(self, candidates: Sequence[Candidate]) -> bool:
        """Of any of the candidates of a picture."""
        lower, upper = (
            self._rejector.judge([self._leaning(candidate, by) for candidate in candidates])
            for by in (-self._log_odds, self._log_odds)
        )
        return any(one.label != other.label for one, other in zip(lower, upper, strict=True))

    def _leaning(self, candidate: Candidate, by: float) -> Candidate:
        """The candidate with other log odds of its label; all else shares the rest in the same proportions."""
        grown = candidate.softmax * math.exp(by)
        total = 1 - candidate.softmax + grown
        return replace(
            candidate,
            softmax=grown / total,
            none_probability=candidate.none_probability / total,
            features=candidate.features and self._shifted(candidate.features, candidate.label, by),
        )

    def _shifted(self, features: Features, label: str, by: float) -> Features:
        if label not in self._rows:  # enrolled: its chance is not among the logits
            return features
        logits = features.logits.copy()
        logits[:, self._rows[label]] += by * self._temperature
        return replace(features, logits=logits)


class DoubtingClassifier:
    """See `stages.Classifier`: what `quick` finds, and of pictures in doubt what `sure` finds."""

    def __init__(self, quick: DenseClassifier, sure: DenseClassifier, doubt: Doubt) -> None:
        self._quick, self._sure, self._doubt = quick, sure, doubt
        self.runtime: Runtime = quick.runtime
        self.why = quick.why

    @property
    def labels(self) -> tuple[str, ...]:
        return self._quick.labels

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        """As `quick` has it."""
        return self._quick.analysis_size(width, height)

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        """Candidates of each picture, likeliest first. Pictures: `(H, W, 3)` uint8 RGB, at `analysis_size`."""
        found = self._quick.classify(pictures)
        again = [number for number, candidates in enumerate(found) if self._doubt.about(candidates)]
        if again:
            for number, candidates in zip(again, self._sure.classify([pictures[n] for n in again]), strict=True):
                found[number] = candidates
        return found
