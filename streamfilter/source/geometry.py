"""How a decoded picture is displayed: rotation and reflection from the display matrix, and the shape of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from streamfilter.types import Pixels

# Beyond this a sample aspect ratio is damage, not a format.
_EXTREME_SAR = 8


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways to lay a picture: first transposed (or not), then mirrored left-right and top-bottom."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    def apply(self, pixels: Pixels) -> Pixels:
        """Turn decoded `(H, W, ...)` pixels into displayed ones: `(H, W, ...)`, or `(W, H, ...)` when transposed."""
        if self.transposed:
            pixels = pixels.swapaxes(0, 1)
        if self.mirrored:
            pixels = pixels[:, ::-1]
        if self.flipped:
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)


UPRIGHT = Orientation()


def orientation_of(matrix: Sequence[int]) -> Orientation:
    """The orientation nearest to a display matrix `a b u c d v x y w` (ISO/IEC 14496-12, 6.2.2).

    A decoded point (p, q) is shown at (a·p + c·q + x, b·p + d·q + y), with y downwards.
    """
    a, b, _, c, d = matrix[:5]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(transposed=False, mirrored=a < 0, flipped=d < 0)
    return Orientation(transposed=True, mirrored=c < 0, flipped=b < 0)


def displayed_size(width: int, height: int, *, aspect: Fraction | None, orientation: Orientation) -> tuple[int, int]:
    """Width and height in square pixels of a decoded picture with this sample aspect ratio, laid as it is shown."""
    if aspect is not None and Fraction(1, _EXTREME_SAR) <= aspect <= _EXTREME_SAR:
        width = max(1, round(width * aspect))
    return (height, width) if orientation.transposed else (width, height)
