"""One training picture and what it shows: where its logos are, and of which labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.training.paste import PixelBox
from streamfilter.types import Pixels

LARGEST = 1600
"""Longer side in pixels at which a picture is read: a phone's photograph has far more than a scene can show."""
MIN_VISIBLE = 0.5
"""A logo of which less lies inside the picture is neither taught nor forbidden."""


@dataclass(frozen=True, slots=True, eq=False)
class SceneFacts:
    """What a scene shows. `boxes`: `(n, 4)` float64, x1, y1, x2, y2 in 0 to 1.

    `labels`: `(n,)` int64, index into the labels; -1 marks a region that is neither taught nor forbidden.
    `whole_label` is the index of the label that the picture shows somewhere, boxed or not; -1 for none. `strengths`:
    `(n,)` float64, how much of each logo there is, 0 to 1; None where all are whole. `shown`: labels that may also
    stand where there is no box.
    """

    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    whole_label: int = -1
    strengths: NDArray[np.float64] | None = None
    shown: tuple[int, ...] = ()

    @property
    def whole_labels(self) -> NDArray[np.int64]:
        """`labels`, -1 also for logos that were erased or mixed with something else."""
        return self.labels if self.strengths is None else np.where(self.strengths < 1, -1, self.labels)

    @property
    def hides_its_label(self) -> bool:
        """Whether it shows a label, and nothing is boxed: it may be anywhere."""
        return self.whole_label >= 0 and not len(self.boxes)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One composed picture, `(H, W, 3)` uint8 RGB, and what it shows."""

    pixels: Pixels
    facts: SceneFacts


def as_scene(
    pixels: Pixels,
    found: Sequence[tuple[PixelBox, int, float]],
    *,
    whole_label: int = -1,
    shown: tuple[int, ...] = (),
) -> Scene:
    """A scene and its facts, from the boxes, labels and strengths of what was put into it."""
    height, width = pixels.shape[:2]
    boxes, labels, strengths = [], [], []
    for (x1, y1, x2, y2), label, strength in found:
        cut = (max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2))
        if cut[2] - cut[0] < 2 or cut[3] - cut[1] < 2:
            continue
        visible = (cut[2] - cut[0]) * (cut[3] - cut[1]) / ((x2 - x1) * (y2 - y1))
        too_small = cut[3] - cut[1] < 0.03 * height
        boxes.append((cut[0] / width, cut[1] / height, cut[2] / width, cut[3] / height))
        labels.append(label if visible >= MIN_VISIBLE and not too_small else -1)
        strengths.append(strength)
    facts = SceneFacts(
        np.array(boxes, np.float64).reshape(-1, 4), np.array(labels, np.int64), whole_label, np.array(strengths), shown
    )
    return Scene(pixels, facts)
