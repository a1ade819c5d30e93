"""Where the frames between two looks that differ are asked: where either look shows anything that matters.

What is elsewhere in the picture is known by the two; between them only the question is open since when, or until when,
that is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from streamfilter.config import SmootherConfig
from streamfilter.gate import TILES
from streamfilter.sampler.agreeing import Answer
from streamfilter.types import Box

ROOM = 0.5
"""How far a box may have moved, in its own widths and heights, before it is lost from sight."""


def focus(answers: Iterable[Answer], config: SmootherConfig) -> NDArray[np.bool_]:
    """The tiles, `(9, 16)`, where these answers show anything that matters, and where that may have moved."""
    tiles = np.zeros(TILES, np.bool_)
    for answer in answers:
        for number in answer.matter(config):
            tiles[_around(answer.candidates[number].box)] = True
    return tiles


def _around(box: Box) -> tuple[slice, slice]:
    down, across = TILES
    wide, high = ROOM * box.width, ROOM * box.height
    rows = slice(max(0, int((box.y - high) * down)), math.ceil((box.y + box.height + high) * down))
    columns = slice(max(0, int((box.x - wide) * across)), math.ceil((box.x + box.width + wide) * across))
    return rows, columns
