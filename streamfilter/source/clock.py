"""Stream time from PTS: starts at the container's start and never steps back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

# A smaller correction of the clock is a slip of the muxer and no discontinuity.
_SLIP_S = Fraction(1, 2)
# A leap ahead by more than this that also passes the declared end is a damaged PTS, not a pause.
_LEAP_S = 10


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame is shown. `jumped`: the clock was set anew, so that time could go on."""

    pts: int
    time_s: float
    end_s: float
    jumped: bool


class StreamClock:
    """Places frames in stream time, in the order in which they are shown.

    A PTS that is not after the one before it, or far beyond the declared end, begins a new clock, set to continue where
    the old one was. When the old clock makes sense again, it is taken back: then only some PTS were bad.
    """

    def __init__(self, time_base: Fraction, *, start: Fraction, default_step: int, end_s: float | None = None) -> None:
        self._time_base = time_base
        self._start = start
        self._default_step = max(1, default_step)
        self._end_s = end_s
        self._offset = 0
        self._former: int | None = None
        self._last: int | None = None
        self._step = self._default_step

    def place(self, pts: int | None, duration: int | None) -> Moment:
        """The moment of the next frame, from its PTS and duration in units of the time base."""
        due = self._due()
        if pts is None:
            pts = due - self._offset
        jumped = self._set_offset(pts, due)
        self._last, self._step = pts + self._offset, duration or self._default_step
        return Moment(pts, self.seconds(self._last), self.seconds(self._last + self._step), jumped)

    def is_stray(self, pts: int | None, following: Iterable[int | None]) -> bool:
        """Whether the frames behind it show that this one is out of place, and that the clock has not jumped.

        Its time has passed though time goes on behind it, or it is far ahead and the next ones are not.
        """
        if pts is None or self._last is None:
            return False
        ahead = pts + self._offset - self._last
        others = [after + self._offset - self._last for after in following if after is not None]
        if ahead * self._time_base > _LEAP_S:
            return any(0 < other < ahead for other in others)
        return ahead <= 0 and any(other > 0 for other in others)

    def skip(self, frames: int) -> None:
        """Let the time of lost frames pass, for frames without PTS that follow."""
        if self._last is not None:
            self._step += frames * self._default_step

    def seconds(self, ticks: int) -> float:
        """Stream time of a point on the clock, in seconds."""
        return float(ticks * self._time_base - self._start)

    def _set_offset(self, pts: int, due: int) -> bool:
        """Choose the clock that makes sense of `pts`; True when a new one had to begin."""
        now, former = self._makes_sense(pts, self._offset), self._makes_sense(pts, self._former)
        if self._former is not None and former:
            nearer = abs(pts + self._former - due) < abs(pts + self._offset - due)
            if not now or nearer:
                self._offset, self._former = self._former, None
                return False
        if now:
            return False
        self._former, self._offset = self._offset, due - pts
        return abs(self._offset - self._former) * self._time_base >= _SLIP_S

    def _makes_sense(self, pts: int, offset: int | None) -> bool:
        if offset is None or self._last is None:
            return offset is not None
        ahead = (pts + offset - self._last) * self._time_base
        beyond_end = self._end_s is not None and self.seconds(pts + offset) > self._end_s
        return ahead > 0 and not (ahead > _LEAP_S and beyond_end)

    def _due(self) -> int:
        if self._last is None:
            return round(self._start / self._time_base)
        return self._last + self._step
