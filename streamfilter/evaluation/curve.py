"""Known against unknown at every threshold: what all threshold-free metrics are read from.

A sample is accepted when its unfamiliarity is at most the threshold. All counts are weighted, one row of weights per
bootstrap resample, so a metric of a thousand resamples is one vectorised pass. Known samples are the positives.

| symbol | meaning |
|---|---|
| K(t) | share of the known samples that are accepted at t (true positive rate) |
| C(t) | share of the known samples that are accepted at t and carry the right label |
| U(t) | share of the unknown samples that are accepted at t (false alarm rate, false positive rate) |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfilter.evaluation.bootstrap import Floats, Metrics

Flags = NDArray[np.bool_]
_ROUNDING = 1e-9

FALSE_ALARM_RATES = (0.001, 0.01, 0.05, 0.1)
"""Shares of unknown samples accepted at which the correct classification rate is read."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Weighted counts accepted at every threshold, from nothing accepted to everything, each `(B, m+1)`.

    `thresholds`: `(m+1,)`, the distinct unfamiliarities in rising order after a first one at which nothing is accepted.
    """

    thresholds: Floats
    known: Floats
    right: Floats
    unknown: Floats

    @property
    def known_share(self) -> Floats:
        """K(t), 0 to 1."""
        return _share(self.known)

    @property
    def unknown_share(self) -> Floats:
        """U(t), 0 to 1."""
        return _share(self.unknown)

    @property
    def right_share(self) -> Floats:
        """C(t), 0 to 1."""
        return np.asarray(self.right / self.known[:, -1:])


def trace(unfamiliarity: Floats, is_known: Flags, is_right: Flags, weights: Floats | None = None) -> Curve:
    """The curve of samples `(n,)`; `is_right`: the label is (only counted where known); `weights` `(B, n)`, or all one.

    Raises `ValueError` when there is no known or no unknown sample, or an unfamiliarity is not a number.
    """
    if not is_known.any() or is_known.all():
        raise ValueError("a curve needs known and unknown samples")
    if np.isnan(unfamiliarity).any():
        raise ValueError("an unfamiliarity is not a number")
    weights = np.ones((1, len(unfamiliarity))) if weights is None else weights
    order = np.argsort(unfamiliarity, kind="stable")
    ordered, weights = unfamiliarity[order], weights[:, order]
    is_known, is_right = is_known[order], is_right[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    return Curve(
        np.append(-np.inf, ordered[last]),
        _counts(weights * is_known, last),
        _counts(weights * (is_known & is_right), last),
        _counts(weights * ~is_known, last),
    )


def auroc(curve: Curve) -> Floats:
    """Area under K over U: the chance that a known sample is more familiar than an unknown one, ties counting half."""
    return _area(curve.known_share, curve.unknown_share)


def oscr_area(curve: Curve) -> Floats:
    """Area under C over U, the open-set classification rate curve: 1 when all is named right before any false alarm.

    Dhamija, Günther and Boult, "Reducing Network Agnostophobia" (NeurIPS 2018).
    """
    return _area(curve.right_share, curve.unknown_share)


def aupr_in(curve: Curve) -> Floats:
    """Average precision with the known as positives, most familiar first: Σ (Kᵢ − Kᵢ₋₁) · precisionᵢ."""
    accepted = curve.known[:, 1:] + curve.unknown[:, 1:]
    precision = _ratio(curve.known[:, 1:], accepted)
    return np.asarray((np.diff(curve.known_share, axis=1) * precision).sum(axis=1))


def aupr_out(curve: Curve) -> Floats:
    """Average precision with the unknown as positives, least familiar first."""
    unknown = curve.unknown[:, -1:] - curve.unknown[:, :-1]
    known = curve.known[:, -1:] - curve.known[:, :-1]
    steps = np.diff(curve.unknown_share, axis=1)
    return np.asarray((steps * _ratio(unknown, unknown + known)).sum(axis=1))


def detection_error(curve: Curve) -> Floats:
    """Least mean of known lost and unknown accepted over all thresholds, min ½ (1 − K) + ½ U (Liang et al. 2018)."""
    return np.asarray(((1 - curve.known_share + curve.unknown_share) / 2).min(axis=1))


def fpr_when_known_accepted(curve: Curve, share: float = 0.95) -> Floats:
    """U at the strictest threshold that accepts at least `share` of the known: the usual "FPR at 95 % TPR"."""
    index = np.argmax(curve.known >= share * curve.known[:, -1:] - _ROUNDING, axis=1)
    return np.asarray(curve.unknown_share[np.arange(len(index)), index])


def known_lost_when_unknown_rejected(curve: Curve, share: float = 0.95) -> Floats:
    """1 − K at the loosest threshold that rejects at least `share` of the unknown: the other "FPR at 95 %"."""
    index = _loosest(curve, 1 - share)
    return np.asarray(1 - curve.known_share[np.arange(len(index)), index])


def correct_at_false_alarm_rate(curve: Curve, rate: float) -> Floats:
    """C at the loosest threshold that accepts at most `rate` of the unknown: the correct classification rate (CCR)."""
    index = _loosest(curve, rate)
    return np.asarray(curve.right_share[np.arange(len(index)), index])


def best_accuracy(curve: Curve) -> Floats:
    """Largest share of all samples that one threshold treats right: known accepted with their label, unknown rejected.

    An optimistic number: the threshold is chosen on the very samples that are counted.
    """
    right = curve.right + curve.unknown[:, -1:] - curve.unknown
    return np.asarray((right / (curve.known[:, -1:] + curve.unknown[:, -1:])).max(axis=1))


THRESHOLD_FREE: dict[str, Callable[[Curve], Floats]] = {
    "auroc": auroc,
    "aupr_in": aupr_in,
    "aupr_out": aupr_out,
    "detection_error": detection_error,
    "oscr_area": oscr_area,
    "fpr_when_95_of_known_accepted": fpr_when_known_accepted,
    "known_lost_when_95_of_unknown_rejected": known_lost_when_unknown_rejected,
    "open_set_accuracy_at_best_threshold": best_accuracy,
}
"""Each metric by the name that reports give it; shares are 0 to 1, whatever "95" stands for in a name."""


def measure_curve(curve: Curve) -> Metrics:
    """Every metric of `THRESHOLD_FREE`, and the correct classification rate at each of `FALSE_ALARM_RATES`."""
    values = {name: metric(curve) for name, metric in THRESHOLD_FREE.items()}
    for rate in FALSE_ALARM_RATES:
        values[f"correct_at_false_alarm_rate_{rate:g}"] = correct_at_false_alarm_rate(curve, rate)
    return values


def _counts(weights: Floats, last: NDArray[np.int64]) -> Floats:
    return np.pad(np.cumsum(weights, axis=1)[:, last], ((0, 0), (1, 0)))


def _share(counts: Floats) -> Floats:
    return np.asarray(counts / counts[:, -1:])


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _area(heights: Floats, widths: Floats) -> Floats:
    return np.asarray((np.diff(widths, axis=1) * (heights[:, 1:] + heights[:, :-1]) / 2).sum(axis=1))


def _loosest(curve: Curve, rate: float) -> NDArray[np.intp]:
    """Index of the last threshold that accepts at most `rate` of the unknown, per row."""
    return np.asarray((curve.unknown <= rate * curve.unknown[:, -1:] + _ROUNDING).sum(axis=1) - 1)
