"""Temperature, statistics and thresholds: against SciPy, scikit-learn and their own promise."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax as scipy_softmax

from streamfilter.classifier.windows import window_boxes, window_grid
from streamfilter.model import NetworkShape
from streamfilter.model.network import DenseOutput
from streamfilter.rejector.mahalanobis import fit_mahalanobis, mahalanobis
from streamfilter.rejector.softmax import softmax
from streamfilter.training.batches import Batch
from streamfilter.training.calibrate import (
    FEW_WINDOWS,
    fit_statistics,
    fit_temperature,
    fit_thresholds,
)
from streamfilter.training.scene import SceneFacts
from streamfilter.training.targets import overlaps, scene_targets
from streamfilter.training.validation import FOUND_IOU, Found, figures, search
from streamfilter.types import Features

CLASSES = 3


def found(seed: int = 0, logos: int = 60, strangers: int = 50, *, heat: float = 1.0) -> Found:
    """Synthetic findings: right answers that are mostly sure, strangers that are mostly unsure."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, logos)
    logits = rng.normal(0, 1, (logos, CLASSES + 1))
    logits[np.arange(logos), labels] += 2.5
    strange = rng.normal(0, 1.2, (strangers, CLASSES + 1))
    strange[:, CLASSES] += 2.0
    return Found(
        known=windows(logits * heat, rng.normal(0, 1, (logos, 6)) + labels[:, None]),
        labels=labels,
        heights=rng.uniform(0.05, 0.8, logos),
        strange=windows(strange * heat, rng.normal(0, 1, (strangers, 6))),
    )


def windows(logits: NDArray[np.floating[Any]], embeddings: NDArray[np.floating[Any]]) -> Features:
    """Windows of 16 cells."""
    return Features(logits.astype(np.float32), embeddings.astype(np.float32), np.full(len(logits), 16.0))


def empty() -> Found:
    return found(logos=0, strangers=0)


@pytest.mark.parametrize("heat", [0.5, 1.0, 3.0])
def test_the_temperature_is_the_one_scipy_finds(heat: float) -> None:
    data = found(logos=400, heat=heat)
    logits, labels = data.known.logits.astype(np.float64), data.labels

    def loss(log_temperature: float) -> float:
        chances = scipy_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-np.log(chances[np.arange(len(labels)), labels]).mean())

    theirs = float(np.exp(minimize_scalar(loss, bounds=(np.log(0.25), np.log(8.0)), method="bounded").x))
    assert fit_temperature(data.known.logits, labels, np.ones(len(labels))) == pytest.approx(theirs, rel=0.03)


def test_a_hotter_network_needs_a_proportionally_higher_temperature() -> None:
    cold, hot = found(logos=300), found(logos=300, heat=2.0)
    hotter, colder = (fit_temperature(one.known.logits, one.labels, np.ones(300)) for one in (hot, cold))
    ratio = hotter / colder
    assert ratio == pytest.approx(2.0, rel=0.05)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.floats(0.25, 8))
