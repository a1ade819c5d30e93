"""The look at half the size comes first: the full size is looked at only where something is too small for that.

    half the size ─► places ─► which are small? ─► the part around these in full

What half the size says of small places plays no part: it can tell that something is there, and hardly what. Measured,
their size alone chooses far better than how likely a label they seem, also after a closer look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.classifier.proposals import Proposals, Proposer, Reading
from streamfilter.gate import Region, region_around
from streamfilter.model.network import STRIDE, DenseOutput
from streamfilter.types import Pixels

LEAST_CELLS = 6
"""A picture that has fewer along a side at half its size is cheap to look at, and too little is left of it there."""
NOTHING = 10.0
"""Logit of none of the above where the network was not asked, over those of the labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What half the size says of a picture. `region`: what is worth the full look; None: nothing of it.

    `places`: what half the size proposes, where that is all that is asked.
    """

    region: Region | None
    places: Proposals | None = None


class CoarsePass:
    """Says which part of a picture is worth the full pass.

    `small`: a place whose shorter side has fewer pixels is. `parts`: whether less than the whole picture may be.
    """

    def __init__(self, proposer: Proposer, *, small: int, parts: bool) -> None:
        self._proposer, self._small, self._parts = proposer, small, parts

    def glance(self, picture: Pixels, reading: Reading) -> Glance:
        """What is worth the full look, by its reading at half the size. Picture: `(H, W, 3)` uint8."""
        if min(reading.output.logits.shape[2:]) < LEAST_CELLS:
            return Glance(whole_of(picture))
        boxes = self._proposer.places(reading)
        height, width = picture.shape[:2]
        small = boxes[(boxes[:, 2:] * (width, height)).min(axis=1) < self._small]
        if len(small):
            return Glance(self._part(small.clip(0, 1), picture))
        return Glance(None, self._proposer.fit([reading]))

    def _part(self, boxes: NDArray[np.float64], picture: Pixels) -> Region:
        """The part of a picture that holds these boxes."""
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
