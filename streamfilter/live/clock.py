"""Stream time of a feed: from its first frame on, over all its connections, without a step back."""

from __future__ import annotations

from dataclasses import dataclass

# More than this ahead of what the arrival tells is a jump of the PTS, not a pause.
_LEAP_S = 2.0
# A smaller correction is a slip, and not worth telling.
_SLIP_S = 0.5
# A hole between two frames of one connection: longer than this, and than so many steps.
_HOLE_S = 1.0
_HOLE_STEPS = 4.0
_USUAL_STEP_S = 0.04
# How much of a newly seen step goes into the usual one.
_LEARNING = 0.1


@dataclass(frozen=True, slots=True)
class LiveMoment:
    """When a frame is shown, in seconds of stream time.

    `lost_from_s`: nothing is known from then until now; None: nothing was lost. `jumped`: its clock was set anew.
    """

    time_s: float
    end_s: float
    lost_from_s: float | None = None
    jumped: bool = False


@dataclass(frozen=True, slots=True)
class LiveMark:
    """Where a feed has got to: its last frame began at `time_s` of stream time and came at `arrived_s`."""

    time_s: float
    end_s: float
    arrived_s: float


class LiveClock:
    """Places frames in stream time by their PTS as long as that makes sense, and by their arrival where it does not.

    A PTS that steps back, or that leaps further ahead than time has passed, begins a new clock that goes on where the
    old one was: so do a wrap and a new connection. `arrived_s` are monotonic seconds.
    """

    def __init__(self, *, mark: LiveMark | None = None) -> None:
        self.mark = mark
        self._offset_s: float | None = None
        self._is_new = mark is not None
        self._step_s = _USUAL_STEP_S

    def connect(self, *, rate_hz: float | None) -> None:
        """What comes now is of a new connection, whose PTS have nothing to do with those before."""
        self._offset_s = None
        self._is_new = self.mark is not None
        if rate_hz:
            self._step_s = 1 / rate_hz

    def place(self, pts_s: float | None, arrived_s: float) -> LiveMoment:
        """The moment of the next frame in the order of showing; `pts_s` is its PTS in seconds, on whatever clock."""
        if self.mark is None:
            moment = LiveMoment(0.0, self._step_s)
        elif self._is_new:
            time_s = self.mark.time_s + max(self._step_s, arrived_s - self.mark.arrived_s)
            lost_from_s = min(self.mark.end_s, time_s)
            moment = LiveMoment(time_s, time_s + self._step_s, lost_from_s)
        else:
            moment = self._next(pts_s, arrived_s, self.mark)
        self._is_new = False
        if pts_s is not None:
            self._offset_s = moment.time_s - pts_s
        self.mark = LiveMark(moment.time_s, moment.end_s, arrived_s)
        return moment

    def seconds(self, pts_s: float) -> float | None:
        """Stream time of a PTS of this connection; None before its first frame was placed."""
        return None if self._offset_s is None else pts_s + self._offset_s

    def reached_s(self, arrived_s: float) -> float:
        """What stream time it is now."""
        return 0.0 if self.mark is None else max(self.mark.end_s, self.mark.time_s + arrived_s - self.mark.arrived_s)

    def _next(self, pts_s: float | None, arrived_s: float, mark: LiveMark) -> LiveMoment:
        due_s = mark.time_s + self._step_s
        if pts_s is None or self._offset_s is None:
            return LiveMoment(due_s, due_s + self._step_s)
        ahead_s = pts_s + self._offset_s - mark.time_s
        passed_s = max(0.0, arrived_s - mark.arrived_s)
        if not 0 < ahead_s <= passed_s + max(_LEAP_S, _HOLE_STEPS * self._step_s):
            time_s = max(due_s, mark.time_s + min(passed_s, max(ahead_s, 0.0)))
            correction_s = abs(time_s - mark.time_s - ahead_s)
            return LiveMoment(time_s, time_s + self._step_s, jumped=correction_s >= _SLIP_S)
        time_s = mark.time_s + ahead_s
        is_hole = ahead_s > max(_HOLE_S, _HOLE_STEPS * self._step_s)
        if not is_hole:
            self._step_s += _LEARNING * (ahead_s - self._step_s)
        return LiveMoment(time_s, time_s + self._step_s, lost_from_s=min(mark.end_s, time_s) if is_hole else None)
