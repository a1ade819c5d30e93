"""The classifier: one dense pass per picture, the head's logits pooled over windows at many scales, boxes out."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfilter.classifier.suppress import suppress, vote
from streamfilter.classifier.windows import window_boxes, window_grid, window_means
from streamfilter.config import ClassifierConfig
from streamfilter.model import Model
from streamfilter.model.device import Compute, choose_compute
from streamfilter.model.network import DenseOutput
from streamfilter.rejector.mahalanobis import mahalanobis
from streamfilter.types import Box, Candidate, Pixels

GRANULE = 32
"""Sides of an analysed picture are multiples of this: the stride of layer 4."""
MOST_WINDOWS = 600
"""Likeliest windows of a picture that suppression looks at."""
LONGEST = 4.0
"""A picture longer than this many short sides is analysed at a smaller short side: memory stays bounded."""


def make_classifier(model: Model, config: ClassifierConfig) -> DenseClassifier:
    """The classifier of a model. Raises `ModelError` for a device that this machine does not have."""
    return DenseClassifier(model, config, choose_compute(config.device, config.precision, threads=config.threads))


class DenseClassifier:
    """See `stages.Classifier`. On a CPU pictures pass one by one: no faster in a batch, and bit for bit the same."""

    def __init__(self, model: Model, config: ClassifierConfig, compute: Compute) -> None:
        self.labels = model.labels
        self.compute = compute
        self._config = config
        self._short_side = config.short_side or model.short_side
        self._temperature = model.thresholds.temperature
        self._network = model.network.to(compute.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._means = model.statistics.means.double().numpy()
        self._whitening = model.statistics.whitening.double().numpy()
        self._quantiles = model.statistics.quantiles.double().numpy()

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height at which a picture is analysed: its short side as configured, both divisible by 32."""
        scale = min(self._short_side / min(width, height), LONGEST * self._short_side / max(width, height))
        return (
            max(GRANULE, round(width * scale / GRANULE) * GRANULE),
            max(GRANULE, round(height * scale / GRANULE) * GRANULE),
        )

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        """Candidates of each picture, likeliest first. Pictures: `(H, W, 3)` uint8 RGB, at `analysis_size`."""
        if self.compute.device.type == "cpu":
            return [self._read(self._forward([picture]), 0, picture) for picture in pictures]
        output = self._forward(pictures)
        return [self._read(output, i, picture) for i, picture in enumerate(pictures)]

    def _forward(self, pictures: Sequence[Pixels]) -> DenseOutput:
        batch = torch.from_numpy(np.stack(pictures)).to(self.compute.device).permute(0, 3, 1, 2).float()
        with torch.inference_mode(), self.compute.autocast():
            output: DenseOutput = self._network(batch.contiguous(memory_format=torch.channels_last))
        return output

    def _read(self, output: DenseOutput, index: int, picture: Pixels) -> list[Candidate]:
        grid = (output.logits.shape[2], output.logits.shape[3])
        windows = window_grid(*grid)
        chances = self._chances(output.logits[index : index + 1], torch.from_numpy(windows))
        best = chances[:, :-1].max(axis=1)
        rows = np.flatnonzero(best >= self._config.floor)
        rows = rows[np.argsort(-best[rows], kind="stable")[:MOST_WINDOWS]]
        if not len(rows):
            return []
        boxes = window_boxes(windows[rows], *grid)
        scores, labels = best[rows], chances[rows, :-1].argmax(axis=1)
        kept = suppress(boxes, scores, labels, iou=self._config.nms_iou, most=self._config.max_candidates)
        embeddings = self._embed(output, index, windows[rows[kept]])
        distances = mahalanobis(embeddings, self._means, self._whitening)
        return [
            self._candidate(vote(boxes, scores, labels, k), chances[rows[k]], distances[i], picture)
            for i, k in enumerate(kept)
        ]

    def _chances(self, logits: Tensor, windows: Tensor) -> NDArray[np.float64]:
        """Probabilities `(n, C+1)` of the windows `(n, 4)` of one picture."""
        windows = windows.to(logits.device)
        with torch.inference_mode():
            scaled = self._network.window_logits(window_means(logits, windows), windows)[0]
            return np.asarray((scaled / self._temperature).softmax(1).cpu().numpy(), np.float64)

    def _embed(self, output: DenseOutput, index: int, windows: NDArray[np.int64]) -> NDArray[np.float32]:
        wanted = torch.from_numpy(windows).to(output.embedding.device)
        return np.asarray(window_means(output.embedding[index : index + 1], wanted)[0].cpu().numpy())

    def _candidate(
        self, box: NDArray[np.float64], chances: NDArray[np.float64], distances: NDArray[np.float64], picture: Pixels
    ) -> Candidate:
        order = np.argsort(-chances[:-1], kind="stable")
        label = int(order[0])
        runner_up = int(order[1]) if len(order) > 1 else None
        return Candidate(
            box=_box(box),
            label=self.labels[label],
            softmax=float(chances[label]),
            none_probability=float(chances[-1]),
            distance=float(distances[label]),
            distance_percentile=float(np.interp(distances[label], self._quantiles[label], np.arange(101.0))),
            runner_up=None if runner_up is None else self.labels[runner_up],
            runner_up_softmax=0.0 if runner_up is None else float(chances[runner_up]),
            sharpness=_sharpness(picture, box),
        )


def _box(values: NDArray[np.float64]) -> Box:
    x, y = (min(max(float(v), 0.0), 1.0) for v in values[:2])
    return Box(x, y, min(float(values[2]), 1.0 - x), min(float(values[3]), 1.0 - y))


def _sharpness(picture: Pixels, box: NDArray[np.float64]) -> float:
    height, width = picture.shape[:2]
    x1, y1 = int(box[0] * width), int(box[1] * height)
    crop = picture[y1 : y1 + max(3, int(box[3] * height)), x1 : x1 + max(3, int(box[2] * width))]
    return float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())
