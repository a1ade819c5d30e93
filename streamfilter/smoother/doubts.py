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
FADED = 0.5
"""A place that was rejected at fewer looks than this, as they count by now, is forgotten."""


@dataclass(slots=True)
class Doubt:
    """How much more often, and for how many seconds longer, a label was rejected at a place than accepted."""

    label: str
    box: Box
    time_s: float
    looks: float = 0.0
    seconds: float = 0.0

    def later(self, time_s: float) -> tuple[float, float]:
        """`looks` and `seconds` as they count at a later time."""
        left = math.exp(-(time_s - self.time_s) / MEMORY_S)
        return self.looks * left, self.seconds * left


@dataclass(slots=True)
class Doubts:
    """All such places since the last cut. `grace_s`: rejected for less, a label is not in doubt."""

    grace_s: float
    iou: float
    places: list[Doubt] = field(default_factory=list)

    def about(self, sighting: Sighting, time_s: float) -> tuple[float, float]:
        """Looks and seconds by which the label was rejected at this place for longer than it may be."""
        doubt = self._at(sighting)
        if doubt is None:
            return 0.0, 0.0
        looks, seconds = doubt.later(time_s)
        share = max(0.0, seconds - self.grace_s) / seconds if seconds else 0.0
        return looks * share, seconds * share

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
            looks, seconds = doubt.later(step.time_s)
            sign = 1 if sighting.label is None else -1
            doubt.looks, doubt.seconds = max(0.0, looks + sign), max(0.0, seconds + sign * step.weight_s)
            doubt.box, doubt.time_s = sighting.candidate.box, step.time_s
        kept = [doubt for doubt in self.places if doubt.later(step.time_s)[0] >= FADED]
        self.places = sorted(kept, key=lambda doubt: doubt.time_s)[-MOST:]

    def forget(self) -> None:
        """Another shot shows other things."""
        self.places.clear()

    def _at(self, sighting: Sighting) -> Doubt | None:
        label, box = sighting.candidate.label, sighting.candidate.box
        near = [doubt for doubt in self.places if doubt.label == label and overlaps(doubt.box, box, self.iou)]
        return max(near, key=lambda doubt: doubt.box.iou(box)) if near else None
