"""Cosine distance to the k-th nearest taught window: Sun et al., "Out-of-Distribution Detection with Deep Nearest
Neighbors" (ICML 2022).

    s(x) = ‖z − z_(k)‖²/2 = 1 − zᵀz_(k),  z = embedding / ‖embedding‖

with z_(k) the k-th nearest of a bank of taught logos: the same order as the paper's Euclidean distance. The bank holds
at most `BANK` windows, the labels as even as they allow. No logit is used.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from streamfilter.rejector.scores.base import Fitting, Floats, Head, Tensors, normalised, pick, width
from streamfilter.types import Features

NEIGHBOUR = 5
"""The k of the name, for a bank with few dozen windows of a label."""
BANK = 2048
"""Most windows in the bank: 2 MB in the model file."""


class Knn:
    """One less the cosine to the k-th most alike taught window, 0 to 2."""

    name: ClassVar[str] = "knn"

    def __init__(self, bank: NDArray[np.float16], neighbour: int) -> None:
        self._bank = bank
        self._rows = np.ascontiguousarray(bank.astype(np.float32).T)
        self._neighbour = min(neighbour, len(bank))

    def __call__(self, features: Features) -> Floats:
        alike = normalised(features.embeddings).astype(np.float32) @ self._rows
        place = len(self._bank) - self._neighbour
        return 1.0 - np.partition(alike, place, axis=1)[:, place].astype(np.float64)

    def tensors(self) -> Tensors:
        return {"bank": self._bank}

    @classmethod
    def fit(cls, training: Fitting) -> Self:
        chosen = evenly(training.labels, BANK, seed=training.seed)
        return cls(normalised(training.known.embeddings[chosen]).astype(np.float16), NEIGHBOUR)

    @classmethod
    def restore(cls, tensors: Tensors, head: Head) -> Self:
        return cls(pick(tensors, "bank", None, width(head)).astype(np.float16), NEIGHBOUR)


def evenly(labels: NDArray[np.int64], most: int, *, seed: int) -> NDArray[np.intp]:
    """Indices, ascending, of at most `most` windows, the labels as even as they allow; the same seed, the same ones."""
    order = np.random.default_rng(seed).permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        own = order[labels[order] == label]
        turn[own] = np.arange(len(own))
    return np.sort(order[np.argsort(turn[order], kind="stable")][:most])
