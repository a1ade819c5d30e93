"""The sampler stage: which frames are looked at, and where the shots change."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.config import SamplerConfig
from streamfilter.stages import Sampler
from streamfilter.types import Frame, Gap, Look

# Times are floats: a frame this share of a tick early is on time.
_TICK_SLACK = 1e-6


def make_sampler(config: SamplerConfig) -> Sampler:
    """The sampler that the settings ask for."""
    return GridSampler(config)


class GridSampler:
    """Looks at the first frame at or after each tick of a grid in stream time, or at every (key) frame.

    The grid is tied to stream time 0, so the same frames are looked at wherever reading begins, but for the very first.
    """

    def __init__(self, config: SamplerConfig) -> None:
        self._config = config

    def looks(self, frames: Iterable[Frame | Gap]) -> Iterator[Look | Gap]:
        """Looks and gaps in time order. A look waits, a few frames at most, for a cut that is being confirmed."""
        finder = CutFinder(threshold=self._config.cut_threshold) if self._config.cuts else None
        ticks = _Ticks(self._config)
        held: list[Frame] = []
        cuts_s: list[float] = []
        for item in frames:
            if isinstance(item, Gap):
                if finder is not None:
                    cuts_s += finder.reset()
                yield from _released(held, cuts_s)
                yield item
                continue
            if finder is not None:
                cuts_s += finder.update(item)
            if ticks.takes(item):
                held.append(item)
            if finder is None or not finder.is_unsure:
                yield from _released(held, cuts_s)
        if finder is not None:
            cuts_s += finder.reset()
        yield from _released(held, cuts_s)


def _released(held: list[Frame], cuts_s: list[float]) -> Iterator[Look]:
    """The held frames as looks, each with the cuts up to its time; both lists are used up."""
    for frame in held:
        mine = tuple(cut_s for cut_s in cuts_s if cut_s <= frame.time_s)
        cuts_s[:] = cuts_s[len(mine) :]
        yield Look(frame, cuts_s=mine)
    held.clear()


class _Ticks:
    """Says which frames are looked at."""

    def __init__(self, config: SamplerConfig) -> None:
        self._rate = config.rate
        self._tick: int | None = None

    def takes(self, frame: Frame) -> bool:
        if self._rate == "every":
            return True
        if self._rate == "keyframes":
            return frame.is_key
        tick = math.floor(frame.time_s * self._rate + _TICK_SLACK)
        taken = self._tick is None or tick > self._tick
        if taken:
            self._tick = tick
        return taken


_THUMBNAIL = (64, 36)
# A cut changes the picture this much more than the frames before it did: fast motion does not.
_ABOVE_MEDIAN = 4.0
_MEDIAN_FRAMES = 12
# So many frames after a jump tell a cut from a flash, whose end looks like what was before.
_CONFIRM_FRAMES = 3
# A picture nearer to the one before the jump than this share of the jump has come back.
_CAME_BACK = 0.5

_Thumbnail = NDArray[np.float32]


@dataclass(slots=True)
class _Suspect:
    """A jump that may be a cut. `before` is the last picture of the old shot, `change` how far the jump went."""

    time_s: float
    before: _Thumbnail
    change: float
    frames_left: int


class CutFinder:
    """Finds cuts: one frame that differs from the one before far more than its neighbours do, and stays different.

    Fades and dissolves change little from frame to frame and are no cuts. A flash comes back, and is none either.
    """

    def __init__(self, *, threshold: float) -> None:
        self._threshold = threshold
        self._last: _Thumbnail | None = None
        self._changes: deque[float] = deque(maxlen=_MEDIAN_FRAMES)
        self._suspect: _Suspect | None = None

    @property
    def is_unsure(self) -> bool:
        """Whether a jump waits for the next frames."""
        return self._suspect is not None

    def update(self, frame: Frame) -> list[float]:
        """Take the next frame; the times of cuts that are sure now."""
        thumbnail = frame.picture.luma(*_THUMBNAIL).astype(np.float32)
        last, self._last = self._last, thumbnail
        if last is None:
            return []
        change = picture_change(last, thumbnail)
        cuts_s = self._confirm(thumbnail)
        if self._suspect is None and self._is_jump(change):
            self._suspect = _Suspect(frame.time_s, last, change, _CONFIRM_FRAMES)
        self._changes.append(change)
        return cuts_s

    def reset(self) -> list[float]:
        """Forget what was seen, at a gap or the end; a jump that nobody took back is a cut."""
        cuts_s = [] if self._suspect is None else [self._suspect.time_s]
        self._last, self._suspect = None, None
        self._changes.clear()
        return cuts_s

    def _is_jump(self, change: float) -> bool:
        usual = statistics.median(self._changes) if self._changes else 0.0
        return change >= self._threshold and change >= _ABOVE_MEDIAN * usual

    def _confirm(self, thumbnail: _Thumbnail) -> list[float]:
        suspect = self._suspect
        if suspect is None:
            return []
        if picture_change(suspect.before, thumbnail) < _CAME_BACK * suspect.change:
            self._suspect = None
            return []
        suspect.frames_left -= 1
        if suspect.frames_left:
            return []
        self._suspect = None
        return [suspect.time_s]


def picture_change(before: _Thumbnail, after: _Thumbnail) -> float:
    """Mean absolute change of brightness, 0 to 1. Both `(H, W)` float32, 0 to 255."""
    return float(np.abs(before - after).mean()) / 255
