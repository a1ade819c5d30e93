"""Stand-ins for the stages that need a trained model: a network that knows plain colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from media import write_clip

from streamfilter.pipeline import Network
from streamfilter.sinks import ModelFacts
from streamfilter.types import Box, Candidate, Pixels, Rejection, Sighting

LABELS = {"Red": (220, 30, 30), "Green": (30, 200, 40)}
STRANGER = (30, 40, 220)
GROUND = (96, 96, 96)


class ColorClassifier:
    """Sees a candidate where a picture holds much of a label's colour; blue looks like red, but not much."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(LABELS)

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        return max(1, width // 2), max(1, height // 2)

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        self.batches.append(len(pictures))
        return [_candidates(picture) for picture in pictures]


class SoftmaxRejector:
    """Takes what is more likely than not."""

    def judge(self, candidates: Sequence[Candidate]) -> tuple[Sighting, ...]:
        return tuple(
            Sighting(c, c.label, None, c.softmax)
            if c.softmax > 0.5
            else Sighting(c, None, Rejection.LOW_SOFTMAX, c.softmax)
            for c in candidates
        )


def color_network() -> Network:
    """A network that finds `LABELS` and rejects `STRANGER`."""
    return Network(ColorClassifier(), SoftmaxRejector(), ModelFacts("fake", tuple(LABELS), {"max_softmax": 0.5}))


def color_clip(
    path: Path, shows: Sequence[tuple[float, float, tuple[int, int, int]]], *, seconds: float = 6, rate_hz: float = 25
) -> Path:
    """A clip of a square that wears each colour from its start to its end, in seconds, and moves all the time."""
    times = [index / rate_hz for index in range(round(seconds * rate_hz))]
    return write_clip(path, ((time_s, _picture(time_s, shows)) for time_s in times), rate_hz=rate_hz)


def still_clip(path: Path, *, seconds: float = 5, rate_hz: float = 25) -> Path:
    """A clip of a red square that does not move."""
    picture = _picture(0.0, [(0.0, 1.0, LABELS["Red"])])
    return write_clip(path, ((index / rate_hz, picture) for index in range(round(seconds * rate_hz))), rate_hz=rate_hz)


def _picture(time_s: float, shows: Sequence[tuple[float, float, tuple[int, int, int]]]) -> Pixels:
    picture = np.full((120, 160, 3), GROUND, np.uint8)
    left = 10 + round(15 * time_s) % 80
    for start_s, end_s, color in shows:
        if start_s <= time_s < end_s:
            picture[30:90, left : left + 60] = color
    return picture


def _candidates(picture: Pixels) -> list[Candidate]:
    found = []
    for label, color, softmax in (*((n, c, 0.9) for n, c in LABELS.items()), ("Red", STRANGER, 0.3)):
        near = np.abs(picture.astype(int) - color).max(axis=2) < 60
        if near.mean() > 0.05:
            found.append(Candidate(_bounds(near), label, softmax, 1 - softmax, 5.0, 40.0))
    return found


def _bounds(mask: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    top, left = rows[0] / height, columns[0] / width
    return Box(left, top, (columns[-1] + 1) / width - left, (rows[-1] + 1) / height - top)
