"""From many overlapping windows to one box per logo."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.model.vision import nms

Boxes = NDArray[np.float64]
VOTE_IOU = 0.5
"""Windows that overlap the best one this much have a say in where its box lies."""


def pairwise(boxes: Boxes, others: Boxes) -> tuple[Boxes, Boxes]:
    """Intersection over union, and over the smaller area, of boxes x, y, width, height.

    `(n, 4)` and `(m, 4)` give `(n, m)` each.
    """
    ends, other_ends = boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:]
    width, height = (
        np.minimum(ends[:, i, None], other_ends[:, i]) - np.maximum(boxes[:, i, None], others[:, i]) for i in (0, 1)
    )
    shared = np.clip(width, 0, None) * np.clip(height, 0, None)
    area, other = boxes[:, 2] * boxes[:, 3], others[:, 2] * others[:, 3]
    return shared / (area[:, None] + other - shared), shared / np.minimum(area[:, None], other)


def suppress(boxes: Boxes, scores: Boxes, labels: NDArray[np.int64], *, iou: float, most: int) -> list[int]:
    """Non-maximum suppression: indices of the kept boxes, best first; ties go to the earlier box.

    Of one label, a box that overlaps a better one by more than `iou`, or lies half inside it (or around it), is
    dropped: a part of a logo looks like the logo. Of different labels the better one holds the place from an overlap
    (IoU) of one half.
    """
    union, smaller = pairwise(boxes, boxes)
    same = labels[:, None] == labels
    return _greedy(np.where(same, (union > iou) | (smaller > 0.5), union > 0.5), scores, most)


def distinct(boxes: Boxes, scores: Boxes, *, iou: float, most: int) -> list[int]:
    """As `suppress`, for whatever the boxes show: dropped is only what overlaps a better box by more than `iou`."""
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    kept: list[int] = nms(torch.from_numpy(corners), torch.from_numpy(scores), iou)[:most].tolist()
    return kept


def _greedy(drops: NDArray[np.bool_], scores: Boxes, most: int) -> list[int]:
    alive = np.ones(len(scores), bool)
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if not alive[index]:
            continue
        kept.append(int(index))
        if len(kept) == most:
            break
        alive &= ~drops[index]
    return kept


def vote(boxes: Boxes, scores: Boxes, labels: NDArray[np.int64], winner: int) -> Boxes:
    """The winner's box as the mean, weighted by score, of the boxes of its label around it: `(4,)` x, y, width, height.

    Gidaris and Komodakis, "Object detection via a multi-region and semantic segmentation-aware CNN model" (ICCV 2015).
    """
    near = (pairwise(boxes[[winner]], boxes)[0][0] >= VOTE_IOU) & (labels == labels[winner])
    return np.asarray(np.average(boxes[near], axis=0, weights=scores[near]))
