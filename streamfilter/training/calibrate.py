"""Temperature, class statistics and thresholds, all fitted on validation scenes that no weight was fitted to."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.model import Statistics, Thresholds
from streamfilter.rejector.mahalanobis import fit_mahalanobis, mahalanobis
from streamfilter.training.validation import Found

FEW_WINDOWS = 8
"""A label with fewer validation windows takes the distances of all labels for its percentiles."""
KEPT_BY_DISTANCE = 99.0
"""Percentile of the right labels' distances up to which nothing is called far."""


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64], shares: NDArray[np.float64]) -> float:
    """The temperature, 0.25 to 8, of least negative log-likelihood for logits `(n, C+1)`, searched on a fine grid.

    `shares`: `(n,)`, how much each counts. Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017).
    """
    grid = np.exp(np.linspace(np.log(0.25), np.log(8.0), 121))
    scores = torch.from_numpy(logits).double()
    targets, weights = torch.from_numpy(labels), torch.from_numpy(shares)
    losses = [
        float((torch.nn.functional.cross_entropy(scores / t, targets, reduction="none") * weights).sum()) for t in grid
    ]
    return float(grid[int(np.argmin(losses))])


def fit_statistics(taught: Found, validation: Found, classes: int) -> Statistics:
    """Means and whitening from taught logos, percentiles of the distances from validation logos."""
    means, whitening = fit_mahalanobis(taught.known.embeddings, taught.labels, classes)
    source = validation if len(validation.labels) else taught
    distances = mahalanobis(source.known.embeddings, means, whitening)[np.arange(len(source.labels)), source.labels]
    steps = np.arange(101)
    quantiles = np.tile(np.percentile(distances, steps), (classes, 1))
    for label in range(classes):
        own = distances[source.labels == label]
        if len(own) >= FEW_WINDOWS:
            quantiles[label] = np.percentile(own, steps)
    return Statistics(
        torch.from_numpy(means).float(), torch.from_numpy(whitening).float(), torch.from_numpy(quantiles).float()
    )


def fit_thresholds(validation: Found, statistics: Statistics) -> Thresholds:
    """The temperature, and gates: a label has to be likelier right than wrong, and no farther than it ever is.

    The distance keeps `KEPT_BY_DISTANCE` percent of the logos. How unfamiliar anything may be is for the scores to say,
    whose thresholds `training.rejection` fits.
    """
    logits, labels, shares = validation.evenly()
    temperature = fit_temperature(logits, labels, shares) if len(labels) else 1.0
    far = float("inf")
    if len(validation.labels):
        means, whitening = statistics.means.double().numpy(), statistics.whitening.double().numpy()
        own = mahalanobis(validation.known.embeddings, means, whitening)
        far = float(np.percentile(own[np.arange(len(validation.labels)), validation.labels], KEPT_BY_DISTANCE))
    return Thresholds(temperature=temperature, mahalanobis=far)
