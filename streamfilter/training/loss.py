"""Which windows a step learns from: every logo in the scene, and those that look most like a logo and are none.

Mining follows Shrivastava et al., "Training Region-based Object Detectors with Online Hard Example Mining" (CVPR 2016).
Pictures whose logo was never boxed teach their likeliest window, as in multiple instance learning (Dietterich et al.
1997).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streamfilter.classifier.windows import window_boxes, window_grid
from streamfilter.training.batches import Batch
from streamfilter.training.targets import IGNORE

HARD_WINDOWS = 24
RANDOM_WINDOWS = 8
WINDOWS_PER_LOGO = 6
NEGATIVES_WEIGHT = 2.0
"""What all negatives of a scene weigh together; one logo weighs 1."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Windows of a batch to learn from: `scene`, `window`, `target` and `weight` have one entry each per window."""

    scene: list[int]
    window: list[int]
    target: list[int]
    weight: list[float]

    def add(self, scene: int, windows: NDArray[np.int64], target: NDArray[np.int64], weight: float) -> None:
        """Add windows of one scene that share a weight between them."""
        self.scene.extend([scene] * len(windows))
        self.window.extend(windows.tolist())
        self.target.extend(target.tolist())
        self.weight.extend([weight / max(1, len(windows))] * len(windows))


def choose_windows(
    logits: Tensor,
    batch: Batch,
    grid: tuple[int, int],
    rng: np.random.Generator,
    *,
    free_search: bool,
) -> Chosen:
    """Choose the windows of a batch. `logits`: `(N, n, C+1)` per window, without gradient.

    A logo that shows only in part of its strength teaches its label by that much, and none of the above by the rest
    (Zhang et al., "Mixture Outlier Exposure", WACV 2023).
    `free_search`: an unboxed logo may lie anywhere; before the network knows anything, only large middle windows count.
    """
    none = logits.shape[2] - 1
    chosen = Chosen([], [], [], [])
    guesses = logits.argmax(dim=2).cpu().numpy()
    strangeness = (logits[..., :none].logsumexp(2) - logits[..., none]).cpu().numpy()
    for scene, (facts, target) in enumerate(zip(batch.facts, batch.targets, strict=True)):
        whole = facts.whole_label
        for box in range(int(target.owner.max()) + 1):
            own = np.flatnonzero(target.owner == box)
            own = own if len(own) <= WINDOWS_PER_LOGO else rng.choice(own, WINDOWS_PER_LOGO, replace=False)
            share = 1.0 if facts.strengths is None else float(facts.strengths[box])
            if share > 0:
                chosen.add(scene, own, target.labels[own], share)
            if share < 1:
                chosen.add(scene, own, np.full(len(own), none), 1 - share)
        if whole >= 0 and not len(np.flatnonzero(target.labels != IGNORE)):
            window = _likeliest(logits[scene, :, whole].cpu().numpy(), grid, free_search=free_search)
            chosen.add(scene, np.array([window]), np.array([whole]), 0.5)
            continue
        unsure = [*facts.shown, *([whole] if whole >= 0 else [])]
        others = np.flatnonzero((target.labels == none) & ~np.isin(guesses[scene], unsure))
        if len(others):
            hardest = others[np.argsort(-strangeness[scene, others], kind="stable")[: HARD_WINDOWS * 8]]
            hard = rng.choice(hardest, min(HARD_WINDOWS, len(hardest)), replace=False)
            few = rng.choice(others, min(RANDOM_WINDOWS, len(others)), replace=False)
            windows = np.concatenate([hard, few])
            weight = max(NEGATIVES_WEIGHT, float(len(facts.shown)))  # a mosaic has as many strangers as logos
            chosen.add(scene, windows, np.full(len(windows), none), weight)
    return chosen


def _likeliest(scores: NDArray[np.float32], grid: tuple[int, int], *, free_search: bool) -> int:
    if not free_search:
        boxes = window_boxes(window_grid(*grid), *grid)
        middle = np.abs(boxes[:, :2] + boxes[:, 2:] / 2 - 0.5).max(axis=1) < 0.25
        large = boxes[:, 2] * boxes[:, 3] > 0.2
        scores = np.where(middle & large, scores, -np.inf)
    return int(np.argmax(scores))
