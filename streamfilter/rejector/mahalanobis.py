"""Mahalanobis distance to the nearest class, with a covariance that few samples can carry.

Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks" (NeurIPS
2018): one Gaussian per class, all with one covariance. With fewer samples than dimensions the sample covariance is
singular, so it is shrunk towards a multiple of the identity by the optimal amount of Ledoit and Wolf (2004).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ledoit_wolf(centered: Floats) -> tuple[Floats, float]:
    """Shrunk covariance `(d, d)` of centred samples `(n, d)`, and the shrinkage, 0 to 1.

    With S = XᵀX / n and μ = tr S / d:  Σ = (1 − δ) S + δ μ I,  δ = min(β, δ²) / δ²  where
    δ² = ‖S − μI‖² / d  and  β = Σᵢ ‖xᵢxᵢᵀ − S‖² / (n² d)  (squared Frobenius norms).
    """
    n, d = centered.shape
    sample = centered.T @ centered / n
    mean = np.trace(sample) / d
    spread = float((sample**2).sum() / d - mean**2)
    fourth = float(((centered**2).sum(axis=1) ** 2).sum())
    noise = (fourth / n - float((sample**2).sum())) / (n * d)
    shrinkage = 1.0 if spread <= 0 else min(max(noise, 0.0), spread) / spread
    return (1 - shrinkage) * sample + shrinkage * mean * np.eye(d), shrinkage


def fit_mahalanobis(
    features: NDArray[np.floating[Any]], labels: NDArray[np.int64], classes: int
) -> tuple[Floats, Floats]:
    """Class means `(C, d)` and a whitening matrix `(d, d)` from features `(n, d)` and their labels `(n,)`.

    The distance of `x` to class `c` is the norm of `(x − means[c]) @ whitening`. A class without a sample gets the
    mean of all. Raises `ValueError` for fewer than two samples.
    """
    if len(features) < 2:
        raise ValueError(f"{len(features)} samples: a covariance needs at least 2")
    samples = features.astype(np.float64)
    means = np.tile(samples.mean(axis=0), (classes, 1))
    for label in np.unique(labels):
        means[label] = samples[labels == label].mean(axis=0)
    covariance, _ = ledoit_wolf(samples - means[labels])
    values, vectors = np.linalg.eigh(covariance)
    floor = max(float(values[-1]) * 1e-9, 1e-12)
    return means, vectors / np.sqrt(np.maximum(values, floor))


def mahalanobis(features: NDArray[np.floating[Any]], means: Floats, whitening: Floats) -> Floats:
    """Distances `(n, C)` of features `(n, d)` to every class."""
    spots = features.astype(np.float64) @ whitening
    centers = means @ whitening
    squared = (spots**2).sum(1)[:, None] - 2 * spots @ centers.T + (centers**2).sum(1)[None]
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))
