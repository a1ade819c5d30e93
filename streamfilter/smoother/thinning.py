"""A path kept in few points: those that straight lines between their neighbours do not redraw."""

from __future__ import annotations

import math
from collections.abc import Iterable

from streamfilter.types import Box, TrackPoint

TOLERANCE = 0.005
"""How far a redrawn edge may be off, as a share of the picture: two pixels of 384."""

MOST_POINTS = 512
"""Above this the tolerance doubles and the path is thinned again, so an event of hours stays small."""


class Path:
    """Points in time order, thinned as they come.

    A swing filter (Elmeleegy et al., VLDB 2009) per coordinate: from the last kept point a cone of slopes remains that
    passes every later point within the tolerance. A point outside the cone makes the one before it a kept point.
    """

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        self._tolerance = tolerance
        self._kept: list[TrackPoint] = []
        self._last: TrackPoint | None = None
        self._cone: list[tuple[float, float]] = []

    def add(self, point: TrackPoint) -> None:
        """Append a point that is later than all before it."""
        if not self._kept:
            self._keep(point)
            return
        if self._last is not None and not self._fits(point):
            self._keep(self._last)
        self._narrow(point)
        self._last = point
        if len(self._kept) > MOST_POINTS:
            self._coarsen()

    def points(self) -> tuple[TrackPoint, ...]:
        """What was kept, with the first and the last point."""
        return (*self._kept, self._last) if self._last is not None else tuple(self._kept)

    def _keep(self, point: TrackPoint) -> None:
        self._kept.append(point)
        self._cone = [(-math.inf, math.inf)] * 4
        self._last = None

    def _fits(self, point: TrackPoint) -> bool:
        anchor = self._kept[-1]
        span_s = point.time_s - anchor.time_s
        pairs = zip(_values(anchor.box), _values(point.box), self._cone, strict=True)
        return all(low * span_s <= new - old <= high * span_s for old, new, (low, high) in pairs)

    def _narrow(self, point: TrackPoint) -> None:
        anchor = self._kept[-1]
        span_s = max(point.time_s - anchor.time_s, 1e-9)
        rises = [new - old for old, new in zip(_values(anchor.box), _values(point.box), strict=True)]
        self._cone = [
            (max(low, (rise - self._tolerance) / span_s), min(high, (rise + self._tolerance) / span_s))
            for rise, (low, high) in zip(rises, self._cone, strict=True)
        ]

    def _coarsen(self) -> None:
        coarse = thinned(self.points(), self._tolerance * 2)
        self._tolerance, self._kept = coarse._tolerance, coarse._kept
        self._last, self._cone = coarse._last, coarse._cone


def thinned(points: Iterable[TrackPoint], tolerance: float) -> Path:
    """A path of `points` at this tolerance."""
    path = Path(tolerance)
    for point in points:
        path.add(point)
    return path


def _values(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height
