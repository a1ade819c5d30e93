"""What was decided against what is true: accuracy, macro-F1 and the confusion matrix, at the model's own thresholds.

Classes are numbered 0 to C, the labels in order; C stands for "none of these", in truths and decisions alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamfilter.evaluation.bootstrap import Floats, Metrics

Classes = NDArray[np.int64]


def confusion(truth: Classes, decided: Classes, classes: int) -> NDArray[np.int64]:
    """How often each class (rows) was decided to be each (columns), `(classes, classes)`."""
    return np.bincount(truth * classes + decided, minlength=classes**2).reshape(classes, classes)


def accuracy(truth: Classes, decided: Classes, weights: Floats) -> Floats:
    """Weighted share of samples decided right, per row of weights `(B, n)`."""
    return np.asarray(weights @ (truth == decided) / weights.sum(axis=1))


def macro_f1(truth: Classes, decided: Classes, weights: Floats) -> Floats:
    """Mean of 2·TP / (2·TP + FP + FN) over the classes that the samples truly hold, per row of weights `(B, n)`.

    A class that a resample has lost counts as the others do, with 0 where nothing of it is there and it was decided,
    and is left out where it was not decided either.
    """
    wanted = np.unique(truth)
    is_true = (truth[:, None] == wanted).astype(np.float64)
    is_said = (decided[:, None] == wanted).astype(np.float64)
    both = 2 * weights @ (is_true * is_said)
    total = weights @ is_true + weights @ is_said
    scores = np.divide(both, total, out=np.full_like(both, np.nan), where=total > 0)
    return np.asarray(np.nanmean(scores, axis=1))


def measure_decisions(truth: Classes, decided: Classes, weights: Floats, *, classes: int) -> Metrics:
    """The metrics of decisions: `classes` counts "none of these", the last of them, too."""
    none = classes - 1
    is_known = truth != none
    known, unknown = weights * is_known, weights * ~is_known
    return {
        "open_set_accuracy": accuracy(truth, decided, weights),
        "macro_f1": macro_f1(truth, decided, weights),
        "known_named_right": _share(known, truth == decided),
        "known_rejected": _share(known, decided == none),
        "known_named_wrong": _share(known, (decided != none) & (decided != truth)),
        "unknown_accepted": _share(unknown, decided != none),
    }


def _share(weights: Floats, flags: NDArray[np.bool_]) -> Floats:
    whole = weights.sum(axis=1)
    return np.asarray(np.divide(weights @ flags, whole, out=np.full(len(whole), np.nan), where=whole > 0))
