"""Mahalanobis distance to the nearest label: Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution
Samples and Adversarial Attacks" (NeurIPS 2018), without its perturbation of the input.

    s(x) = min_{c ≤ C} √((z − μ_c)ᵀ Σ⁻¹ (z − μ_c))

on embeddings z, with one covariance Σ for all labels, shrunk as by Ledoit and Wolf (2004). No logit is used, so none of
the above has no Gaussian: there is nothing that it would be alike.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from streamfilter.rejector.mahalanobis import fit_mahalanobis, mahalanobis
from streamfilter.rejector.scores.base import Fitting, Floats, Head, Tensors, pick, width
from streamfilter.types import Features


class Mahalanobis:
    """Distance to the nearest label's mean, in standard deviations."""

    name: ClassVar[str] = "mahalanobis"

    def __init__(self, means: Floats, whitening: Floats) -> None:
        self._means, self._whitening = means, whitening

    def __call__(self, features: Features) -> Floats:
        return np.asarray(mahalanobis(features.embeddings, self._means, self._whitening).min(axis=1))

    def tensors(self) -> Tensors:
        return {"means": self._means.astype(np.float32), "whitening": self._whitening.astype(np.float32)}

    @classmethod
    def fit(cls, training: Fitting) -> Self:
        means, whitening = fit_mahalanobis(training.known.embeddings, training.labels, training.head.labels)
        tensors = {"means": means.astype(np.float32), "whitening": whitening.astype(np.float32)}
        return cls.restore(tensors, training.head)

    @classmethod
    def restore(cls, tensors: Tensors, head: Head) -> Self:
        channels = width(head)
        return cls(pick(tensors, "means", head.labels, channels), pick(tensors, "whitening", channels, channels))
