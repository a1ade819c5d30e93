"""Boxes that fit better: moves lead there, stay in the picture, and are learned by ridge regression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import linear_model

from streamfilter.classifier.boxes import cut_region, moved, moves_to
from streamfilter.training.ridge import LEAST_SPREAD, PENALTY, TOGETHER, Ridge

WIDTH, HEIGHT = 200, 100
SIZE = np.tile([WIDTH, HEIGHT], 2)


def examples(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = (rng.normal(2, 3, (count, 300)) * rng.uniform(0.5, 2, 300)).astype(np.float16)
    return inputs, rng.normal(0, 0.3, (count, 4))


def predicted(fit: Ridge, inputs: np.ndarray) -> np.ndarray:
    weight, bias = fit.solve()
    return np.asarray(inputs.astype(np.float64) @ weight.double().numpy().T + bias.double().numpy())


@pytest.mark.parametrize("count", [100, 3 * TOGETHER + 100])
def test_the_fit_is_the_ridge_regression_that_scikit_learn_finds(count: int) -> None:
    inputs, targets = examples(count)
    fit = Ridge(300, 4)
    for first in range(0, count, 70):
        fit.add(inputs[first : first + 70], targets[first : first + 70])
    given_ = inputs.astype(np.float64)
    spread = np.maximum(given_.std(axis=0, ddof=1), LEAST_SPREAD)
    scaled = (given_ - given_.mean(axis=0)) / spread
    theirs = linear_model.Ridge(alpha=PENALTY * inputs.shape[1]).fit(scaled, targets)
    np.testing.assert_allclose(predicted(fit, inputs), theirs.predict(scaled), atol=2e-4)


def test_a_fit_that_joins_another_has_learned_from_both_what_it_learns_at_all() -> None:
    inputs, targets = examples(400)
    one, other, whole = Ridge(300, 2), Ridge(300, 4), Ridge(300, 2)
    one.add(inputs[:90], targets[:90, :2])
    other.add(inputs[90:], targets[90:])
    one.join(other)
    whole.add(inputs, targets[:, :2])
    assert one.count == 400
    np.testing.assert_allclose(predicted(one, inputs), predicted(whole, inputs), atol=2e-4)


@given(st.tuples(*[st.floats(0.05, 0.45)] * 4), st.tuples(*[st.floats(0.05, 0.45)] * 4))
def test_the_moves_to_a_box_lead_there(box: tuple[float, ...], wanted: tuple[float, ...]) -> None:
    boxes, target = np.array([box]), np.array([wanted])
    moves = moves_to(boxes * SIZE, target * SIZE)
    if np.abs(moves).max() < 1:
        np.testing.assert_allclose(moved(boxes, moves, (WIDTH, HEIGHT)), target, atol=1e-9)


@pytest.mark.parametrize("far", [9.0, -9.0])
def test_a_moved_box_stays_inside_the_picture_and_is_never_empty(far: float) -> None:
    boxes = np.array([[0.0, 0.0, 1.0, 1.0], [0.98, 0.98, 0.02, 0.02], [0.5, 0.5, 0.0, 0.0]])
    found = moved(boxes, np.full((3, 4), far), (WIDTH, HEIGHT))
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2:] > 0).all()
    assert (found[:, :2] + found[:, 2:] <= 1 + 1e-9).all()


def test_what_is_read_of_a_box_is_never_stretched_beyond_its_bound() -> None:
    middle, reach = cut_region(np.array([[10.0, 20.0, 100.0, 1.0]]))
    assert middle.tolist() == [[60.0, 20.5]]
    assert reach[0, 0] / reach[0, 1] == pytest.approx(4.0)
