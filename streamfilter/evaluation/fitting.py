"""Fits the rejection scores of a model that carries none to pictures that are not evaluated."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamfilter.console import Console
from streamfilter.errors import DatasetError
from streamfilter.evaluation.looking import Looked, Looker
from streamfilter.evaluation.pictures import Subject, find_known, find_unknown
from streamfilter.model import Model, head_of
from streamfilter.rejector.scores import Fitting, Score, fit_scores
from streamfilter.types import Candidate, Features

HELD = 3
"""Every third window of a label is held out: what percentiles and weights are fitted to, and not means."""


def fitted_scores(
    model: Model,
    looker: Looker,
    known: Path,
    negatives: Sequence[Path],
    *,
    without: Collection[str],
    console: Console,
) -> dict[str, Score]:
    """All scores, fitted to the pictures of `known` (a folder per label) and of folders of negatives.

    `without`: digests of the evaluated pictures, which are left out. Every folder of negatives is a source of its own.
    Raises `DatasetError` when fewer than two logos are found.
    """
    used = [s for s in find_known(known, labels=model.labels).pictures if s.digest not in without]
    windows = _logos(list(looker.follow(used, "pictures to fit to", console)), model.labels)
    if len(windows) < 2:
        raise DatasetError(f"{known}: {len(windows)} logos found in pictures to fit to, expected at least 2")
    features = Features.concatenate([features for features, _ in windows])
    labels = np.array([label for _, label in windows])
    is_held = _held_out(labels)
    found, sources = _strangers(looker, negatives, without=without, console=console)
    strange = Features.concatenate([features.rows(slice(0, 0)), *found])
    half = np.arange(len(strange)) % 2 == 0
    training = Fitting(
        known=features.rows(~is_held),
        labels=labels[~is_held],
        head=head_of(model.network),
        temperature=model.thresholds.temperature,
        held=features.rows(is_held),
        strange=strange.rows(half) if len(strange) else None,
        negatives=strange.rows(~half) if len(strange) > 1 else None,
        sources=np.array(sources)[~half] if len(strange) > 1 else None,
    )
    return fit_scores(training)


def _strangers(
    looker: Looker, folders: Sequence[Path], *, without: Collection[str], console: Console
) -> tuple[list[Features], list[int]]:
    """The likeliest window of each negative, and the number of its folder."""
    found: list[Features] = []
    sources: list[int] = []
    for number, folder in enumerate(folders):
        used: list[Subject] = [s for s in find_unknown(folder) if s.digest not in without]
        for item in looker.follow(used, "negatives to fit to", console):
            if item.candidates:
                found.append(_features(item.candidates[0]))
                sources.append(number)
    return found, sources


def _logos(looked: Sequence[Looked], labels: Sequence[str]) -> list[tuple[Features, int]]:
    """Of each picture in which its label is seen at all, the window that shows it best."""
    numbers: Mapping[str, int] = {label: number for number, label in enumerate(labels)}
    found = []
    for item in looked:
        label = item.subject.label
        own = [candidate for candidate in item.candidates or () if candidate.label == label]
        if own and label is not None:
            found.append((_features(max(own, key=lambda c: c.softmax)), numbers[label]))
    return found


def _held_out(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Every third of a label's windows, `(n,)`, so that two of three are left of each."""
    is_held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        is_held[np.flatnonzero(labels == label)[HELD - 1 :: HELD]] = True
    return is_held


def _features(candidate: Candidate) -> Features:
    assert candidate.features is not None, "a candidate of a network has features"
    return candidate.features
