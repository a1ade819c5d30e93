"""Generalised entropy: Liu, Lochman and Zach, "GEN: Pushing the Limits of Softmax-Based Out-of-Distribution Detection"
(CVPR 2023).

    s(x) = Σ_{j ≤ M} p_(j)^γ (1 − p_(j))^γ,  γ = 0.1,  M = min(C, 100)

over the M largest of the labels' probabilities. What the network gives to none of the above is spread evenly over the
labels, p_c + p_none / C: it then counts as not knowing which, and as a class of its own a certain nobody would have
no entropy.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from streamfilter.rejector.scores.base import Floats, Unfitted
from streamfilter.rejector.softmax import softmax
from streamfilter.types import Features

GAMMA = 0.1
LARGEST = 100


class Gen(Unfitted):
    """The generalised entropy of the labels' probabilities."""

    name: ClassVar[str] = "gen"

    def __call__(self, features: Features) -> Floats:
        chances = softmax(features.logits, 1.0)
        chances = chances[:, :-1] + chances[:, -1:] / (chances.shape[1] - 1)
        chances = np.clip(np.sort(chances, axis=1)[:, -LARGEST:], 0.0, 1.0)
        return np.asarray((chances**GAMMA * (1 - chances) ** GAMMA).sum(axis=1))
