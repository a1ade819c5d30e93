"""What is exported: the events that count, of one source or of all, with frames and timecodes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from streamfilter.errors import SinkError
from streamfilter.eventlog import Log, LoggedEvent, LoggedSource, shown


@dataclass(frozen=True, slots=True)
class Part:
    """One source and its events, earliest first."""

    source: LoggedSource
    events: tuple[LoggedEvent, ...]

    @property
    def end_s(self) -> float:
        """Where the source ends, as far as the log knows: never before its last event."""
        known = self.source.end_s or self.source.duration_s or 0.0
        return max([known, *(event.end_s for event in self.events)])

    @property
    def rate(self) -> Fraction:
        """Frames per second, as the exact fraction behind a rounded rate. Raises `SinkError` where nobody knows."""
        rate_hz = self.source.rate_hz
        if not rate_hz:
            name = shown(self.source.name, 80)
            raise SinkError(f"the log does not say the frame rate of {name}, which this format counts in; use csv")
        return exact_rate(rate_hz)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels. Raises `SinkError` where nobody knows."""
        if not self.source.width or not self.source.height:
            name = shown(self.source.name, 80)
            raise SinkError(f"the log does not say the size of {name}, which this format needs; use csv")
        return self.source.width, self.source.height

    def frame(self, time_s: float) -> int:
        """The number of the frame that begins nearest to a time, from 0."""
        return round(time_s * self.rate)


def parts_of(log: Log) -> list[Part]:
    """Every source of a log with its events that have a label and were not rejected in review."""
    ordered = sorted(log.kept, key=lambda event: (event.source, event.start_s, event.label or "", event.event_id))
    events = {name: tuple(group) for name, group in groupby(ordered, key=lambda event: event.source)}
    return [Part(source, events.get(source.name, ())) for source in log.sources]


def only_part(log: Log, name: str | None = None) -> Part:
    """The one source that is exported, for formats that speak of one video. Raises `SinkError`."""
    parts = parts_of(log)
    chosen = [part for part in parts if part.source.name == name] if name is not None else parts
    if len(chosen) != 1:
        names = ", ".join(shown(part.source.name, 60) for part in parts[:5]) or "none"
        raise SinkError(
            f"{log.path} has {len(parts)} sources ({names}), and this format speaks of one; name it (--source)"
        )
    return chosen[0]


def exact_rate(rate_hz: float) -> Fraction:
    """The rate that a rounded one stands for: 29.97003 is 30000/1001."""
    whole = round(rate_hz)
    for candidate in (Fraction(whole), Fraction(round(rate_hz * 1.001) * 1000, 1001)):
        if candidate and abs(float(candidate) - rate_hz) < 2e-4 * rate_hz:
            return candidate
    return Fraction(rate_hz).limit_denominator(1001)


def timecode(frame: int, rate: Fraction) -> str:
    """`HH:MM:SS:FF` without dropped frames; the count goes in whole frames per second."""
    per_second = -(-rate.numerator // rate.denominator)
    seconds, frames = divmod(max(0, frame), per_second)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frames:02d}"
