"""Which frames stay, and where in the result they go. Pure arithmetic on times in seconds.

A log's times lie anywhere between two frames; a cut lies before a frame. Each edge moves to one of the two frames
around it, the one that keeps the length so far closest to what the log says: so the whole is right within a frame,
however many cuts there are. What is kept and what is dropped never overlap and leave no frame out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from streamfilter.intervals import Interval, difference, union

SLACK_S = 2e-5
"""A log rounds to a microsecond, containers to a tick: what is nearer than this to a frame is that frame."""


def snapped(wanted: Sequence[Interval], times_s: Sequence[float]) -> list[Interval]:
    """The wanted intervals with every edge moved to a frame; those that hold no frame are gone.

    `times_s`: when each frame is shown, ascending, and after the last one when it ends. The sum of the lengths differs
    from that of the wanted ones (as far as they lie within the video) by the longest frame at most.
    """
    inside = [(max(a, times_s[0]), min(b, times_s[-1])) for a, b in union(wanted)]
    moved: list[Interval] = []
    surplus_s = 0.0
    last_s = times_s[0]
    for start_s, end_s in ((a, b) for a, b in inside if b > a):
        begin_s = _edge(start_s, times_s, surplus_s, gains=-1)
        begin_s = max(begin_s, last_s)
        surplus_s += start_s - begin_s
        stop_s = max(begin_s, _edge(end_s, times_s, surplus_s, gains=1))
        surplus_s += stop_s - end_s
        last_s = stop_s
        moved.append((begin_s, stop_s))
    return union(moved)


def others(kept: Sequence[Interval], times_s: Sequence[float]) -> list[Interval]:
    """Everything that the `kept` (snapped) intervals leave out."""
    return difference([(times_s[0], times_s[-1])], kept)


@dataclass(frozen=True, slots=True)
class Splice:
    """The parts of a source that stay, one after the other. The result begins at 0."""

    spans: tuple[Interval, ...]

    @property
    def length_s(self) -> float:
        """How long the result is."""
        return sum(end_s - start_s for start_s, end_s in self.spans)

    def place(self, time_s: float) -> float | None:
        """When what the source shows at `time_s` is shown in the result; None: not at all."""
        before_s = 0.0
        for start_s, end_s in self.spans:
            if start_s - SLACK_S <= time_s < end_s - SLACK_S:
                return before_s + time_s - start_s
            before_s += end_s - start_s
        return None


def _edge(wanted_s: float, times_s: Sequence[float], surplus_s: float, *, gains: int) -> float:
    """The frame around `wanted_s` that leaves the smaller surplus; `gains` is 1 where a later edge lengthens.

    Of two that are equally good the later one, so that a single interval holds the frames that begin in it.
    """
    at = bisect_left(times_s, wanted_s - SLACK_S)
    later = times_s[min(at, len(times_s) - 1)]
    if later <= wanted_s + SLACK_S or at == 0:
        return later
    earlier = times_s[at - 1]
    by_later = abs(surplus_s + gains * (later - wanted_s))
    by_earlier = abs(surplus_s + gains * (earlier - wanted_s))
    return later if by_later <= by_earlier + 1e-9 else earlier
