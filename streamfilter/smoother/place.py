"""Which sighting belongs to which track: nearest first, each at most once, whatever the order they come in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streamfilter.types import Box, Sighting

NESTED = 0.5
"""Windows of several scales on one logo lie in each other with a small union; half of the smaller one tells them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a track was seen last. Its logo may have moved by `reach` box diagonals; None: it must overlap."""

    box: Box
    reach: float | None


def in_order(sightings: Iterable[Sighting]) -> list[Sighting]:
    """Accepted before rejected, best first, ties by everything else: the same list for any order of the input."""
    return sorted(sightings, key=_rank)


def distinct(sightings: Iterable[Sighting], iou: float) -> list[Sighting]:
    """Sightings of one label with those left out that overlap a better one: two boxes on one logo are one logo."""
    kept: list[Sighting] = []
    for sighting in in_order(sightings):
        if not any(overlaps(sighting.candidate.box, other.candidate.box, iou) for other in kept):
            kept.append(sighting)
    return kept


def pair_up(places: Sequence[Place], boxes: Sequence[Box], *, iou: float) -> dict[int, int]:
    """Index of a place → index of its box: greedy, largest overlap first, then nearest centre, then lowest index."""
    pairs = []
    for i, place in enumerate(places):
        for j, box in enumerate(boxes):
            if is_within(place, box, iou):
                pairs.append((-place.box.iou(box), _distance(place.box, box), i, j))
    matched: dict[int, int] = {}
    for _, _, i, j in sorted(pairs):
        if i not in matched and j not in matched.values():
            matched[i] = j
    return matched


def is_within(place: Place, box: Box, iou: float) -> bool:
    """Whether a logo seen at `place` can be the one in `box`."""
    if overlaps(place.box, box, iou):
        return True
    if place.reach is None:
        return False
    return _distance(place.box, box) <= place.reach * max(_diagonal(place.box), _diagonal(box))


def overlaps(one: Box, other: Box, iou: float) -> bool:
    """Whether two boxes are of one logo: they share at least `iou` of their union, or one lies mostly in the other."""
    shared = one.intersection(other)
    return shared > 0 and (one.iou(other) >= iou or shared >= NESTED * min(one.area, other.area))


def _rank(sighting: Sighting) -> tuple[object, ...]:
    c, box = sighting.candidate, sighting.candidate.box
    return (
        sighting.label is None,
        -sighting.score,
        (c.label, box.x, box.y, box.width, box.height),
        (-c.softmax, c.none_probability, c.distance, c.distance_percentile, c.sharpness),
        (c.runner_up or "", c.runner_up_softmax, sighting.rejection or ""),
    )


def _distance(one: Box, other: Box) -> float:
    return math.dist(one.center, other.center)


def _diagonal(box: Box) -> float:
    return math.hypot(box.width, box.height)
