"""Where a label was seen and rejected for long: what is accepted there later is likelier the same stranger than a logo.

A camera that does not move shows the same things all day. What looks somewhat like a logo is rejected there at most
looks, and now and then, in another light, it passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from streamfilter.smoother.place import in_order, overlaps
from streamfilter.smoother.time import Step
from streamfilter.types import Box, Sighting

MEMORY_S = 30.0
"""What was seen so long ago counts for a third (1 / e)."""
MOST = 16
"""Places that are remembered: those last seen. They go into every checkpoint."""
FADED_S = 0.1
"""A place that was rejected for less than this, as it counts by now, is forgotten."""


@dataclass(slots=True)
class Doubt:
    """For how many seconds longer a label was rejected at a place than accepted."""

    label: str
    box: Box
    time_s: float
    seconds: float = 0.0

    def later(self, time_s: float) -> float:
        """`seconds` as they count at a later time."""
        return self.seconds * math.exp(-(time_s - self.time_s) / MEMORY_S)


@dataclass(slots=True)
class Doubts:
    """All such places since the last cut. `grace_s`: rejected for less, a label is not in doubt."""

    grace_s: float
    iou: float
    places: list[Doubt] = field(default_factory=list)

    def about(self, sighting: Sighting, time_s: float) -> float:
        """Seconds by which the label was rejected at this place for longer than it may be."""
        doubt = self._at(sighting)
        return 0.0 if doubt is None else max(0.0, doubt.later(time_s) - self.grace_s)

    def note(self, sightings: Iterable[Sighting], step: Step) -> None:
        """Take in what one look says; of several boxes of a label at one place the best counts."""
        noted: list[Doubt] = []
        for sighting in in_order(sightings):
            doubt = self._at(sighting)
            if doubt is not None and any(doubt is other for other in noted):
                continue
            if doubt is None:
                if sighting.label is not None:
                    continue
                doubt = Doubt(sighting.candidate.label, sighting.candidate.box, step.time_s)
                self.places.append(doubt)
            noted.append(doubt)
            sign = 1 if sighting.label is None else -1
            doubt.seconds = max(0.0, doubt.later(step.time_s) + sign * step.weight_s)
            doubt.box, doubt.time_s = sighting.candidate.box, step.time_s
        kept = [doubt for doubt in self.places if doubt.later(step.time_s) >= FADED_S]
        self.places = sorted(kept, key=lambda doubt: doubt.time_s)[-MOST:]

    def forget(self) -> None:
        """Another shot shows other things."""
        self.places.clear()

    def _at(self, sighting: Sighting) -> Doubt | None:
        label, box = sighting.candidate.label, sighting.candidate.box
        near = [doubt for doubt in self.places if doubt.label == label and overlaps(doubt.box, box, self.iou)]
        return max(near, key=lambda doubt: doubt.box.iou(box)) if near else None
