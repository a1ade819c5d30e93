"""Rectified activations: Sun, Guo and Li, "ReAct: Out-of-distribution Detection With Rectified Activations" (NeurIPS
2021).

    s(x) = −log Σ_{c ≤ C} exp(f_c(min(z, t)) − f_none(min(z, t)))

the energy, see there, of an embedding z of which no channel exceeds t. What clipping changes in the logits of the
network's own head, with the gain of the window's size, is added to the logits that are there: these may say more than
the head does, where a closer look had its word. t is the 99th percentile of all activations of taught logos: the
paper's 90th is of the last layer of an ImageNet network, and embeddings of windows are means over cells already, with
fewer peaks.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from streamfilter.rejector.scores.base import Fitting, Floats, Head, Tensors, log_sum_exp, margins, number, pick
from streamfilter.types import Features

PERCENTILE = 99.0


class ReAct:
    """The energy of clipped embeddings."""

    name: ClassVar[str] = "react"

    def __init__(self, ceiling: float, head: Head) -> None:
        self._ceiling, self._head = ceiling, head

    def __call__(self, features: Features) -> Floats:
        embeddings = features.embeddings.astype(np.float64)
        clipped = self._head.logits(np.minimum(embeddings, self._ceiling), features.cells)
        change = clipped - self._head.logits(embeddings, features.cells)
        return -log_sum_exp(margins(features.logits + change))

    def tensors(self) -> Tensors:
        return {"ceiling": number(self._ceiling)}

    @classmethod
    def fit(cls, training: Fitting) -> Self:
        ceiling = number(float(np.percentile(training.known.embeddings, PERCENTILE)))
        return cls.restore({"ceiling": ceiling}, training.head)

    @classmethod
    def restore(cls, tensors: Tensors, head: Head) -> Self:
        return cls(float(pick(tensors, "ceiling")), head)
