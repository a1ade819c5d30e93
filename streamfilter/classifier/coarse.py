"""The look at half the size comes first: where it sees nothing that could be anything, the full one is left out."""

from __future__ import annotations

from collections.abc import Sequence

from streamfilter.classifier.proposals import Proposer
from streamfilter.config import ClassifierConfig
from streamfilter.model import DenseResNet
from streamfilter.model.network import DenseOutput

LEAST_CELLS = 6
"""A part of a picture that has fewer at half its size is cheap to look at, and too little is left of it there."""


class CoarsePass:
    """Says which pictures are worth the full pass."""

    def __init__(self, network: DenseResNet, config: ClassifierConfig) -> None:
        self._proposer = Proposer(network, config, floor=config.coarse_floor, places=True)

    def worth_it(self, outputs: Sequence[DenseOutput]) -> list[bool]:
        """For each picture, by its dense pass at half the size, whether any window could be anything but none."""
        return [
            min(output.logits.shape[2:]) < LEAST_CELLS or self._proposer.sees_anything(output) for output in outputs
        ]
