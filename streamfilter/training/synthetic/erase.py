"""A logo painted over, so that the place and the picture that it always stood in say nothing."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfilter.training.paste import PixelBox
from streamfilter.types import Pixels

MARGIN = 0.1
"""How far around a box, as a share of its sides, the picture is painted over, too: boxes are drawn by hand."""
RADIUS = 3
"""Pixels around each painted one that it takes its colour from."""


def erase(frame: Pixels, boxes: Sequence[PixelBox]) -> Pixels:
    """`(H, W, 3)` with what is under the boxes painted over from around them.

    Telea, "An Image Inpainting Technique Based on the Fast Marching Method" (2004). Where nothing is left around them,
    a picture of one gray.
    """
    height, width = frame.shape[:2]
    hidden: Pixels = np.zeros((height, width), np.uint8)
    for x1, y1, x2, y2 in boxes:
        over_x, over_y = MARGIN * (x2 - x1) + 2, MARGIN * (y2 - y1) + 2
        left, top = max(0, int(x1 - over_x)), max(0, int(y1 - over_y))
        hidden[top : max(0, int(np.ceil(y2 + over_y))), left : max(0, int(np.ceil(x2 + over_x)))] = 255
    if hidden.all():
        return np.full_like(frame, 128)
    blank = np.where(hidden[..., None] > 0, np.uint8(0), frame)  # whatever the method reads, it is not the logo
    return np.asarray(cv2.inpaint(blank, hidden, RADIUS, cv2.INPAINT_TELEA), np.uint8)
