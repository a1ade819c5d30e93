"""How well a network tells logos from everything else, on scenes composed from pictures that it was not taught with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfilter.classifier.windows import window_boxes, window_grid, window_means
from streamfilter.model import DenseResNet
from streamfilter.model.device import Autocast
from streamfilter.model.network import DenseOutput
from streamfilter.training.batches import Batch
from streamfilter.training.targets import overlaps
from streamfilter.types import Features

FOUND_IOU = 0.3
"""A window that overlaps a logo's box this much has found it."""
FALSE_SHARE = 0.02
"""`recall` is read at the threshold at which this share of the scenes without a known logo yields one."""

Forward = Callable[[DenseResNet, Batch], DenseOutput]
_Row = tuple[Tensor, Tensor, float]
"""Logits, embedding and cells of one window."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a network made of the validation scenes.

    `known`: each logo's best window (the one likeliest to be its label), `labels`: `(n,)` int64, `heights`: `(n,)` of
    the logos as shares of the scene. `strange`: the likeliest window of each scene without a known logo. `lost`: logos
    for which nothing was proposed.
    """

    known: Features
    labels: NDArray[np.int64]
    heights: NDArray[np.float64]
    strange: Features
    lost: int = 0

    def evenly(self) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
        """Logits `(n, C+1)` of logos and strangers, what they are `(n,)`, the last class for strangers, and shares
        `(n,)` with which all the logos count as much as all the strangers.
        """
        logits = np.concatenate([self.known.logits, self.strange.logits])
        kinds = (len(self.labels), len(self.strange))
        labels = np.concatenate([self.labels, np.full(kinds[1], logits.shape[1] - 1)])
        return logits, labels, np.repeat([0.5 / max(1, count) for count in kinds], kinds)


def search(network: DenseResNet, batches: Iterable[Batch], forward: Forward, autocast: Autocast) -> Found:
    """Look for every logo of the batches, and for the window of every other scene that looks most like one."""
    device = next(network.parameters()).device
    logos: list[tuple[_Row, int, float]] = []
    strangers: list[_Row] = []
    for batch in batches:
        with torch.inference_mode(), autocast():
            output = forward(network, batch)
        grid = (output.logits.shape[2], output.logits.shape[3])
        windows = torch.from_numpy(window_grid(*grid)).to(device)
        with torch.inference_mode():
            means = network.window_logits(window_means(output.logits, windows), windows).cpu()
        for i, scene in enumerate(batch.facts):
            if not len(scene.boxes) and scene.whole_label < 0:
                window = int(_knownness(means[i]).argmax())
                strangers.append(_row(output, i, means[i, window], windows[window]))
            for window, label, height in _best_windows(means[i], scene.boxes, scene.whole_labels, grid):
                logos.append((_row(output, i, means[i, window], windows[window]), label, height))
    return Found(
        known=_features([logo[0] for logo in logos], network),
        labels=np.array([logo[1] for logo in logos], np.int64),
        heights=np.array([logo[2] for logo in logos], np.float64),
        strange=_features(strangers, network),
    )


def figures(found: Found) -> dict[str, float]:
    """Recall at `FALSE_SHARE`, also of small logos, and the share of logos whose best window names them right."""
    known = _knownness_np(found.known.logits)
    right = found.known.logits[:, :-1].argmax(axis=1) == found.labels
    threshold = np.quantile(_knownness_np(found.strange.logits), 1 - FALSE_SHARE) if len(found.strange) else -np.inf
    hit = right & (known > threshold)
    small = found.heights < 0.12
    return {
        "recall": float(hit.sum() / (len(hit) + found.lost)) if len(hit) else 0.0,
        "recall_small": float(hit[small].mean()) if small.any() else 0.0,
        "accuracy": float(right.mean()) if len(right) else 0.0,
    }


def _best_windows(
    means: Tensor, boxes: NDArray[np.float64], labels: NDArray[np.int64], grid: tuple[int, int]
) -> list[tuple[int, int, float]]:
    if not len(boxes):
        return []
    iou = overlaps(window_boxes(window_grid(*grid), *grid), boxes)[1]
    best = []
    for box, label in enumerate(labels):
        near = np.flatnonzero(iou[:, box] >= FOUND_IOU)
        if label >= 0 and len(near):
            window = near[int(means[near, :].softmax(1)[:, label].argmax())]
            best.append((int(window), int(label), float(boxes[box, 3] - boxes[box, 1])))
    return best


def _knownness(logits: Tensor) -> Tensor:
    return logits.softmax(-1)[..., :-1].amax(-1)


def _knownness_np(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(_knownness(torch.from_numpy(logits)).numpy())


def _row(output: DenseOutput, picture: int, logits: Tensor, window: Tensor) -> _Row:
    top, left, height, width = (int(v) for v in window)
    cells = output.embedding[picture, :, top : top + height, left : left + width]
    return logits, cells.float().mean(dim=(1, 2)).cpu(), float(height * width)


def _features(rows: list[_Row], network: DenseResNet) -> Features:
    return Features(
        _stack([row[0] for row in rows], network.shape.labels + 1),
        _stack([row[1] for row in rows], network.shape.embedding),
        np.array([row[2] for row in rows], np.float64),
    )


def _stack(rows: list[Tensor], width: int) -> NDArray[np.float32]:
    return torch.stack(rows).numpy() if rows else np.zeros((0, width), np.float32)
