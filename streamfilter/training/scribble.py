"""Strokes, arcs, blobs and words that are nobody's logo, drawn into a training scene.

Simple marks are where strangers are taken for a logo: paint on a road for a tick, a yellow bow for an arch, any word
for a wordmark. Photographs hold too few of them at the size and the contrast of logos.
"""

from __future__ import annotations

import string
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfilter.types import Pixels

MOST = 6
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)

_Points = NDArray[np.int32]
_Colour = tuple[int, int, int]


def scribble(frame: Pixels, rng: np.random.Generator) -> None:
    """Draw one to `MOST` random marks into a frame, `(H, W, 3)` uint8, in place."""
    draw: tuple[Callable[[Pixels, _Points, int, _Colour, np.random.Generator], None], ...]
    draw = (_lines, _arc, _blob, _ring, _word, _bars)
    for _ in range(1 + int(rng.integers(0, MOST))):
        height, width = frame.shape[:2]
        side = int(height * np.exp(rng.uniform(np.log(0.05), np.log(0.6))))
        center = np.array([rng.integers(0, width), rng.integers(0, height)], np.int32)
        draw[int(rng.integers(len(draw)))](frame, center, side, _colour(rng), rng)


def _colour(rng: np.random.Generator) -> _Colour:
    if rng.random() < 0.35:
        level = int(rng.choice([15, 240]))
        return level, level, level
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue


def _thickness(side: int, rng: np.random.Generator) -> int:
    return max(1, int(side * rng.uniform(0.03, 0.3)))


def _around(center: _Points, side: int, count: int, rng: np.random.Generator) -> _Points:
    return np.asarray(center + rng.uniform(-0.5, 0.5, (count, 2)) * side, np.int32)


def _lines(frame: Pixels, center: _Points, side: int, colour: _Colour, rng: np.random.Generator) -> None:
    points = _around(center, side, int(rng.integers(2, 5)), rng)
    cv2.polylines(frame, [points], rng.random() < 0.2, colour, _thickness(side, rng), cv2.LINE_AA)


def _arc(frame: Pixels, center: _Points, side: int, colour: _Colour, rng: np.random.Generator) -> None:
    axes = (max(1, int(side * rng.uniform(0.2, 0.6))), max(1, int(side * rng.uniform(0.2, 0.6))))
    first = rng.uniform(0, 360)
    last, turn = first + rng.uniform(40, 300), rng.uniform(0, 180)
    place = (int(center[0]), int(center[1]))
    cv2.ellipse(frame, place, axes, turn, first, last, colour, _thickness(side, rng), cv2.LINE_AA)


def _blob(frame: Pixels, center: _Points, side: int, colour: _Colour, rng: np.random.Generator) -> None:
    hull = cv2.convexHull(_around(center, side, int(rng.integers(3, 9)), rng))
    cv2.fillPoly(frame, [np.asarray(hull, np.int32)], colour, cv2.LINE_AA)


def _ring(frame: Pixels, center: _Points, side: int, colour: _Colour, rng: np.random.Generator) -> None:
    place, radius = (int(center[0]), int(center[1])), max(2, side // 2)
    cv2.circle(frame, place, radius, colour, -1 if rng.random() < 0.4 else _thickness(side, rng), cv2.LINE_AA)
    if rng.random() < 0.5:
        cv2.circle(frame, place, max(1, int(radius * rng.uniform(0.2, 0.7))), _colour(rng), -1, cv2.LINE_AA)


def _word(frame: Pixels, center: _Points, side: int, colour: _Colour, rng: np.random.Generator) -> None:
    letters = rng.choice(list(string.ascii_letters + string.digits), int(rng.integers(1, 10)))
    text = "".join(letters) if rng.random() < 0.5 else "".join(letters).upper()
    font, scale = FONTS[int(rng.integers(len(FONTS)))], side / 50
    place = (int(center[0] - len(text) * side // 4), int(center[1]))
    cv2.putText(frame, text, place, font, scale, colour, max(1, int(scale * rng.uniform(1, 5))), cv2.LINE_AA)


def _bars(frame: Pixels, center: _Points, side: int, colour: _Colour, rng: np.random.Generator) -> None:
    count, slant = int(rng.integers(2, 6)), rng.uniform(-0.6, 0.6)
    width, height = max(2, side // (2 * count)), int(side * rng.uniform(0.3, 1.0))
    for index in range(count):
        x, y = int(center[0] + 2 * index * width), int(center[1])
        lean = int(slant * height)
        corners = np.array([[x, y], [x + width, y], [x + width + lean, y - height], [x + lean, y - height]], np.int32)
        cv2.fillPoly(frame, [corners], colour, cv2.LINE_AA)
