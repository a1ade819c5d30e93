"""How much time a source may claim, and how many frames in a second of it."""

from __future__ import annotations

from math import floor

from streamfilter.config import SourceLimits
from streamfilter.errors import SourceError


class Pace:
    """Counts the frames of one source in each second of its stream time."""

    def __init__(self, name: str, limits: SourceLimits) -> None:
        self._name = name
        self._limits = limits
        self._second: int | None = None
        self._frames = 0

    def check(self, time_s: float) -> None:
        """Take note of the next frame. Raises `SourceError` for one that is too late or too soon after the others."""
        limits = self._limits
        if time_s > limits.duration_s:
            raise SourceError(
                f"{self._name} holds a picture at {time_s:.0f} s, beyond source.limits.duration_s = "
                f"{limits.duration_s:g}; raise that setting if you trust the file"
            )
        second = floor(time_s)
        self._frames = self._frames + 1 if second == self._second else 1
        self._second = second
        if self._frames > limits.rate_hz:
            raise SourceError(
                f"{self._name} holds more pictures in the second from {second} s on than source.limits.rate_hz = "
                f"{limits.rate_hz}; raise that setting if you trust the file"
            )
