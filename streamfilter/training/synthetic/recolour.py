"""A logo in other hues: its shape, but not its colours."""

from __future__ import annotations

import cv2
import numpy as np

from streamfilter.types import Pixels

LEAST_TURN, MOST_TURN = 60, 300
"""Turn of the hue in degrees: less, and a camera's white balance could do it."""
COLOURED = 70
"""Saturation and brightness, 0 to 255, from which on a pixel has a hue to speak of."""
LEAST_COLOURED = 0.15
"""Least share of the visible pixels that must have one: a gray logo looks the same in every hue."""


def recolour(sprite: Pixels, rng: np.random.Generator) -> Pixels | None:
    """A sprite `(h, w, 4)` with all hues turned by one angle; None where it has next to no colour."""
    colours = cv2.cvtColor(np.ascontiguousarray(sprite[..., :3]), cv2.COLOR_RGB2HSV)
    visible = np.flatnonzero(sprite[..., 3] > 127)
    coloured = np.asarray(colours[..., 1:] >= COLOURED).all(axis=2).ravel()
    if not len(visible) or coloured[visible].mean() < LEAST_COLOURED:
        return None
    turn = int(rng.integers(LEAST_TURN // 2, MOST_TURN // 2 + 1))  # OpenCV's hues are half degrees
    colours[..., 0] = (colours[..., 0].astype(np.int64) + turn) % 180
    return np.dstack([cv2.cvtColor(colours, cv2.COLOR_HSV2RGB), sprite[..., 3]]).astype(np.uint8)
