"""Where an event's box stands at any time: pure arithmetic over its track."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from streamfilter.types import Box, Event, TrackPoint


def box_at(track: Sequence[TrackPoint], time_s: float) -> Box:
    """The box at `time_s`: linear between the track's points, held before the first and after the last.

    `track` is in time order and holds at least one point.
    """
    after = bisect_right(track, time_s, key=lambda point: point.time_s)
    if after == 0:
        return track[0].box
    if after == len(track):
        return track[-1].box
    left, right = track[after - 1], track[after]
    return blend(left.box, right.box, (time_s - left.time_s) / (right.time_s - left.time_s))


def blend(first: Box, second: Box, share: float) -> Box:
    """The box that lies `share` (0 to 1) of the way from `first` to `second`."""

    def between(a: float, b: float) -> float:
        return a + (b - a) * share

    return Box(
        between(first.x, second.x),
        between(first.y, second.y),
        between(first.width, second.width),
        between(first.height, second.height),
    )


def visible_at(events: Iterable[Event], time_s: float) -> list[tuple[Event, Box]]:
    """Events on screen at `time_s` with their boxes, largest box first, so that smaller ones are drawn over it."""
    shown = [
        (event, box_at(event.track, time_s) if event.track else event.best.box)
        for event in events
        if event.start_s <= time_s < event.end_s
    ]
    return sorted(shown, key=lambda pair: -pair[1].area)
