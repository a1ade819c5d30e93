"""What part of a picture a scene or a tile of a mosaic shows, and where the picture's boxes lie then.

All that is random is drawn from the generator that is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.training.paste import PixelBox, plain_ground, would_vanish
from streamfilter.training.scene import MIN_VISIBLE
from streamfilter.types import Box, Pixels

CLOSE_UP = (0.3, 0.95)
"""Longer side of what a tile of a mosaic shows, as a share of the tile's."""
TILES = (2, 3, 4)
"""Tiles of a mosaic along either side."""


def tiles(width: int, height: int, rng: np.random.Generator) -> Iterator[tuple[int, int, int, int]]:
    """The tiles of a mosaic, left, top, right, bottom, in rows of unequal height and columns of unequal width."""
    across, down = (_cuts(side, int(rng.choice(TILES)), rng) for side in (width, height))
    for top, bottom in pairwise(down):
        for left, right in pairwise(across):
            yield left, top, right, bottom


def _cuts(length: int, parts: int, rng: np.random.Generator) -> list[int]:
    widths = rng.uniform(0.6, 1.4, parts)
    return [0, *(int(c) for c in np.round(np.cumsum(widths / widths.sum()) * length))]


def somewhere(rng: np.random.Generator) -> Box:
    """A box anywhere in a picture that has none of its own."""
    width, height = rng.uniform(0.2, 0.6, 2)
    return Box(rng.uniform(0, 1 - width), rng.uniform(0, 1 - height), width, height)


def within_tile(
    boxes: Sequence[tuple[PixelBox, int]], tile: tuple[int, int, int, int]
) -> Iterator[tuple[PixelBox, int, float]]:
    """Boxes in a tile and their labels, as boxes in the frame; those of which its edge hides most count for none."""
    left, top, right, bottom = tile
    for (x1, y1, x2, y2), label in boxes:
        cut = (max(x1, 0.0), max(y1, 0.0), min(x2, right - left), min(y2, bottom - top))
        if cut[2] <= cut[0] or cut[3] <= cut[1]:
            continue
        shown = (cut[2] - cut[0]) * (cut[3] - cut[1]) / ((x2 - x1) * (y2 - y1))
        moved = (cut[0] + left, cut[1] + top, cut[2] + left, cut[3] + top)
        yield moved, label if shown >= MIN_VISIBLE else -1, 1.0


def plain(size: tuple[int, int], rng: np.random.Generator, sprite: Pixels | None) -> Pixels:
    """A ground of this width and height, flat or graded, half of the time in the sprite's own colour; seldom noise."""
    wide, high = size
    shape = (high, wide, 3)
    if rng.random() < 0.08:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    own = plain_ground(sprite) if sprite is not None and rng.random() < 0.5 else None
    if own is not None and sprite is not None and would_vanish(sprite, own):
        own = None
    extremes = np.array([[255.0] * 3, [0.0] * 3, list(rng.uniform(0, 255, 3))])
    first = own if own is not None else extremes[rng.integers(3)]
    if own is not None or rng.random() < 0.5:
        return np.broadcast_to(first, shape).astype(np.uint8).copy()
    second = rng.uniform(0, 255, 3)
    ramp = np.linspace(0, 1, high)[:, None, None] * np.ones((1, wide, 1))
    if rng.random() < 0.5:
        ramp = np.linspace(0, 1, wide)[None, :, None] * np.ones((high, 1, 1))
    return np.asarray(first * (1 - ramp) + second * ramp).astype(np.uint8)


def crop(
    picture: Pixels,
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    around: Box | None = None,
    closely: bool = False,
) -> tuple[Pixels, NDArray[np.float64]]:
    """A random part of a picture at the scene's size, and the `(2, 3)` matrix from picture to scene pixels.

    `size`: the scene's width and height. `closely`: what it is `around` fills most of it.
    """
    wide, high = size
    height, width = picture.shape[:2]
    fit = min(wide / width, high / height)
    if closely and around is not None:
        fit = min(wide, high) / max(around.width * width, around.height * height)
    span = CLOSE_UP if closely else (0.6, 2.2)
    zoom = fit * float(np.exp(rng.uniform(*np.log(span))))
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    if around is not None:
        x, y = around.center[0] * width, around.center[1] * height
        zoom = min(zoom, 0.95 * wide / (around.width * width), 0.95 * high / (around.height * height))
    zoom = max(zoom, 1 / min(width, height))
    free_x = wide - width * zoom
    free_y = high - height * zoom
    jitter = rng.uniform(0.3, 0.7, 2)
    left = np.clip(wide * jitter[0] - x * zoom, min(0.0, free_x), max(0.0, free_x))
    top = np.clip(high * jitter[1] - y * zoom, min(0.0, free_y), max(0.0, free_y))
    matrix = np.array([[zoom, 0, left], [0, zoom, top]])
    small = picture
    if zoom < 0.7:
        small = np.asarray(cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA), np.uint8)
    scale = np.diag([width / small.shape[1], height / small.shape[0], 1.0])
    border = [cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101][int(rng.integers(3))]
    if around is not None and border == cv2.BORDER_REFLECT_101:
        border = cv2.BORDER_REPLICATE  # a mirrored logo would be an unlabelled one
    warped = cv2.warpAffine(small, matrix @ scale, (wide, high), borderMode=border)
    return np.asarray(warped, np.uint8), matrix


def map_box(box: Box, picture: Pixels, matrix: NDArray[np.float64]) -> PixelBox:
    """Where a box of a picture lies in the scene that `crop` made of it."""
    height, width = picture.shape[:2]
    zoom, left, top = matrix[0, 0], matrix[0, 2], matrix[1, 2]
    x1, y1 = box.x * width * zoom + left, box.y * height * zoom + top
    return (x1, y1, x1 + box.width * width * zoom, y1 + box.height * height * zoom)
