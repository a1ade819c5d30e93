"""Where something could be: one dense pass per picture, the head's logits pooled over windows at many scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfilter.classifier.suppress import distinct, suppress, vote
from streamfilter.classifier.windows import window_boxes, window_grid, window_means
from streamfilter.config import ClassifierConfig
from streamfilter.model import DenseResNet
from streamfilter.model.device import Compute
from streamfilter.model.network import DenseOutput
from streamfilter.rejector.softmax import softmax
from streamfilter.types import Features, Pixels

GRANULE = 32
"""Sides of an analysed picture are multiples of this: the stride of layer 4."""
LONGEST = 4.0
"""A picture longer than this many short sides is analysed at a smaller short side: memory stays bounded."""
MOST_WINDOWS = 600
"""Likeliest windows of a picture that suppression looks at."""
MOST_PLACES = 12
"""Places of a picture that a closer look is taken at."""
SAME_PLACE_IOU = 0.5
"""Windows that overlap more than this are one place; one inside another is a place of its own."""


def fit_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height at which a picture of this size is analysed, both divisible by `GRANULE`."""
    scale = min(short_side / min(width, height), LONGEST * short_side / max(width, height))
    return (
        max(GRANULE, round(width * scale / GRANULE) * GRANULE),
        max(GRANULE, round(height * scale / GRANULE) * GRANULE),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """One window for each place, or for each label at a place, likeliest first.

    `windows`: `(n, 4)` int64, top, left, height, width in cells. `boxes`: `(n, 4)` float64, x, y, width, height in 0 to
    1. `features`: what the dense pass alone says of the windows.
    """

    windows: NDArray[np.int64]
    boxes: NDArray[np.float64]
    features: Features


class Proposer:
    """The dense pass of a network, and what it proposes. `floor`: least probability, at `temperature`, of a window.

    `places`: propose where any label could be, one window for each place, for a closer look to say which. The dense
    pass knows that something is a logo before it knows which one.
    """

    def __init__(
        self,
        network: DenseResNet,
        config: ClassifierConfig,
        compute: Compute,
        *,
        floor: float,
        temperature: float = 1.0,
        places: bool = False,
    ) -> None:
        self.compute = compute
        self._places = places
        self._network, self._config = network, config
        self._floor, self._temperature = floor, temperature

    def forward(self, pictures: Sequence[Pixels]) -> DenseOutput:
        """One pass over pictures `(H, W, 3)` uint8 of one size."""
        with torch.inference_mode(), self.compute.autocast():
            output: DenseOutput = self._network(self.batch(pictures))
        return output

    def batch(self, pictures: Sequence[Pixels]) -> Tensor:
        """Pictures of one size as the network takes them, `(N, 3, H, W)` float32."""
        batch = torch.from_numpy(np.stack(pictures)).to(self.compute.device).permute(0, 3, 1, 2).float()
        return batch.contiguous(memory_format=torch.channels_last)

    def propose(self, output: DenseOutput, index: int) -> Proposals:
        """What could be a label in one picture of a pass."""
        grid = (output.logits.shape[2], output.logits.shape[3])
        windows = window_grid(*grid)
        logits = self.logits(output, index, windows)
        chances = softmax(logits, self._temperature)
        best = 1 - chances[:, -1] if self._places else chances[:, :-1].max(axis=1)
        rows = np.flatnonzero(best >= self._floor)
        rows = rows[np.argsort(-best[rows], kind="stable")[:MOST_WINDOWS]]
        boxes, scores = window_boxes(windows[rows], *grid), best[rows]
        if self._places:
            labels = np.zeros(len(rows), np.int64)
            kept = distinct(boxes, scores, iou=SAME_PLACE_IOU, most=MOST_PLACES)
        else:
            labels = chances[rows, :-1].argmax(axis=1)
            kept = suppress(boxes, scores, labels, iou=self._config.nms_iou, most=self._config.max_candidates)
        voted = [vote(boxes, scores, labels, k) for k in kept]
        return Proposals(
            windows[rows[kept]],
            np.stack(voted) if voted else np.zeros((0, 4)),
            self.features(output, index, windows[rows[kept]], logits[rows[kept]]),
        )

    def logits(self, output: DenseOutput, index: int, windows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits `(n, C+1)` of the windows `(n, 4)` of one picture."""
        logits = output.logits[index : index + 1]
        wanted = torch.from_numpy(windows).to(logits.device)
        with torch.inference_mode():
            return np.asarray(self._network.window_logits(window_means(logits, wanted), wanted)[0].cpu().numpy())

    def features(
        self, output: DenseOutput, index: int, windows: NDArray[np.int64], logits: NDArray[np.float32]
    ) -> Features:
        """Features of windows of one picture whose logits are known."""
        wanted = torch.from_numpy(windows).to(output.embedding.device)
        embeddings = window_means(output.embedding[index : index + 1], wanted)[0].cpu().numpy()
        return Features(logits, np.asarray(embeddings), windows[:, 2:].prod(axis=1).astype(np.float64))
