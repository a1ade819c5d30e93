"""A network that costs nothing: where a quarter of the picture has a strong colour it sees a logo, more or less."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from streamfilter.config import RunConfig
from streamfilter.pipeline import Network
from streamfilter.sinks import ModelFacts
from streamfilter.types import Box, Candidate, Pixels, Rejection, Sighting

LABELS = ("Red", "Green", "Blue")
_STRONG = 0.5


class QuarterClassifier:
    """Names each quarter of a picture after its strongest colour; `softmax` says how strong."""

    labels = LABELS

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        return max(2, width // 4), max(2, height // 4)

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        return [list(_candidates(picture)) for picture in pictures]


class StrengthRejector:
    """Takes what is strong."""

    def judge(self, candidates: Sequence[Candidate]) -> tuple[Sighting, ...]:
        return tuple(_sighting(candidate) for candidate in candidates)


def load_stand_in(path: Path, config: RunConfig) -> Network:
    """In the place of `load_network`."""
    return Network(QuarterClassifier(), StrengthRejector(), ModelFacts("stand-in", LABELS, {"max_softmax": _STRONG}))


def _sighting(candidate: Candidate) -> Sighting:
    if candidate.softmax >= _STRONG:
        return Sighting(candidate, candidate.label, None, candidate.softmax)
    return Sighting(candidate, None, Rejection.LOW_SOFTMAX, candidate.softmax)


def _candidates(picture: Pixels) -> Iterator[Candidate]:
    quarters = cv2.resize(picture, (2, 2), interpolation=cv2.INTER_AREA)  # their mean colours
    for row, column in np.ndindex(2, 2):
        means = sorted(zip(quarters[row, column].tolist(), LABELS, strict=True))
        softmax = min(1.0, 0.3 + 3 * (means[2][0] - means[1][0]) / 255)
        if softmax > 0.35:
            box = Box(column / 2, row / 2, 0.5, 0.5)
            yield Candidate(box, means[2][1], softmax, 1 - softmax, 10 * (1 - softmax), 50.0)
