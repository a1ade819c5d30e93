"""Reads candidates a second time, each cut out of the picture and enlarged. See `model.closer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.classifier.boxes import cut_region, moved
from streamfilter.classifier.runtimes import Runtime
from streamfilter.classifier.suppress import distinct
from streamfilter.model.closer import Closer, Cut, Refiner
from streamfilter.rejector.softmax import softmax
from streamfilter.types import Pixels

ALIASING = 0.6
"""A box that shrinks by more than this is averaged first: warping alone would alias."""
MOST_REFINED = 4
"""Places of a picture that are looked at more than once."""
REFINED_FLOOR = 0.1
"""Probability of not being nothing, after the first look, from which on the second is taken."""
SAME_PLACE_IOU = 0.6
"""Boxes that overlap more than this, once they fit better, are one place."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the closer look saw in one picture.

    `rows`: `(n,)`, which of the boxes that were asked for. `boxes`: `(n, 4)`, where it read them in the end.
    `features`: `(n, F)` float32, mean and maximum there, of two looks their mean. `logits`: `(n, C+1)` float32, of
    the dense pass and the closer look together.
    """

    rows: NDArray[np.intp]
    boxes: NDArray[np.float64]
    features: NDArray[np.float32]
    logits: NDArray[np.float32]


class CloserLook:
    """The closer look of one network. What it says of a picture does not depend on other pictures.

    `floor`: see `REFINED_FLOOR`.
    """

    def __init__(self, closer: Closer, runtime: Runtime, *, floor: float = REFINED_FLOOR) -> None:
        self._closer, self._runtime, self._floor = closer, runtime, floor
        self._weight = closer.weight.double().numpy().T
        self._bias = closer.bias.double().numpy()

    def look(
        self,
        dense: Sequence[NDArray[np.float32]],
        pictures: Sequence[Pixels],
        boxes: Sequence[NDArray[np.float64]],
    ) -> list[Seen]:
        """What is seen at the boxes of each picture.

        `dense`: their logits by the dense pass. Boxes: `(n, 4)`, x, y, width, height in 0 to 1, one or more of each
        picture. Pictures: `(H, W, 3)` uint8.
        """
        rows = [np.arange(len(own)) for own in boxes]
        first = [self._seen(*one) for one in zip(rows, boxes, dense, self._read(pictures, boxes), strict=True)]
        if self._closer.refiner is None:
            return [seen for seen, _ in first]
        return self._again(dense, pictures, first)

    def _again(
        self,
        dense: Sequence[NDArray[np.float32]],
        pictures: Sequence[Pixels],
        first: Sequence[tuple[Seen, NDArray[np.float32]]],
    ) -> list[Seen]:
        """A second look at the places of each picture that could be something, where their boxes fit better.

        Both looks count the same. A stranger may be taken for a logo where its box was moved to look most like one; a
        logo is one at both.
        """
        better = [self._better(seen, grid, picture) for (seen, grid), picture in zip(first, pictures, strict=True)]
        some = [number for number, (rows, _) in enumerate(better) if len(rows)]
        read = self._read([pictures[n] for n in some], [better[n][1] for n in some])
        told = {n: self._both(first[n][0], *better[n], dense[n], one) for n, one in zip(some, read, strict=True)}
        return [told[n] if n in told else _nothing(seen) for n, (seen, _) in enumerate(first)]

    def _both(
        self,
        first: Seen,
        rows: NDArray[np.intp],
        boxes: NDArray[np.float64],
        dense: NDArray[np.float32],
        read: NDArray[np.float32],
    ) -> Seen:
        features = np.asarray((first.features[rows] + read[:, : len(self._weight)]) / 2, np.float32)
        return Seen(rows, boxes, features, self._logits(dense[rows], features))

    def _better(
        self, seen: Seen, grid: NDArray[np.float32], picture: Pixels
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Which boxes are worth another look, likeliest first, and how they fit better."""
        assert self._closer.refiner is not None
        boxes = refined(seen.boxes, grid, self._closer.refiner, picture)
        chances = 1 - softmax(seen.logits, 1.0)[:, -1]
        kept = distinct(boxes, chances, iou=SAME_PLACE_IOU, most=MOST_REFINED)
        rows = np.array([k for k in kept if chances[k] >= self._floor], np.intp)
        return rows, boxes[rows]

    def _read(self, pictures: Sequence[Pixels], boxes: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float32]]:
        side, cut = self._closer.side, self._closer.cut
        cuts = [[cut_out(picture, box, side, cut) for box in own] for picture, own in zip(pictures, boxes, strict=True)]
        return self._runtime.close(cuts) if cuts else []

    def _seen(
        self,
        rows: NDArray[np.intp],
        boxes: NDArray[np.float64],
        dense: NDArray[np.float32],
        read: NDArray[np.float32],
    ) -> tuple[Seen, NDArray[np.float32]]:
        """What was read at boxes, and the grid that tells how they would fit better."""
        features, grid = np.split(read, [len(self._weight)], axis=1)
        return Seen(rows, boxes, features, self._logits(dense, features)), grid

    def _logits(self, dense: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float32]:
        return blend(dense, features.astype(np.float64) @ self._weight + self._bias, self._closer)


def _nothing(seen: Seen) -> Seen:
    none = slice(0, 0)
    return Seen(seen.rows[none], seen.boxes[none], seen.features[none], seen.logits[none])


def refined(
    boxes: NDArray[np.float64], grid: NDArray[np.float32], refiner: Refiner, picture: Pixels
) -> NDArray[np.float64]:
    """Boxes `(n, 4)` of a picture that fit better what their cuts show, cut to the picture."""
    moves = grid @ refiner.weight.numpy().T + refiner.bias.numpy()
    return moved(boxes, moves, (picture.shape[1], picture.shape[0]))


def blend(dense: NDArray[np.float32], close: NDArray[np.float64], closer: Closer) -> NDArray[np.float32]:
    """Both opinions together, `(n, C+1)`."""
    both = closer.dense * dense.astype(np.float64) + closer.close * close
    both[:, -1] += closer.none
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
