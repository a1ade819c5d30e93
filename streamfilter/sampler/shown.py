"""What a shot has shown so far: a part of the picture that looks as it did before tells nothing new.

A speaker sways and comes back, cars pass before the same street. What is compared is each tile with all that stood in
its place lately, as codebook models of a background do (Kim et al., "Real-time foreground-background segmentation using
codebook model", 2005), here exactly and without a model.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from streamfilter.gate import TILES, tiles_of
from streamfilter.types import Pixels

LATELY_S = 30.0
"""What was shown longer ago, in seconds, is new again."""
MOST = 128
"""Looks that are remembered, so that looking often costs no more."""


class Shown:
    """The looks at one shot. `threshold`: the least change of a tile's brightness, 0 to 1, that counts."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._looks: deque[tuple[float, NDArray[np.uint8]]] = deque(maxlen=MOST)

    def forget(self) -> None:
        """Another shot begins."""
        self._looks.clear()

    def novel_tiles(self, thumbnail: Pixels, time_s: float) -> NDArray[np.bool_]:
        """Take the next look, `(72, 128)` uint8 luma: its tiles that no look of late has shown, `(9, 16)`."""
        while self._looks and time_s - self._looks[0][0] > LATELY_S:
            self._looks.popleft()
        own = tiles_of(thumbnail)
        novel = np.ones(len(own), np.bool_)
        if self._looks:
            novel = self._differ(own, self._looks[-1][1][None])
            open_ = np.flatnonzero(novel)
            if len(open_):
                novel[open_] = self._differ(own[open_], np.stack([tiles[open_] for _, tiles in self._looks]))
        self._looks.append((time_s, own))
        return novel.reshape(TILES)

    def _differ(self, own: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which of the tiles `(n, p)` are like none of the looks `(k, n, p)`."""
        change = np.maximum(own, others) - np.minimum(own, others)  # uint8 all the way: a third of the time
        least = change.sum(axis=2, dtype=np.uint32).min(axis=0)
        return np.asarray(least > self._threshold * 255 * own.shape[1])
