"""The look at half the size comes first: the full size is looked at only where that sees anything that could be."""

from __future__ import annotations

from streamfilter.classifier.proposals import Proposer
from streamfilter.config import ClassifierConfig
from streamfilter.gate import Region, region_around
from streamfilter.model import DenseResNet
from streamfilter.model.network import STRIDE, DenseOutput
from streamfilter.types import Pixels

LEAST_CELLS = 6
"""A part of a picture that has fewer at half its size is cheap to look at, and too little is left of it there."""
NOTHING = 10.0
"""Logit of none of the above where the network was not asked, over those of the labels."""


class CoarsePass:
    """Says which part of a picture is worth the full pass. `parts`: whether less than the whole of it may be."""

    def __init__(self, network: DenseResNet, config: ClassifierConfig, *, parts: bool) -> None:
        self._proposer = Proposer(network, config, floor=config.coarse_floor, places=True)
        self._parts = parts

    def worth(self, picture: Pixels, output: DenseOutput) -> Region | None:
        """What holds all windows that could be anything but none, by the dense pass at half the size; None: nothing."""
        height, width = picture.shape[:2]
        if min(output.logits.shape[2:]) < LEAST_CELLS:
            return Region.whole(width, height)
        windows = self._proposer.possible(output)
        if not len(windows):
            return None
        if not self._parts:
            return Region.whole(width, height)
        top, left = windows[:, :2].min(axis=0)
        bottom, right = (windows[:, :2] + windows[:, 2:]).max(axis=0)
        part = region_around((top, bottom), (left, right), output.logits.shape[2:], width, height)
        return part or Region.whole(width, height)


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
