"""How a box is read with its surroundings, and how far another one lies off it, measured by these."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamfilter.model.closer import Cut

Floats = NDArray[np.float64]
GROWN = 1.15
"""What is read is this much wider and higher than the box: edges tell what a mark is."""
MOST_STRETCHED = 4.0
"""A box that is longer than this many times its shorter side is not stretched any further."""
LARGEST_STEP = 1.5
"""A better box lies no farther away than this many cuts, and is no more times larger or smaller than e to this."""


def cut_region(boxes: Floats, cut: Cut = "box") -> tuple[Floats, Floats]:
    """Middle, and width and height, of what is read for boxes `(n, 4)` in pixels: `(n, 2)` each."""
    reach = np.maximum(boxes[:, 2:], 1.0) * GROWN
    reach = np.maximum(reach, reach.max(axis=1, keepdims=True) / (MOST_STRETCHED if cut == "box" else 1.0))
    return boxes[:, :2] + boxes[:, 2:] / 2, reach


def moves_to(boxes: Floats, wanted: Floats) -> Floats:
    """The moves `(n, 4)` from boxes `(n, 4)` to those that are `wanted`, `(n, 4)`, both in pixels.

    How far the middle of the better box lies from that of the cut, in widths and heights of the cut, and the logarithms
    of its width and height in the same.
    """
    middle, reach = cut_region(boxes)
    return np.concatenate([(wanted[:, :2] + wanted[:, 2:] / 2 - middle) / reach, np.log(wanted[:, 2:] / reach)], axis=1)


def moved(boxes: Floats, moves: NDArray[np.floating], size: tuple[int, int]) -> Floats:
    """Boxes `(n, 4)` in 0 to 1 after these moves, cut to a picture of `size`, its width and height in pixels."""
    steps = np.clip(moves.astype(np.float64), -LARGEST_STEP, LARGEST_STEP)
    pixels = np.array(size, np.float64)
    middle, reach = cut_region(boxes * np.tile(pixels, 2))
    middle, wanted = middle + steps[:, :2] * reach, np.exp(steps[:, 2:]) * reach
    upper, lower = ((middle + sign * wanted / 2) / pixels for sign in (-1, 1))
    upper = np.clip(upper, 0.0, 1.0 - 1.0 / pixels)
    return np.concatenate([upper, np.clip(lower, upper + 1.0 / pixels, 1.0) - upper], axis=1)
