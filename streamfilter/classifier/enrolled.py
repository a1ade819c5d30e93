"""Where a picture shows the labels that were enrolled: one linear row each over the embedding of the same pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfilter.classifier.suppress import suppress, vote
from streamfilter.classifier.windows import window_boxes, window_means
from streamfilter.config import ClassifierConfig
from streamfilter.model import Enrolled
from streamfilter.model.network import WINDOW_MIDDLE

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Find:
    """A place that could show an enrolled label: its number among these, the probability, its best window and box.

    `window`: `(4,)` in cells. `box`: `(4,)` x, y, width, height in 0 to 1.
    """

    number: int
    chance: float
    window: NDArray[np.int64]
    box: Floats


class EnrolledFinder:
    """The rows of all enrolled labels. Each label has its own candidates: none competes with another for a place."""

    def __init__(self, enrolled: Sequence[Enrolled], config: ClassifierConfig, device: torch.device) -> None:
        self._weights = torch.stack([one.weight for one in enrolled]).to(device)
        self._sizes = np.array([(one.bias, *one.size) for one in enrolled])
        self._config = config

    def find(self, embedding: Tensor, windows: NDArray[np.int64], *, most_windows: int) -> list[Find]:
        """Places in one picture of which `embedding` is `(E, h, w)`, among `windows` `(n, 4)`; by label, best first.

        `most_windows`: likeliest windows of a label that suppression looks at.
        """
        chances = self.chances(embedding, windows)
        boxes = window_boxes(windows, embedding.shape[1], embedding.shape[2])
        finds = []
        for number, chance in enumerate(chances):
            rows = np.flatnonzero(chance >= self._config.floor)
            rows = rows[np.argsort(-chance[rows], kind="stable")[:most_windows]]
            if len(rows):
                finds += self._places(number, chance[rows], windows[rows], boxes[rows])
        return finds

    def chances(self, embedding: Tensor, windows: NDArray[np.int64]) -> Floats:
        """The probability of each label for each window, `(K, n)`: see `model.Enrolled`."""
        wanted = torch.from_numpy(windows).to(embedding.device)
        with torch.inference_mode():
            planes = torch.einsum("ke,ehw->khw", self._weights, embedding.float())
            values = window_means(planes[None], wanted)[0].T.cpu().double().numpy()
        sizes = np.log2(windows[:, 2:].prod(axis=1).astype(np.float64)) / 2 - WINDOW_MIDDLE
        values = values + self._sizes @ np.stack([np.ones_like(sizes), sizes, sizes**2])
        return np.asarray(0.5 * (1 + np.tanh(values / 2)))

    def _places(self, number: int, chances: Floats, windows: NDArray[np.int64], boxes: Floats) -> list[Find]:
        alike = np.zeros(len(boxes), np.int64)
        kept = suppress(boxes, chances, alike, iou=self._config.nms_iou, most=self._config.max_candidates)
        return [Find(number, float(chances[k]), windows[k], vote(boxes, chances, alike, k)) for k in kept]
