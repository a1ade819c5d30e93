"""A path kept in few points: those that straight lines between their neighbours do not redraw."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from streamfilter.types import Box, TrackPoint

TOLERANCE = 0.005
"""How far a redrawn edge may be off, as a share of the picture: two pixels of 384."""

MOST_POINTS = 512
"""Above this the tolerance doubles and the path is thinned again, so an event of hours stays small."""


@dataclass(slots=True)
class Path:
    """Points in time order, thinned as they come.

    A swing filter (Elmeleegy et al., VLDB 2009) per coordinate: from the last kept point a cone of slopes remains that
    passes every later point within the tolerance. A point outside the cone makes the one before it a kept point.
    `cone` holds the least and the greatest slope per coordinate, `last` the newest point where it is not kept.
    """

    tolerance: float = TOLERANCE
    kept: list[TrackPoint] = field(default_factory=list)
    last: TrackPoint | None = None
    cone: list[tuple[float, float]] = field(default_factory=list)

    def add(self, point: TrackPoint) -> None:
        """Append a point that is later than all before it."""
        if not self.kept:
            self._keep(point)
            return
        if self.last is not None and not self._fits(point):
            self._keep(self.last)
        self._narrow(point)
        self.last = point
        if len(self.kept) > MOST_POINTS:
            self._coarsen()

    def points(self) -> tuple[TrackPoint, ...]:
        """What was kept, with the first and the last point."""
        return (*self.kept, self.last) if self.last is not None else tuple(self.kept)

    def _keep(self, point: TrackPoint) -> None:
        self.kept.append(point)
        self.cone = [(-math.inf, math.inf)] * 4
        self.last = None

    def _fits(self, point: TrackPoint) -> bool:
        anchor = self.kept[-1]
        span_s = point.time_s - anchor.time_s
        pairs = zip(_values(anchor.box), _values(point.box), self.cone, strict=True)
        return all(low * span_s <= new - old <= high * span_s for old, new, (low, high) in pairs)

    def _narrow(self, point: TrackPoint) -> None:
        anchor = self.kept[-1]
        span_s = max(point.time_s - anchor.time_s, 1e-9)
        rises = [new - old for old, new in zip(_values(anchor.box), _values(point.box), strict=True)]
        self.cone = [
            (max(low, (rise - self.tolerance) / span_s), min(high, (rise + self.tolerance) / span_s))
            for rise, (low, high) in zip(rises, self.cone, strict=True)
        ]

    def _coarsen(self) -> None:
        coarse = thinned(self.points(), self.tolerance * 2)
        self.tolerance, self.kept = coarse.tolerance, coarse.kept
        self.last, self.cone = coarse.last, coarse.cone


def thinned(points: Iterable[TrackPoint], tolerance: float) -> Path:
    """A path of `points` at this tolerance."""
    path = Path(tolerance)
    for point in points:
        path.add(point)
    return path


def _values(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height
