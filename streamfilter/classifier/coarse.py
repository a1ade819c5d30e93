"""A first pass at half the size: where it sees nothing that could be anything, the full pass is left out."""

from __future__ import annotations

from collections.abc import Sequence

from streamfilter.classifier.proposals import Proposer
from streamfilter.config import ClassifierConfig
from streamfilter.model import DenseResNet
from streamfilter.model.network import DenseOutput


class CoarsePass:
    """Says which pictures are worth the full pass. It costs a quarter of one, and misses what is small."""

    def __init__(self, network: DenseResNet, config: ClassifierConfig) -> None:
        self._proposer = Proposer(network, config, floor=config.coarse_floor, places=True)

    def worth_it(self, outputs: Sequence[DenseOutput]) -> list[bool]:
        """For each picture, by its dense pass at half the size, whether any window could be anything but none."""
        return [len(self._proposer.propose(output).windows) > 0 for output in outputs]
