"""Text on pictures in OpenCV's own TrueType fonts, which hold Latin, Greek, Cyrillic, Hebrew, Arabic and Han."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2

from streamfilter.annotate.bidi import visual
from streamfilter.annotate.palette import Color
from streamfilter.types import Pixels

ASCENT = 0.95  # of the size in pixels: from the top of a line to its baseline
LINE = 1.3  # of the size in pixels: height of a line
ELLIPSIS = "…"


@cache
def _face() -> Any:
    return cv2.FontFace("sans")


@cache
def text_width(text: str, size: int, weight: int) -> int:
    """Width in pixels of one line of text; `weight` is 400 for regular, 600 for bold."""
    _, _, width, _ = cv2.getTextSize((10000, 1000), text, (0, 0), _face(), size, weight)
    return int(width)


@cache
def shorten(text: str, size: int, weight: int, width: int) -> str:
    """The text, or as much of its beginning as fits into `width` pixels with an ellipsis."""
    if text_width(text, size, weight) <= width:
        return text
    fitting = (text[:length] + ELLIPSIS for length in range(len(text) - 1, 0, -1))
    return next((short for short in fitting if text_width(short, size, weight) <= width), ELLIPSIS)


def draw_text(pixels: Pixels, text: str, at: tuple[int, int], *, size: int, weight: int, color: Color) -> None:
    """Draw one line with its upper left corner at `at`, in place; `pixels` is `(H, W, 3)` uint8 RGB."""
    baseline = (at[0], at[1] + round(size * ASCENT))
    cv2.putText(pixels, visual(text), baseline, color, _face(), size, weight)
