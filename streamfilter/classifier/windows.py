"""The windows of the dense pass: rectangles of cells at several scales and shapes, and their means.

All grids are of `h` × `w` cells; a window is `(top, left, height, width)` in cells.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

HEIGHTS = (2, 3, 4, 5, 7, 9, 12, 16, 21, 28, 38)
ASPECTS = (1.0, 1.8, 3.2)
"""Width over height: marks are square or wide; a tall one still fills most of a square."""


@lru_cache(maxsize=16)
def window_grid(height: int, width: int) -> NDArray[np.int64]:
    """All windows on a grid of `height` × `width` cells: `(n, 4)` of top, left, height, width in cells.

    A window moves by a quarter of its side, and always reaches the far edge. One that does not fit is cut to the
    grid, so a logo that fills the picture has a window too.
    """
    rows = [
        (top, left, h, w) for h, w in _shapes(height, width) for top in _steps(height, h) for left in _steps(width, w)
    ]
    return np.array(rows, dtype=np.int64)


def _shapes(height: int, width: int) -> list[tuple[int, int]]:
    shapes = {
        (min(h, height), min(max(2, round(h * aspect)), width))
        for h in HEIGHTS
        for aspect in ASPECTS
        if h <= height * 1.4 and h * aspect <= width * 1.4
    }
    return sorted(shapes)


def _steps(length: int, window: int) -> list[int]:
    step = max(1, window // 4)
    starts = list(range(0, length - window + 1, step))
    return starts if starts[-1] == length - window else [*starts, length - window]


def integral(cells: Tensor) -> Tensor:
    """Summed-area table of `(N, C, h, w)`: `(N, C, h+1, w+1)` float32, its first row and column zero."""
    table = cells.new_zeros((*cells.shape[:2], cells.shape[2] + 1, cells.shape[3] + 1), dtype=torch.float32)
    table[:, :, 1:, 1:] = cells.float().cumsum(2).cumsum(3)
    return table


def window_means(cells: Tensor, windows: Tensor) -> Tensor:
    """Mean of each window of each picture: `(N, C, h, w)` and `(n, 4)` give `(N, n, C)` float32."""
    table = integral(cells)
    width = table.shape[3]
    corners = table.flatten(2).transpose(1, 2).contiguous()  # channels together: they are fetched together
    top, left = windows[:, 0] * width, windows[:, 1]
    bottom, right = top + windows[:, 2] * width, left + windows[:, 3]
    lower_right, upper_right, lower_left, upper_left = (
        corners.index_select(1, place) for place in (bottom + right, top + right, bottom + left, top + left)
    )
    return (lower_right - upper_right - lower_left + upper_left) / (windows[:, 2] * windows[:, 3])[:, None]


def window_boxes(windows: NDArray[np.int64], height: int, width: int) -> NDArray[np.float64]:
    """Windows as normalised boxes `(n, 4)`: x, y, width, height in 0 to 1 of a grid of `height` × `width` cells."""
    scale = np.array([width, height, width, height], dtype=np.float64)
    return windows[:, [1, 0, 3, 2]].astype(np.float64) / scale


def windows_at(boxes: NDArray[np.float64], height: int, width: int) -> NDArray[np.int64]:
    """The windows `(n, 4)` nearest to boxes `(n, 4)` on a grid of `height` × `width` cells, one cell large at least."""
    size = np.array([height, width])
    upper = np.clip(np.rint(boxes[:, 1::-1] * size), 0, size - 1).astype(np.int64)
    lower = np.clip(np.rint((boxes[:, 1::-1] + boxes[:, :1:-1]) * size), upper + 1, size).astype(np.int64)
    return np.concatenate([upper, lower - upper], axis=1)
