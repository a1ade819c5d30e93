"""Stream time from PTS: starts at the container's start and never steps back."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

# A step back below this is a slip of the muxer, not a new clock: worth a note, not a gap.
_SLIP_S = Fraction(1, 2)
# How many frames a new clock must last before the old one is forgotten.
_TRIAL_FRAMES = 8


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame is shown. `jumped`: the clock was set anew."""

    pts: int
    time_s: float
    end_s: float
    jumped: bool


class StreamClock:
    """Places frames in stream time, in the order in which they are shown.

    A PTS that is not after the one before it begins a new clock, which is set to continue the old one. When the old
    clock comes back within a few frames, it was one bad PTS, and the old clock is right again.
    """

    def __init__(self, time_base: Fraction, *, start: Fraction, default_step: int) -> None:
        self._time_base = time_base
        self._start = start
        self._default_step = max(1, default_step)
        self._offset = 0
        self._former: tuple[int, int] | None = None
        self._last: int | None = None
        self._step = self._default_step

    def place(self, pts: int | None, duration: int | None) -> Moment:
        """The moment of the next frame, from its PTS and duration in units of the time base."""
        step = duration or self._default_step
        due = self._due()
        jumped = False
        if pts is None:
            pts = due - self._offset
        elif self._last is not None and pts + self._offset <= self._last:
            behind = self._last - (pts + self._offset)
            jumped = behind * self._time_base >= _SLIP_S
            self._former = (self._offset, _TRIAL_FRAMES)
            self._offset = due - pts
        else:
            self._return_to_former(pts)
        self._last, self._step = pts + self._offset, step
        return Moment(pts, self.seconds(self._last), self.seconds(self._last + step), jumped)

    def skip(self, frames: int) -> None:
        """Let the time of lost frames pass, for frames without PTS that follow."""
        if self._last is not None:
            self._step += frames * self._default_step

    def seconds(self, ticks: int) -> float:
        """Stream time of a point on the clock, in seconds."""
        return float(ticks * self._time_base - self._start)

    def _due(self) -> int:
        if self._last is None:
            return round(self._start / self._time_base)
        return self._last + self._step

    def _return_to_former(self, pts: int) -> None:
        if self._former is None or self._last is None:
            return
        offset, left = self._former
        if pts + offset > self._last:
            self._offset, self._former = offset, None
        else:
            self._former = (offset, left - 1) if left > 1 else None
