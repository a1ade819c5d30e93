"""Frames of drawn pixels, without a file: for stages that only look at pictures."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

from streamfilter.types import Frame, Picture, Pixels

TIME_BASE = Fraction(1, 90_000)


class DrawnPicture:
    """A `Picture` of `(H, W, 3)` uint8 RGB pixels."""

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels
        self.height, self.width = pixels.shape[:2]

    def rgb(self, width: int | None = None, height: int | None = None) -> Pixels:
        size = (width or self.width, height or self.height)
        return np.asarray(cv2.resize(self._pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def luma(self, width: int, height: int) -> Pixels:
        return np.asarray(cv2.cvtColor(self.rgb(width, height), cv2.COLOR_RGB2GRAY), dtype=np.uint8)

    @property
    def nbytes(self) -> int:
        return self._pixels.nbytes

    def kept(self, width: int, height: int, like: Picture | None = None) -> DrawnPicture:
        return self


def frame_at(time_s: float, picture: DrawnPicture | None = None, *, is_key: bool = False) -> Frame:
    """A frame at this time; plain grey when no picture is given."""
    if picture is None:
        picture = DrawnPicture(np.full((36, 64, 3), 128, np.uint8))
    return Frame(time_s, round(time_s / TIME_BASE), TIME_BASE, is_key, picture)
