"""Fits the rejection scores of a network and their thresholds: at the end of `train`, or again for a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamfilter.model import DenseResNet, Thresholds, head_of
from streamfilter.rejector.scores import DEFAULT, SCORES, Fitting, Score, fit_scores
from streamfilter.rejector.scores.odin import Odin
from streamfilter.rejector.softmax import softmax
from streamfilter.training.validation import Found
from streamfilter.types import Features

KEPT = 0.99
"""Share of the held-out logos that a threshold keeps where so few strangers pass the gates that it need not cut."""
LEAST_KEPT = 0.5
"""No threshold is so low that it would reject more of the logos than this."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What scores and thresholds are fitted to.

    `taught`: found in training scenes, `held`: in validation scenes, whose strangers the thresholds are for.
    `strangers`: by source, windows of scenes without a known logo, of held-out pictures of that source alone.
    """

    taught: Found
    held: Found
    strangers: Mapping[str, Features]


def fit_rejection(
    network: DenseResNet, material: Material, thresholds: Thresholds, *, false_share: float, seed: int
) -> tuple[dict[str, Score], Thresholds]:
    """Every score that reads features, and the thresholds with one for each of them.

    Raises `ValueError` for fewer than two windows of known logos.
    """
    training = fitting(network, material, temperature=thresholds.temperature, seed=seed)
    scores = fit_scores(training, [name for name in SCORES if name != Odin.name])
    values = fit_score_thresholds(scores, material, thresholds, false_share=false_share)
    return scores, replace(thresholds, score=DEFAULT, scores=values)


def fitting(network: DenseResNet, material: Material, *, temperature: float, seed: int) -> Fitting:
    """The material as scores take it. What is empty of it is left out."""
    parts = [part for part in material.strangers.values() if len(part)]
    sources = np.repeat(np.arange(len(parts)), [len(part) for part in parts]) if parts else None
    return Fitting(
        known=material.taught.known,
        labels=material.taught.labels,
        head=head_of(network),
        temperature=temperature,
        seed=seed,
        strange=material.taught.strange if len(material.taught.strange) else None,
        held=material.held.known if len(material.held.known) else None,
        negatives=Features.concatenate(parts) if parts else None,
        sources=sources,
    )


def fit_score_thresholds(
    scores: Mapping[str, Score], material: Material, thresholds: Thresholds, *, false_share: float
) -> dict[str, float]:
    """By score, the threshold at which at most `false_share` of the held-out strangers pass it and the gates.

    It keeps at least `LEAST_KEPT` of the held-out logos in any case, and at most `KEPT` of them.
    """
    strange = material.held.strange
    passing = strange.rows(_passes_gates(strange, thresholds))
    known = material.held.known if len(material.held.known) else material.taught.known
    spare = int(false_share * len(strange))
    return {name: _threshold(score(passing), score(known), spare=spare) for name, score in scores.items()}


def _threshold(strange: NDArray[np.float64], known: NDArray[np.float64], *, spare: int) -> float:
    """The largest value that at most `spare` of the strangers do not exceed, within what the known allow."""
    least, most = np.quantile(known, [LEAST_KEPT, KEPT])
    # What lies at the threshold itself is accepted, so the threshold stays below it.
    wanted = np.nextafter(np.sort(strange)[spare], -np.inf) if len(strange) > spare else np.inf
    return float(np.clip(wanted, least, most))


def _passes_gates(features: Features, thresholds: Thresholds) -> NDArray[np.bool_]:
    chances = softmax(features.logits, thresholds.temperature)
    likeliest = chances[:, :-1].max(axis=1)
    return np.asarray((chances[:, -1] <= thresholds.none_class) & (likeliest >= thresholds.max_softmax))
