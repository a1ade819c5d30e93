"""Fits how likely a box of the dense pass is a label's mark, from pictures and scenes that nothing was taught with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfilter.buffering import batched, prefetch
from streamfilter.rejector.logistic import fit_logistic
from streamfilter.training.batches import Compose
from streamfilter.training.scene import Scene
from streamfilter.training.spotting import Spotter, labels_at
from streamfilter.training.targets import IGNORE

PENALTY = 1e-3
FEWEST = 30
"""Pictures with a mark that is proposed at all, from which on a fit is worth something."""
LEAST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Boxes of one picture: their `classifier.marking.evidence`, `(n, 4)`, and which are a label's mark, `(n,)`."""

    evidence: NDArray[np.float64]
    is_mark: NDArray[np.bool_]


def judged_boxes(
    spotter: Spotter, compose: Compose, seeds: Sequence[int], *, advance: Callable[[float], None]
) -> list[Judged]:
    """The boxes in the scenes of these seeds, but for those in which a mark may be anywhere."""
    found: list[Judged] = []
    with prefetch((compose(seed) for seed in seeds), 8) as scenes:
        for some in batched(scenes, spotter.together):
            found += _judged([scene for scene in some if not scene.facts.hides_its_label], spotter)
            advance(float(len(some)))
    return found


def fit_marking(found: Sequence[Judged]) -> Tensor | None:
    """`Regions.marking`, by logistic regression; each picture counts the same. None where too few show marks."""
    found = [one for one in found if len(one.is_mark)]
    if sum(bool(one.is_mark.any()) for one in found) < FEWEST:
        return None
    evidence = np.concatenate([one.evidence for one in found])
    shares = np.concatenate([np.full(len(one.is_mark), 1 / len(one.is_mark)) for one in found])
    center, spread = evidence.mean(axis=0), np.maximum(evidence.std(axis=0), LEAST_SPREAD)
    fitted = fit_logistic(
        (evidence - center) / spread,
        np.concatenate([one.is_mark for one in found]),
        sample_weight=shares,
        penalty=PENALTY,
    )
    weights = fitted.weights / spread
    return torch.from_numpy(np.append(weights, fitted.bias - weights @ center)).float()


def _judged(scenes: Sequence[Scene], spotter: Spotter) -> list[Judged]:
    judged = []
    for scene, (boxes, evidence) in zip(scenes, spotter.evidence([s.pixels for s in scenes]), strict=True):
        labels = labels_at(boxes, scene.facts, none=spotter.none)
        rows = labels != IGNORE
        judged.append(Judged(evidence[rows], labels[rows] < spotter.none))
    return judged
