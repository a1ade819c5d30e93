"""Where the shots change."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.types import Frame

_THUMBNAIL = (64, 36)
# A cut changes the picture this much more than any of the frames around it do: fast motion does not.
_ABOVE_NEIGHBOURS = 2.5
_FRAMES_BEFORE = 3
_FRAMES_AFTER = 3
# The first frames of a shot may move fast, so fewer of them are compared.
_QUIET_AFTER = 2
# A picture nearer to the one before the jump than this share of the jump has come back: it was a flash.
_CAME_BACK = 0.5

_Thumbnail = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame's thumbnail, and how far it is from the one before, 0 to 1."""

    time_s: float
    thumbnail: _Thumbnail
    change: float


class CutFinder:
    """Finds cuts: one frame that differs from the one before far more than its neighbours do, and stays different.

    Fades and dissolves change little from frame to frame and are no cuts. A flash comes back, and is none either. The
    comparison with the neighbours is that of PySceneDetect's adaptive detector (Castellano), on brightness alone.
    """

    def __init__(self, *, threshold: float) -> None:
        self._threshold = threshold
        # The frames before the one in question, that one, and the frames after it.
        self._seen: deque[_Seen] = deque(maxlen=_FRAMES_BEFORE + 1 + _FRAMES_AFTER)

    @property
    def is_unsure(self) -> bool:
        """Whether one of the last frames may turn out to be a cut."""
        first = max(0, len(self._seen) - _FRAMES_AFTER)
        return any(self._jumps(index) for index in range(first, len(self._seen)))

    def update(self, frame: Frame) -> list[float]:
        """Take the next frame; the times of cuts that are sure now."""
        thumbnail = frame.picture.luma(*_THUMBNAIL).astype(np.float32)
        change = picture_change(self._seen[-1].thumbnail, thumbnail) if self._seen else 0.0
        self._seen.append(_Seen(frame.time_s, thumbnail, change))
        return self._cuts_in(range(len(self._seen) - 1 - _FRAMES_AFTER, len(self._seen) - _FRAMES_AFTER))

    def reset(self) -> list[float]:
        """Forget what was seen, at a gap or the end; returns the cuts among the last frames, as far as these tell."""
        cuts_s = self._cuts_in(range(len(self._seen) - _FRAMES_AFTER, len(self._seen)))
        self._seen.clear()
        return cuts_s

    def _cuts_in(self, indices: range) -> list[float]:
        return [self._seen[index].time_s for index in indices if index > 0 and self._is_cut(index)]

    def _jumps(self, index: int) -> bool:
        """Whether this frame differs from the one before enough, also compared with the frames before that."""
        change = self._seen[index].change
        before = [self._seen[i].change for i in range(max(0, index - _FRAMES_BEFORE), index)]
        return change >= self._threshold and change >= _ABOVE_NEIGHBOURS * max(before, default=0.0)

    def _is_cut(self, index: int) -> bool:
        if not self._jumps(index):
            return False
        change = self._seen[index].change
        after = [self._seen[i] for i in range(index + 1, min(len(self._seen), index + 1 + _FRAMES_AFTER))]
        if any(change < _ABOVE_NEIGHBOURS * seen.change for seen in after[:_QUIET_AFTER]):
            return False
        before = self._seen[index - 1].thumbnail
        return all(picture_change(before, seen.thumbnail) >= _CAME_BACK * change for seen in after)


def picture_change(before: _Thumbnail, after: _Thumbnail) -> float:
    """Mean absolute change of brightness, 0 to 1. Both `(H, W)` float32, 0 to 255."""
    return float(np.abs(before - after).mean()) / 255
