"""A logo in disorder: its colours and its strokes, but not its shape."""

from __future__ import annotations

import numpy as np

from streamfilter.types import Pixels

FEWEST, MOST = 3, 5
"""Pieces along a side: of two, one could hold enough of a simple mark."""


def scramble(sprite: Pixels, rng: np.random.Generator) -> Pixels:
    """A sprite `(h, w, 4)` cut into 9 to 25 equal pieces, none of which stays where it was.

    Up to 4 rows and columns, those that do not make another whole row of pieces, are cut off.
    """
    count = int(rng.integers(FEWEST, MOST + 1))
    rows, columns = min(count, sprite.shape[0]), min(count, sprite.shape[1])
    height, width = sprite.shape[0] // rows, sprite.shape[1] // columns
    whole = sprite[: rows * height, : columns * width]
    pieces = whole.reshape(rows, height, columns, width, -1).swapaxes(1, 2).reshape(rows * columns, height, width, -1)
    order = rng.permutation(len(pieces))
    moved = np.empty_like(pieces)
    moved[order] = pieces[np.roll(order, 1)]
    grid = moved.reshape(rows, columns, height, width, -1).swapaxes(1, 2)
    return np.ascontiguousarray(grid.reshape(whole.shape))
