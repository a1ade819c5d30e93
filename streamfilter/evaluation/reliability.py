"""Whether a probability means what it says: the reliability diagram and the expected calibration error.

Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (AAAI 2015); Guo et al.,
"On Calibration of Modern Neural Networks" (ICML 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.evaluation.bootstrap import Floats

BINS = 15
"""Bins of equal width, as is usual."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Per bin, `(bins,)` each: how many samples, their mean confidence and the share that is right (0 where none)."""

    counts: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """The expected calibration error, 0 to 1: Σ nᵦ/n · |accuracyᵦ − confidenceᵦ|."""
        gaps = self.counts * np.abs(self.accuracy - self.confidence)
        return float(gaps.sum() / max(1, self.counts.sum()))


def reliability(confidence: Floats, is_right: NDArray[np.bool_], *, bins: int = BINS) -> Reliability:
    """The diagram of confidences `(n,)`, 0 to 1, and whether each sample is right. Bin b holds (b/bins, (b+1)/bins]."""
    rows = _bin_of(confidence, bins)
    counts = np.bincount(rows, minlength=bins)
    whole = np.maximum(counts, 1)
    return Reliability(
        counts,
        np.bincount(rows, weights=confidence, minlength=bins) / whole,
        np.bincount(rows, weights=is_right.astype(np.float64), minlength=bins) / whole,
    )


def calibration_error(
    confidence: Floats, is_right: NDArray[np.bool_], weights: Floats | None = None, *, bins: int = BINS
) -> Floats:
    """Expected calibration error per row of weights `(B, n)`, or of all samples alike: `(B,)`, 0 to 1."""
    weights = np.ones((1, len(confidence))) if weights is None else weights
    members = (_bin_of(confidence, bins)[:, None] == np.arange(bins)).astype(np.float64)
    gaps = weights @ (members * (is_right - confidence)[:, None])
    return np.asarray(np.abs(gaps).sum(axis=1) / weights.sum(axis=1))


def _bin_of(confidence: Floats, bins: int) -> NDArray[np.int64]:
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
