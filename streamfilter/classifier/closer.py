"""Reads candidates a second time, each cut out of the picture and enlarged. See `model.closer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.classifier.boxes import cut_region
from streamfilter.classifier.runtimes import Runtime
from streamfilter.model.closer import Closer, Cut
from streamfilter.types import Pixels

ALIASING = 0.6
"""A box that shrinks by more than this is averaged first: warping alone would alias."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the closer look saw at `n` boxes of one picture.

    `features`: `(n, F)` float32, what it reads of layer 3. `logits`: `(n, C+1)` float32, by all opinions together.
    """

    features: NDArray[np.float32]
    logits: NDArray[np.float32]


class CloserLook:
    """The closer look of one network. What it says of a picture does not depend on other pictures."""

    def __init__(self, closer: Closer, runtime: Runtime) -> None:
        self._closer, self._runtime = closer, runtime
        self._weight = closer.weight.double().numpy().T
        self._bias = closer.bias.double().numpy()

    def look(
        self,
        dense: Sequence[NDArray[np.float32]],
        pictures: Sequence[Pixels],
        boxes: Sequence[NDArray[np.float64]],
        odds: Sequence[NDArray[np.float64]],
    ) -> list[Seen]:
        """What is seen at the boxes of each picture.

        `dense`: their logits by the dense pass. `odds`: `(n,)`, log odds that they are marks. Boxes: `(n, 4)`, x, y,
        width, height in 0 to 1, one or more of each picture. Pictures: `(H, W, 3)` uint8.
        """
        side, cut = self._closer.side, self._closer.cut
        cuts = [[cut_out(picture, box, side, cut) for box in own] for picture, own in zip(pictures, boxes, strict=True)]
        read = [features[:, : len(self._weight)] for features in self._runtime.close(cuts)] if cuts else []
        return [
            Seen(features, self._logits(own, features, likely))
            for own, features, likely in zip(dense, read, odds, strict=True)
        ]

    def _logits(
        self, dense: NDArray[np.float32], features: NDArray[np.float32], odds: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        return blend(dense, features.astype(np.float64) @ self._weight + self._bias, self._closer, odds)


def blend(
    dense: NDArray[np.float32], close: NDArray[np.float64], closer: Closer, odds: NDArray[np.float64]
) -> NDArray[np.float32]:
    """All opinions together, `(n, C+1)`."""
    both = closer.dense * dense.astype(np.float64) + closer.close * close
    both[:, -1] += closer.none - closer.mark * odds
    return both.astype(np.float32)


def cut_out(picture: Pixels, box: NDArray[np.float64], side: int, cut: Cut = "box") -> Pixels:
    """The surroundings of a box, `(side, side, 3)`; what lies outside the picture repeats its edge."""
    height, width = picture.shape[:2]
    middle, reach = (part[0] for part in cut_region(box[None] * (width, height, width, height), cut))
    left, top = middle - reach / 2
    zoom = side / reach
    across, down = np.where(zoom < ALIASING, zoom, 1.0)
    part = picture
    if across < 1 or down < 1:
        small = (max(2, round(width * across)), max(2, round(height * down)))
        part = np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), np.uint8)
    across, down = zoom * (width, height) / (part.shape[1], part.shape[0])
    matrix = np.array([[across, 0.0, -left * zoom[0]], [0.0, down, -top * zoom[1]]])
    warped = cv2.warpAffine(part, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)
