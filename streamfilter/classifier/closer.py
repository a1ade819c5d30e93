"""Reads candidates a second time, each cut out of the picture and enlarged. See `model.closer`."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.model import DenseResNet
from streamfilter.model.closer import Closer, Cut
from streamfilter.model.device import Compute
from streamfilter.types import Pixels

GROWN = 1.15
"""A cut is this much wider and higher than the candidate's box: edges tell what a mark is."""
MOST_STRETCHED = 4.0
"""A box that is longer than this many times its shorter side is not stretched any further."""
CHUNK = 16
"""Cuts in one pass of the network: memory stays bounded."""
ALIASING = 0.6
"""A box that shrinks by more than this is averaged first: warping alone would alias."""


class CloserLook:
    """The closer look of one network. A picture's logits do not depend on other pictures."""

    def __init__(self, network: DenseResNet, closer: Closer, compute: Compute) -> None:
        self._network, self._compute = network, compute
        self._closer = closer
        self._weight = closer.weight.double().numpy().T
        self._bias = closer.bias.double().numpy()

    def blend(self, dense: NDArray[np.float32], picture: Pixels, boxes: NDArray[np.float64]) -> NDArray[np.float32]:
        """Logits `(n, C+1)` of the boxes of a picture, both opinions together.

        `dense`: those of the dense pass. Boxes: `(n, 4)`, x, y, width, height in 0 to 1. Picture: `(H, W, 3)` uint8.
        """
        cuts = [cut_out(picture, box, self._closer.side, self._closer.cut) for box in boxes]
        features = close_features(self._network, cuts, self._compute, self._closer.cut).astype(np.float64)
        return blend(dense, features @ self._weight + self._bias, self._closer)


def blend(dense: NDArray[np.float32], close: NDArray[np.float64], closer: Closer) -> NDArray[np.float32]:
    """Both opinions together, `(n, C+1)`."""
    both = closer.dense * dense.astype(np.float64) + closer.close * close
    both[:, -1] += closer.none
    return both.astype(np.float32)


def close_features(
    network: DenseResNet, cuts: Sequence[Pixels], compute: Compute, cut: Cut = "box"
) -> NDArray[np.float32]:
    """Mean and maximum of layer 3, `(n, F)`, of cuts `(side, side, 3)` uint8.

    The outermost cells of a stretched box are its margin, and see the padding of every layer: they do not count.
    """
    rows = []
    for first in range(0, len(cuts), CHUNK):
        batch = torch.from_numpy(np.stack(cuts[first : first + CHUNK])).to(compute.device).permute(0, 3, 1, 2).float()
        with torch.inference_mode(), compute.autocast():
            maps = network.lower(batch.contiguous(memory_format=torch.channels_last))
        maps = maps[:, :, 1:-1, 1:-1].float() if cut == "box" and maps.shape[2] > 2 else maps.float()
        rows.append(torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1).cpu().numpy())
    return np.concatenate(rows)


def cut_out(picture: Pixels, box: NDArray[np.float64], side: int, cut: Cut = "box") -> Pixels:
    """The surroundings of a box, `(side, side, 3)`; what lies outside the picture repeats its edge."""
    height, width = picture.shape[:2]
    reach = np.maximum([box[2] * width, box[3] * height], 1.0) * GROWN
    reach = np.maximum(reach, reach.max() / (MOST_STRETCHED if cut == "box" else 1.0))
    left, top = (box[:2] + box[2:] / 2) * (width, height) - reach / 2
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
