"""UTC beside stream time, and the clock that it is from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

ClockName = Literal["rtcp_ntp", "arrival"]

# Nothing arrives before its time: a frame that does shows that the ones before came late.
_EARLY_S = 0.02
# Frames come late all the time; when none was earlier than this for a while, the clocks have drifted apart.
_LATE_S = 0.25
_WHILE_S = 10.0
_MOST_PIECES = 64


@dataclass(frozen=True, slots=True)
class _Piece:
    """From `from_s` of stream time on, UTC is stream time and `offset_s`."""

    from_s: float
    offset_s: float
    clock: ClockName


class WallClock:
    """UTC of a feed's stream time, in seconds of the Unix epoch.

    `rtcp_ntp` is the camera's own word, from its RTCP sender reports; it is as right as the camera's clock. `arrival`
    is when a picture reached this machine, less what it was late against the quickest. A correction holds from then on:
    what has been told of an earlier time stays true. May be asked from another thread than the one that tells it.
    """

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque(maxlen=_MOST_PIECES)
        self._least_s: float | None = None
        self._since_s = 0.0

    def connect(self) -> None:
        """A new connection: what the one before told holds no longer."""
        self._least_s = None

    def arrived(self, time_s: float, utc_s: float) -> None:
        """The frame of this stream time came at `utc_s`, by this machine's clock."""
        offset_s = utc_s - time_s
        is_first = self._least_s is None
        if is_first or time_s - self._since_s > _WHILE_S:
            if not is_first and self._is_off(self._least_s or 0.0):
                self._begin(time_s, self._least_s or 0.0, "arrival")
            self._least_s, self._since_s = offset_s, time_s
        self._least_s = min(offset_s, self._least_s if self._least_s is not None else offset_s)
        if is_first or (self._is_arrival and offset_s < self._pieces[-1].offset_s - _EARLY_S):
            self._begin(time_s, offset_s, "arrival")

    def reported(self, time_s: float, utc_s: float) -> None:
        """The camera says that it took the frame of this stream time at `utc_s`."""
        offset_s = utc_s - time_s
        is_known = bool(self._pieces) and self._pieces[-1].clock == "rtcp_ntp"
        if not is_known or abs(self._pieces[-1].offset_s - offset_s) > _EARLY_S:
            self._begin(time_s, offset_s, "rtcp_ntp")

    def utc(self, time_s: float) -> tuple[float, ClockName]:
        """UTC of a stream time, and whose word that is. `LookupError` before the first frame."""
        pieces = tuple(self._pieces)
        if not pieces:
            raise LookupError("no frame has come yet")
        piece = next((one for one in reversed(pieces) if one.from_s <= time_s), pieces[0])
        return time_s + piece.offset_s, piece.clock

    @property
    def _is_arrival(self) -> bool:
        return bool(self._pieces) and self._pieces[-1].clock == "arrival"

    def _is_off(self, offset_s: float) -> bool:
        return self._is_arrival and offset_s > self._pieces[-1].offset_s + _LATE_S

    def _begin(self, from_s: float, offset_s: float, clock: ClockName) -> None:
        self._pieces.append(_Piece(from_s, offset_s, clock))


def utc_text(utc_s: float) -> str:
    """ISO 8601 with milliseconds: `2026-01-31T12:00:00.250Z`."""
    return datetime.fromtimestamp(round(utc_s, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
