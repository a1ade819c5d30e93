"""A first pass at half the size: where it sees nothing that could be anything, the full pass is left out."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfilter.classifier.proposals import GRANULE, Proposer
from streamfilter.classifier.runtimes import Runtime
from streamfilter.config import ClassifierConfig
from streamfilter.model import DenseResNet
from streamfilter.types import Pixels


class CoarsePass:
    """Says which pictures are worth the full pass. It costs a quarter of one, and misses what is small."""

    def __init__(self, runtime: Runtime, network: DenseResNet, config: ClassifierConfig) -> None:
        self._runtime = runtime
        self._proposer = Proposer(network, config, floor=config.coarse_floor, places=True)

    def worth_it(self, pictures: Sequence[Pixels]) -> list[bool]:
        """For each picture whether any window of it, at half the size, could be anything but none of the above."""
        outputs = self._runtime.dense([halved(picture) for picture in pictures])
        return [len(self._proposer.propose(output).windows) > 0 for output in outputs]


def halved(picture: Pixels) -> Pixels:
    """The picture at about half its size, with sides that the network takes."""
    height, width = (max(GRANULE, round(side / 2 / GRANULE) * GRANULE) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