def test_probabilities_are_scipys(seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(0, 30, (7, 4)).astype(np.float32)
    assert np.allclose(softmax(logits, temperature), scipy_softmax(logits.astype(np.float64) / temperature, axis=1))
    assert softmax(logits[:0], temperature).shape == (0, 4)


def test_the_distance_threshold_keeps_99_percent_of_the_logos() -> None:
    data = found(logos=500)
    statistics = fit_statistics(data, data, CLASSES)
    thresholds = fit_thresholds(data, statistics)
    means, whitening = statistics.means.double().numpy(), statistics.whitening.double().numpy()
    own = mahalanobis(data.known.embeddings, means, whitening)[np.arange(500), data.labels]
    assert (own <= thresholds.mahalanobis).mean() == pytest.approx(0.99, abs=0.003)


def test_statistics_are_those_of_the_taught_logos_and_percentiles_of_the_held_ones() -> None:
    taught, held = found(1, logos=90), found(2, logos=90)
    statistics = fit_statistics(taught, held, CLASSES)
    means, whitening = fit_mahalanobis(taught.known.embeddings, taught.labels, CLASSES)
    assert np.allclose(statistics.means.numpy(), means, atol=1e-5)
    distances = mahalanobis(held.known.embeddings, means, whitening)
    for label in range(CLASSES):
        own = distances[held.labels == label, label]
        assert np.allclose(statistics.quantiles[label].numpy(), np.percentile(own, np.arange(101)), atol=1e-4)
    assert all(tensor.dtype == torch.float32 for tensor in (statistics.means, statistics.whitening))


def test_a_label_with_few_validation_windows_takes_the_percentiles_of_all() -> None:
    held = found(2, logos=60)
    rare = np.flatnonzero(held.labels == 1)[: FEW_WINDOWS - 1]
    kept = np.concatenate([rare, np.flatnonzero(held.labels != 1)])
    few = Found(held.known.rows(kept), held.labels[kept], held.heights[kept], held.strange)
    statistics = fit_statistics(found(1), few, CLASSES)
    distances = mahalanobis(
        few.known.embeddings, statistics.means.double().numpy(), statistics.whitening.double().numpy()
    )
    everyone = distances[np.arange(len(kept)), few.labels]
    assert np.allclose(statistics.quantiles[1].numpy(), np.percentile(everyone, np.arange(101)), atol=1e-3)


def test_without_validation_pictures_the_thresholds_are_plain_and_nothing_is_far() -> None:
    statistics = fit_statistics(found(), empty(), CLASSES)
    thresholds = fit_thresholds(empty(), statistics)
    assert (thresholds.temperature, thresholds.max_softmax) == (1.0, 0.5)
    assert np.isinf(thresholds.mahalanobis)
    assert figures(empty()) == {"recall": 0.0, "recall_small": 0.0, "accuracy": 0.0}


def test_figures_count_what_is_right_and_surer_than_the_strangers() -> None:
    logits = np.array([[9, 0, 0, 0], [0, 9, 0, 0], [0, 0, 1, 0.5], [9, 0, 0, 0]], np.float32)
    strange = np.array([[3, 0, 0, 0]] * 3, np.float32)
    embeddings = np.zeros((4, 6), np.float32)
    heights = np.array([0.5, 0.1, 0.1, 0.5])
    data = Found(windows(logits, embeddings), np.array([0, 1, 2, 1]), heights, windows(strange, embeddings[:3]))
    assert figures(data) == {"recall": 0.5, "recall_small": 0.5, "accuracy": 0.75}


class Echo(torch.nn.Module):
    """A network whose output is its input: the first four channels are logits, and all of them the embedding."""

    shape = NetworkShape("resnet18", CLASSES, reduced=8, embedding=6)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def window_logits(self, means: torch.Tensor, windows: torch.Tensor) -> torch.Tensor:
        return means


def test_search_finds_the_best_window_of_every_logo_and_the_likeliest_of_every_other_scene() -> None:
    grid = (4, 6)
    windows = window_grid(*grid)
    boxes = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0.99, 0.0, 1.0, 0.01]])
    logos = SceneFacts(boxes, np.array([2, -1, 0]))
    nothing, unboxed = SceneFacts(boxes[:0], np.zeros(0, np.int64)), SceneFacts(boxes[:0], np.zeros(0, np.int64), 1)
    facts = (logos, nothing, unboxed)
    inputs = torch.randn((3, 6, *grid), generator=torch.Generator().manual_seed(2)) * 3
    batch = Batch(inputs, facts, tuple(scene_targets(each, grid, none=CLASSES) for each in facts))
    data = search(Echo(), [batch], lambda _, batch: DenseOutput(batch.inputs, batch.inputs[:, :4]), nullcontext)  # type: ignore[arg-type]

    def mean(scene: int, window: np.ndarray) -> torch.Tensor:
        top, left, height, width = window
        return inputs[scene, :, top : top + height, left : left + width].mean(dim=(1, 2))

    near = windows[overlaps(window_boxes(windows, *grid), boxes)[1][:, 0] >= FOUND_IOU]
    best = max((mean(0, window) for window in near), key=lambda cells: float(cells[:4].softmax(0)[2]))
    assert data.labels.tolist() == [2], "what is not taught and what no window fits is not looked for"
    assert np.allclose(data.known.logits[0], best[:4], atol=1e-4)
    assert np.allclose(data.known.embeddings[0], best, atol=1e-4)
    assert data.heights.tolist() == [0.5]
    strangest = max((mean(1, window) for window in windows), key=lambda cells: float(cells[:4].softmax(0)[:3].max()))
    assert np.allclose(data.strange.logits, strangest[None, :4], atol=1e-4)
    assert np.allclose(data.strange.embeddings, strangest[None], atol=1e-4)
