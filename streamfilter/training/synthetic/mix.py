"""A logo mixed with something that is none, and how much of it is left.

CutMix: Yun et al. (ICCV 2019). Mixup: Zhang et al. (ICLR 2018). Of a known with an unknown, so that confidence falls
evenly from one to the other: Zhang et al., "Mixture Outlier Exposure" (WACV 2023).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.types import Pixels

LEAST, MOST = 0.1, 0.9
"""Share of the logo in a mixture."""


def mix(sprite: Pixels, other: Pixels, rng: np.random.Generator) -> tuple[Pixels, float]:
    """A sprite `(h, w, 4)` with part of another, `(h, w, 3 | 4)`, in it or over all of it; and the share of the first.

    A rectangle of the other one, or both laid over each other, with equal chances.
    """
    height, width = sprite.shape[:2]
    other = np.asarray(cv2.resize(other, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if other.shape[2] == 3:
        other = np.dstack([other, np.full((height, width), 255, np.uint8)])
    share = float(rng.uniform(LEAST, MOST))
    if rng.random() < 0.5:
        return blend(sprite, other, np.full((height, width), share))
    return blend(sprite, other, _outside_of_a_rectangle(height, width, share, rng))


def blend(sprite: Pixels, other: Pixels, share: NDArray[np.float64]) -> tuple[Pixels, float]:
    """Two sprites `(h, w, 4)`, the first by `share` `(h, w)` at each pixel, and how much of the first is left."""
    own, others = sprite[..., 3] * share, other[..., 3] * (1 - share)
    alpha = own + others
    colour = sprite[..., :3] * own[..., None] + other[..., :3] * others[..., None]
    colour /= np.maximum(alpha, 1e-9)[..., None]
    left = own.sum() / max(1.0, float(sprite[..., 3].sum()))
    return np.rint(np.dstack([colour, alpha])).astype(np.uint8), float(left)


def _outside_of_a_rectangle(height: int, width: int, share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """1 outside, 0 inside of a rectangle of the sprite's shape that covers 1 − `share` of it."""
    side = np.sqrt(1 - share)
    tall, wide = max(1, round(height * side)), max(1, round(width * side))
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    outside = np.ones((height, width))
    outside[top : top + tall, left : left + wide] = 0
    return outside
