"""What lies between two looks, in seconds: how much a look counts for, and where the edges of an appearance lie.

A change between two looks is placed at the cut that lies between them; without one in the middle, which is right on
average whatever the rate of the looks. Nothing is ever placed inside a gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from streamfilter.types import Gap, Verdict

SLACK_S = 1e-6
"""Sums of frame times differ from decimal settings by rounding; 12 × 0.04 s counts as 0.48 s."""


@dataclass(frozen=True, slots=True)
class Step:
    """One look and the time since the look before.

    `before_s` is the look before; None at the start of the stream and after a gap. `weight_s` is the time this look
    stands for, `cuts_s` the cuts after the look before, oldest first, `drops` the looks that were left out there.
    """

    time_s: float
    pts: int
    before_s: float | None
    weight_s: float
    cuts_s: tuple[float, ...]
    drops: int = 0

    @property
    def appeared_s(self) -> float:
        """When something began that this look shows and the look before did not."""
        if self.cuts_s:
            return self.cuts_s[-1]
        return self.time_s if self.before_s is None else (self.before_s + self.time_s) / 2

    @property
    def vanished_s(self) -> float:
        """When something ended that the look before showed and this one does not."""
        if self.cuts_s:
            return self.cuts_s[0]
        return self.time_s if self.before_s is None else (self.before_s + self.time_s) / 2


@dataclass(frozen=True, slots=True)
class Loss:
    """A gap, clipped to what lies after the last look. `before_weight_s` is the watched time just before it."""

    start_s: float
    end_s: float
    before_weight_s: float

    @property
    def length_s(self) -> float:
        """Seconds lost."""
        return self.end_s - self.start_s


@dataclass(slots=True)
class Clock:
    """Where in the stream the smoother is: at `mark_s`. One look stands for at most `max_look_s`."""

    max_look_s: float
    mark_s: float | None = None
    after_gap: bool = False

    def look(self, verdict: Verdict) -> Step:
        """Advance to a look. The first look stands for no time: none has gone by. `ValueError` when time runs back."""
        mark_s = verdict.time_s if self.mark_s is None else self.mark_s
        if verdict.time_s < mark_s:
            raise ValueError(f"look at {verdict.time_s} s comes after {mark_s} s: expected looks in time order")
        is_start = self.mark_s is None or self.after_gap
        step = Step(
            time_s=verdict.time_s,
            pts=verdict.pts,
            before_s=None if is_start else mark_s,
            weight_s=self.capped(verdict.time_s - mark_s),
            cuts_s=() if self.mark_s is None else self._cuts(verdict.cuts_s, mark_s, verdict.time_s),
            drops=verdict.drops,
        )
        self.mark_s, self.after_gap = verdict.time_s, False
        return step

    def lose(self, gap: Gap) -> Loss | None:
        """Advance over a gap; None when it holds no time that is new."""
        mark_s = gap.start_s if self.mark_s is None else self.mark_s
        start_s = max(gap.start_s, mark_s)
        if gap.end_s <= start_s:
            return None
        self.mark_s, self.after_gap = gap.end_s, True
        return Loss(start_s, gap.end_s, self.capped(start_s - mark_s))

    def capped(self, seconds: float) -> float:
        """The part of a stretch between two looks that was watched."""
        return min(seconds, self.max_look_s)

    def _cuts(self, cuts_s: Iterable[float], mark_s: float, time_s: float) -> tuple[float, ...]:
        """A cut where the gap ends is new; one on the look before was told with that look."""
        return tuple(sorted(c for c in cuts_s if mark_s < c <= time_s or (self.after_gap and c == mark_s)))
