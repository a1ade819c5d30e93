"""Which windows of a scene show which label: the geometry of teaching."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.classifier.windows import window_boxes, window_grid
from streamfilter.training.scene import SceneFacts

IGNORE = -1
MIN_IOU = 0.5
"""A window that overlaps a logo's box this much shows that logo."""
BEST_IOU = 0.25
"""When no window reaches `MIN_IOU`, the best one that no other logo depends on shows a logo from this overlap on."""
NONE_OF_LOGO = 0.08
"""A window that holds at most this share of each logo shows none of them ..."""
NONE_OF_WINDOW = 0.06
"""... and so does one of which logos fill at most this share."""


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """`labels`: `(n,)` int64 per window, a label's index, `none` (the number of labels) or `IGNORE`.

    `owner`: `(n,)` int64, which box a positive window belongs to, -1 for the others.
    """

    labels: NDArray[np.int64]
    owner: NDArray[np.int64]


def scene_targets(facts: SceneFacts, grid: tuple[int, int], *, none: int) -> Targets:
    """Targets of all windows of `window_grid(*grid)` for one scene; `none` is the index of none of the above."""
    windows = window_boxes(window_grid(*grid), *grid)
    owner = np.full(len(windows), -1, np.int64)
    if not len(facts.boxes):
        empty = IGNORE if facts.whole_label >= 0 else none
        return Targets(np.full(len(windows), empty, np.int64), owner)
    shared, iou = overlaps(windows, facts.boxes)
    labels = np.full(len(windows), IGNORE, np.int64)
    of_logo = shared / box_areas(facts.boxes)
    of_window = shared / (windows[:, 2:3] * windows[:, 3:4])
    labels[((of_logo <= NONE_OF_LOGO) | (of_window <= NONE_OF_WINDOW)).all(axis=1)] = none
    best = iou.argmax(axis=1)
    positive = iou[np.arange(len(windows)), best] >= MIN_IOU
    for box in np.flatnonzero(facts.labels >= 0):
        if not (positive & (best == box)).any():
            windows_of = np.bincount(best[positive], minlength=len(facts.boxes))
            spare = ~positive | ((windows_of > 1) | (facts.labels < 0))[best]
            window = int(np.where(spare, iou[:, box], 0.0).argmax())
            if spare[window] and iou[window, box] >= BEST_IOU:
                positive[window], best[window] = True, box
    labels[positive] = facts.labels[best[positive]]
    owner[positive] = best[positive]
    owner[labels == IGNORE] = -1
    return Targets(labels, owner)


def overlaps(
    windows: NDArray[np.float64], boxes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shared area and IoU, both `(n, m)`, of windows (x, y, width, height) with boxes (x1, y1, x2, y2)."""
    x1, y1 = windows[:, 0:1], windows[:, 1:2]
    x2, y2 = x1 + windows[:, 2:3], y1 + windows[:, 3:4]
    width = np.minimum(x2, boxes[:, 2]) - np.maximum(x1, boxes[:, 0])
    height = np.minimum(y2, boxes[:, 3]) - np.maximum(y1, boxes[:, 1])
    shared = np.clip(width, 0, None) * np.clip(height, 0, None)
    union = windows[:, 2:3] * windows[:, 3:4] + box_areas(boxes) - shared
    return shared, shared / union


def box_areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas of `(n, 4)` boxes x1, y1, x2, y2."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
