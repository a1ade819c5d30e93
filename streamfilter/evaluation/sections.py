"""Every metric of one set of samples, with intervals: known against far, against near, against all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfilter.evaluation.bootstrap import ROUNDS, Estimate, Floats, Metrics, estimate
from streamfilter.evaluation.curve import measure_curve, trace
from streamfilter.evaluation.decisions import confusion, measure_decisions
from streamfilter.evaluation.pictures import Kind
from streamfilter.evaluation.reliability import Reliability, calibration_error, reliability
from streamfilter.evaluation.samples import Samples

Rows = NDArray[np.intp]
Sections = Mapping[str, Mapping[str, Estimate]]
"""Metrics by what the known pictures are held against: `far`, `near`, `all`."""
UNKNOWN_KINDS: tuple[Kind, ...] = ("far", "near")


def sections(samples: Samples, *, rounds: int = ROUNDS, seed: int = 0) -> Sections:
    """Every metric of each of the `divisions`."""
    return {name: measure(samples, rows, rounds=rounds, seed=seed) for name, rows in divisions(samples).items()}


def divisions(samples: Samples) -> dict[str, Rows]:
    """The rows of the known pictures with those of `far`, `near` and `all` unknown ones; those that are there."""
    known = samples.rows_of("known")
    parts: dict[str, Rows] = {kind: samples.rows_of(kind) for kind in UNKNOWN_KINDS}
    there = {name: rows for name, rows in parts.items() if len(rows)}
    found = {name: np.concatenate([known, rows]) for name, rows in there.items()}
    return {**found, "all": np.concatenate([known, *there.values()])}


def measure(samples: Samples, rows: Rows, *, rounds: int = ROUNDS, seed: int = 0) -> dict[str, Estimate]:
    """Every metric of some of the samples; known and unknown pictures are resampled apart."""
    truth, is_known = samples.truth[rows], samples.is_known[rows]
    taken_for, decided = samples.taken_for[rows], samples.decided[rows]
    unfamiliarity, confidence = samples.unfamiliarity[rows], samples.confidence[rows]
    sure_right = samples.confident_in[rows] == truth

    def values(weights: Floats) -> Metrics:
        known = weights * is_known
        return {
            **measure_decisions(truth, decided, weights, classes=samples.none + 1),
            "closed_set_accuracy": np.asarray(known @ (taken_for == truth) / known.sum(axis=1)),
            **measure_curve(trace(unfamiliarity, is_known, taken_for == truth, weights)),
            "expected_calibration_error": calibration_error(confidence, sure_right, weights),
        }

    return estimate(values, rows.astype(np.int64), is_known.astype(np.int64), rounds=rounds, seed=seed)


def per_label(samples: Samples) -> list[dict[str, Any]]:
    """For each label with pictures: how many, how many were named right, named wrong, rejected; precision and recall.

    `precision` counts what was said of unknown pictures too; None where the label was never said.
    """
    table = confusion(samples.truth, samples.decided, samples.none + 1)
    rows = []
    for number, label in enumerate(samples.labels):
        own = table[number]
        if not own.sum():
            continue
        right, said = int(own[number]), int(table[:, number].sum())
        rows.append(
            {
                "label": label,
                "pictures": int(own.sum()),
                "right": right,
                "wrong": int(own.sum()) - right - int(own[-1]),
                "rejected": int(own[-1]),
                "recall": right / int(own.sum()),
                "precision": right / said if said else None,
            }
        )
    return rows


def diagrams(samples: Samples) -> dict[str, Any]:
    """Reliability over all pictures of the event's `score`, and of the network's bare `softmax` before calibration."""
    is_right = samples.confident_in == samples.truth
    values = {"score": samples.confidence, "softmax": samples.softmax}
    return {name: _diagram(reliability(confidence, is_right)) for name, confidence in values.items()}


def _diagram(found: Reliability) -> dict[str, Any]:
    return {
        "expected_calibration_error": found.error,
        "bins": [
            {"pictures": int(count), "confidence": float(confidence), "accuracy": float(accuracy)}
            for count, confidence, accuracy in zip(found.counts, found.confidence, found.accuracy, strict=True)
        ],
    }


def as_json(metrics: Mapping[str, Estimate]) -> dict[str, Any]:
    """Metrics as plain values, rounded to what they are worth; null where there is no number."""
    return {
        name: {"value": _number(e.value), "low": _number(e.low), "high": _number(e.high)} for name, e in metrics.items()
    }


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(value, 5)
