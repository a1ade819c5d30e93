"""Relative Mahalanobis distance on features of unit length.

Ren et al., "A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection" (2021), with the normalisation of
Müller and Hein, "Mahalanobis++" (ICML 2025):

    s(x) = min_{c ≤ C} d²(z; μ_c, Σ) − d²(z; μ_0, Σ_0),  z = embedding / ‖embedding‖

μ_0 and Σ_0 are those of all that was taught together, logos and strangers. What all of it shares cancels, and what is
left tells one label from the rest. Both covariances are shrunk (Ledoit and Wolf 2004): there may be fewer samples than
channels. No logit is used.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from streamfilter.rejector.mahalanobis import fit_mahalanobis, mahalanobis
from streamfilter.rejector.scores.base import Fitting, Floats, Head, Tensors, normalised, pick, width
from streamfilter.types import Features


class RelativeMahalanobis:
    """Squared distance to the nearest label, less that to all that was taught as one."""

    name: ClassVar[str] = "relative_mahalanobis"

    def __init__(self, tensors: Tensors, head: Head) -> None:
        channels = width(head)
        self._means = pick(tensors, "means", head.labels, channels)
        self._whitening = pick(tensors, "whitening", channels, channels)
        self._mean_of_all = pick(tensors, "mean_of_all", 1, channels)
        self._whitening_of_all = pick(tensors, "whitening_of_all", channels, channels)

    def __call__(self, features: Features) -> Floats:
        rows = normalised(features.embeddings)
        nearest = mahalanobis(rows, self._means, self._whitening).min(axis=1)
        of_all = mahalanobis(rows, self._mean_of_all, self._whitening_of_all)[:, 0]
        return np.asarray(nearest**2 - of_all**2)

    def tensors(self) -> Tensors:
        return {
            "means": self._means.astype(np.float32),
            "whitening": self._whitening.astype(np.float32),
            "mean_of_all": self._mean_of_all.astype(np.float32),
            "whitening_of_all": self._whitening_of_all.astype(np.float32),
        }

    @classmethod
    def fit(cls, training: Fitting) -> Self:
        rows = normalised(training.known.embeddings)
        means, whitening = fit_mahalanobis(rows, training.labels, training.head.labels)
        if training.strange is not None:
            rows = np.concatenate([rows, normalised(training.strange.embeddings)])
        mean_of_all, whitening_of_all = fit_mahalanobis(rows, np.zeros(len(rows), np.int64), 1)
        tensors = {
            "means": means,
            "whitening": whitening,
            "mean_of_all": mean_of_all,
            "whitening_of_all": whitening_of_all,
        }
        return cls({name: values.astype(np.float32) for name, values in tensors.items()}, training.head)

    @classmethod
    def restore(cls, tensors: Tensors, head: Head) -> Self:
        return cls(tensors, head)
