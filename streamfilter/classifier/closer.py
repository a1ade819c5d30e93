"""Reads candidates a second time, each cut out of the picture and enlarged. See `model.closer`."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.classifier.runtimes import Runtime
from streamfilter.model.closer import Closer
from streamfilter.types import Pixels

GROWN = 1.15
"""A cut is a square around the candidate's box, this much wider than its longer side: edges tell what a mark is."""
ALIASING = 0.6
"""A box that shrinks by more than this is averaged first: warping alone would alias."""


class CloserLook:
    """The closer look of one network. A picture's logits do not depend on other pictures."""

    def __init__(self, closer: Closer, runtime: Runtime) -> None:
        self._closer, self._runtime = closer, runtime
        self._weight = closer.weight.double().numpy().T
        self._bias = closer.bias.double().numpy()

    def blend(
        self,
        dense: Sequence[NDArray[np.float32]],
        pictures: Sequence[Pixels],
        boxes: Sequence[NDArray[np.float64]],
    ) -> list[NDArray[np.float32]]:
        """Logits `(n, C+1)` of the boxes of each picture, both opinions together.

        `dense`: those of the dense pass. Boxes: `(n, 4)`, x, y, width, height in 0 to 1, one or more of each picture.
        Pictures: `(H, W, 3)` uint8.
        """
        side = self._closer.side
        cuts = [[cut_out(picture, box, side) for box in own] for picture, own in zip(pictures, boxes, strict=True)]
        return [
            blend(logits, features.astype(np.float64) @ self._weight + self._bias, self._closer)
            for logits, features in zip(dense, self._runtime.close(cuts), strict=True)
        ]


def blend(dense: NDArray[np.float32], close: NDArray[np.float64], closer: Closer) -> NDArray[np.float32]:
    """Both opinions together, `(n, C+1)`."""
    both = closer.dense * dense.astype(np.float64) + closer.close * close
    both[:, -1] += closer.none
    return both.astype(np.float32)


def cut_out(picture: Pixels, box: NDArray[np.float64], side: int) -> Pixels:
    """The square around a box, `(side, side, 3)`; what lies outside the picture repeats its edge."""
    height, width = picture.shape[:2]
    reach = max(box[2] * width, box[3] * height, 1.0) * GROWN
    left, top = (box[0] + box[2] / 2) * width - reach / 2, (box[1] + box[3] / 2) * height - reach / 2
    zoom = side / reach
    part = picture
    if zoom < ALIASING:
        small = (max(2, round(width * zoom)), max(2, round(height * zoom)))
        part = np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), np.uint8)
    across, down = zoom * width / part.shape[1], zoom * height / part.shape[0]
    matrix = np.array([[across, 0.0, -left * zoom], [0.0, down, -top * zoom]])
    cut = cv2.warpAffine(part, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)
