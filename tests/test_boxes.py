"""Boxes that fit better: moves lead there, stay in the picture, and are learned by ridge regression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from streamfilter.classifier.boxes import cut_region, moved, moves_to
from streamfilter.training.ridge import LEAST_SPREAD, PENALTY, fit_ridge

WIDTH, HEIGHT = 200, 100
SIZE = np.tile([WIDTH, HEIGHT], 2)


def test_the_fit_is_the_ridge_regression_that_scikit_learn_finds() -> None:
    rng = np.random.default_rng(0)
    inputs = (rng.normal(2, 3, (100, 300)) * rng.uniform(0.5, 2, 300)).astype(np.float16)
    targets = rng.normal(0, 0.3, (100, 4))
    weight, bias = fit_ridge(inputs, targets)
    given_ = inputs.astype(np.float64)
    spread = np.maximum(given_.std(axis=0, ddof=1), LEAST_SPREAD)
    scaled = (given_ - given_.mean(axis=0)) / spread
    expected = Ridge(alpha=PENALTY * inputs.shape[1]).fit(scaled, targets).predict(scaled)
    np.testing.assert_allclose(given_ @ weight.double().numpy().T + bias.double().numpy(), expected, atol=2e-4)


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
