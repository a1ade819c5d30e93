"""The look at half the size comes first: the full size is looked at only where that leaves anything small open.

    half the size ─► places ─► closer look ─► which could be a label, and are small? ─► the part around them in full

A closer look cuts its places out of the whole picture, so what it makes of a place hardly depends on the size at which
the place was found. But of what is small half the size tells too little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.classifier.closer import CloserLook, Seen
from streamfilter.classifier.proposals import Proposals, Proposer, Reading
from streamfilter.config import ClassifierConfig
from streamfilter.gate import Region, region_around
from streamfilter.model.network import STRIDE, DenseOutput
from streamfilter.rejector.softmax import softmax
from streamfilter.types import Pixels

LEAST_CELLS = 6
"""A picture that has fewer along a side at half its size is cheap to look at, and too little is left of it there."""
LARGE_CELLS = 4
"""A place that has so many along both sides at half the size is seen as well there as in full."""
NOTHING = 10.0
"""Logit of none of the above where the network was not asked, over those of the labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What half the size says of a picture. `region`: what is worth the full look; None: nothing of it.

    `places`: what half the size proposes; None: it was not asked. `seen`: what a closer look saw there; None: none was.
    """

    region: Region | None
    places: Proposals | None = None
    seen: Seen | None = None

    def rows(self, boxes: NDArray[np.float64]) -> NDArray[np.intp]:
        """Which of its own places each of these `(n, 4)` is, `(n,)`; -1: none."""
        own = {box.tobytes(): row for row, box in enumerate(self.places.boxes)} if self.places is not None else {}
        return np.array([own.get(box.tobytes(), -1) for box in boxes], np.intp)

    def completed(self, rows: NDArray[np.intp], others: Seen | None) -> Seen:
        """What was seen at the places with these `rows`, one or more; of those that are not its own, `others` tell."""
        known = self.seen.with_more(others) if self.seen is not None else others
        assert known is not None
        is_new = rows < 0
        own = len(self.seen.logits) if self.seen is not None else 0
        return known.rows(np.where(is_new, own + np.cumsum(is_new) - 1, rows))


class CoarsePass:
    """Says which part of a picture is worth the full pass. `parts`: whether less than the whole of it may be."""

    def __init__(
        self, proposer: Proposer, closer: CloserLook, config: ClassifierConfig, *, temperature: float, parts: bool
    ) -> None:
        self._proposer, self._closer, self._floor = proposer, closer, config.coarse_floor
        self._temperature, self._parts = temperature, parts

    def glance(self, pictures: Sequence[Pixels], readings: Sequence[Reading]) -> list[Glance]:
        """What is worth the full look of each picture, by its reading at half the size."""
        places = {
            number: self._proposer.fit([reading])
            for number, reading in enumerate(readings)
            if min(reading.output.logits.shape[2:]) >= LEAST_CELLS
        }
        some = [number for number, own in places.items() if len(own.boxes)]
        looked = self._closer.look(
            [places[number].features.logits for number in some],
            [pictures[number] for number in some],
            [places[number].boxes for number in some],
        )
        told = dict(zip(some, looked, strict=True))
        return [
            self._worth(places[number], told.get(number), picture, readings[number])
            if number in places
            else Glance(whole_of(picture))
            for number, picture in enumerate(pictures)
        ]

    def _worth(self, places: Proposals, seen: Seen | None, picture: Pixels, reading: Reading) -> Glance:
        """The part that holds all small places that could be anything but none."""
        if seen is None:
            return Glance(None, places)
        boxes = places.boxes
        down, across = reading.output.logits.shape[2:]
        is_small = (boxes[:, 2:] * (across, down)).min(axis=1) < LARGE_CELLS
        is_open = softmax(seen.logits, self._temperature)[:, -1] <= 1 - self._floor
        worth = boxes[is_small & is_open].clip(0, 1)
        return Glance(self._part(worth, picture) if len(worth) else None, places, seen)

    def _part(self, boxes: NDArray[np.float64], picture: Pixels) -> Region:
        whole = whole_of(picture)
        left, top = boxes[:, :2].min(axis=0)
        right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0).clip(0, 1)
        part = region_around((top, bottom), (left, right), (1, 1), whole.width, whole.height) if self._parts else None
        return part or whole


def whole_of(picture: Pixels) -> Region:
    """All of a picture."""
    return Region.whole(picture.shape[1], picture.shape[0])


def placed(output: DenseOutput, region: Region, *, labels: int) -> DenseOutput:
    """The dense pass of a region as one of the whole picture, in which there is nothing elsewhere."""
    if region.is_whole:
        return output
    grid = (region.down // STRIDE, region.across // STRIDE)
    rows = slice(region.y // STRIDE, (region.y + region.height) // STRIDE)
    columns = slice(region.x // STRIDE, (region.x + region.width) // STRIDE)
    embedding, logits = (part.new_zeros((*part.shape[:2], *grid)) for part in output)
    logits[:, labels:] = NOTHING
    embedding[:, :, rows, columns], logits[:, :, rows, columns] = output.embedding, output.logits
    return DenseOutput(embedding, logits)
