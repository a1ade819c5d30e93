"""Boxes that fit better: the fit is ridge regression, what it says moves boxes there, and a second look reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from test_classifier import CPU, RED, picture_with
from test_closer import closer
from tiny import tiny_model

from streamfilter.classifier import make_classifier
from streamfilter.classifier.boxes import cut_region, moves_to
from streamfilter.classifier.closer import MOST_REFINED, CloserLook, refined
from streamfilter.classifier.runtimes import TorchRuntime
from streamfilter.errors import ModelError
from streamfilter.model import load_model, save_model
from streamfilter.model.closer import Refiner, grid_cells
from streamfilter.model.device import choose_compute
from streamfilter.model.network import DenseOutput
from streamfilter.training.refining import FEWEST, LEAST_SPREAD, PENALTY, fit_refiner
from streamfilter.types import Pixels

SIDE, CHANNELS = 64, 256
GRID = CHANNELS * grid_cells(SIDE)
WIDTH, HEIGHT = 200, 100


def still(moves: Sequence[float] = (0, 0, 0, 0)) -> Refiner:
    """A refiner that says the same of every cut."""
    return Refiner(torch.zeros(4, GRID), torch.tensor(moves, dtype=torch.float32))


def canvas() -> Pixels:
    return np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def test_the_fit_is_the_ridge_regression_that_scikit_learn_finds() -> None:
    rng = np.random.default_rng(0)
    grids = (rng.normal(2, 3, (FEWEST, 300)) * rng.uniform(0.5, 2, 300)).astype(np.float16)
    moves = rng.normal(0, 0.3, (FEWEST, 4))
    found = fit_refiner(grids, moves)
    assert found is not None
    inputs = grids.astype(np.float64)
    spread = np.maximum(inputs.std(axis=0, ddof=1), LEAST_SPREAD)
    scaled = (inputs - inputs.mean(axis=0)) / spread
    expected = Ridge(alpha=PENALTY * grids.shape[1]).fit(scaled, moves).predict(scaled)
    said = inputs @ found.weight.double().numpy().T + found.bias.double().numpy()
    np.testing.assert_allclose(said, expected, atol=2e-4)


def test_few_close_ups_teach_nothing_about_boxes() -> None:
    assert fit_refiner(np.zeros((FEWEST - 1, 8), np.float16), np.zeros((FEWEST - 1, 4))) is None


@given(st.tuples(*[st.floats(0.05, 0.45)] * 4), st.tuples(*[st.floats(0.05, 0.45)] * 4))
def test_what_a_refiner_should_say_moves_a_box_where_it_should_be(
    box: tuple[float, ...], wanted: tuple[float, ...]
) -> None:
    size = np.tile([WIDTH, HEIGHT], 2)
    boxes, target = np.array([box]), np.array([wanted])
    moves = moves_to(boxes * size, target * size)
    if np.abs(moves).max() < 1:
        moved = refined(boxes, np.zeros((1, GRID), np.float32), still(list(moves[0])), canvas())
        np.testing.assert_allclose(moved, target, atol=1e-5)


def test_a_better_box_stays_inside_the_picture_and_is_never_empty() -> None:
    boxes = np.array([[0.0, 0.0, 1.0, 1.0], [0.98, 0.98, 0.02, 0.02], [0.5, 0.5, 0.0, 0.0]])
    for moves in ((9.0, 9.0, 9.0, 9.0), (-9.0, -9.0, -9.0, -9.0)):
        moved = refined(boxes, np.zeros((3, GRID), np.float32), still(moves), canvas())
        assert (moved[:, :2] >= 0).all()
        assert (moved[:, 2:] > 0).all()
        assert (moved[:, :2] + moved[:, 2:] <= 1 + 1e-9).all()


class Spy:
    """A runtime that remembers what it was shown."""

    def __init__(self, runtime: TorchRuntime) -> None:
        self._runtime = runtime
        self.cuts: list[list[Pixels]] = []
        self.name = runtime.name

    def dense(self, pictures: Sequence[Pixels]) -> list[DenseOutput]:
        return self._runtime.dense(pictures)

    def close(self, cuts: Sequence[Sequence[Pixels]]) -> list[NDArray[np.float32]]:
        self.cuts += [list(own) for own in cuts]
        return self._runtime.close(cuts)


def looks(refiner: Refiner | None, *, favours: int = 0) -> tuple[CloserLook, Spy]:
    spy = Spy(TorchRuntime(tiny_model().network, choose_compute("cpu", "float32", threads=1)))
    return CloserLook(replace(closer(favours=favours), refiner=refiner), spy), spy


def test_the_second_look_reads_the_box_that_fits_better() -> None:
    boxes = np.array([[0.2, 0.2, 0.2, 0.4]])
    wanted = np.array([[0.3, 0.1, 0.3, 0.6]])
    size = np.tile([WIDTH, HEIGHT], 2)
    look, spy = looks(still(list(moves_to(boxes * size, wanted * size)[0])))
    (seen,) = look.look([np.zeros((1, 3), np.float32)], [canvas()], [boxes])
    np.testing.assert_allclose(seen.boxes, wanted, atol=1e-6)
    assert [len(own) for own in spy.cuts] == [1, 1]


def test_both_looks_count_the_same() -> None:
    boxes = np.array([[0.2, 0.2, 0.2, 0.4]])
    picture = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    look, _ = looks(still((0.1, 0.0, 0.3, 0.2)))
    (seen,) = look.look([np.zeros((1, 3), np.float32)], [picture], [boxes])
    first, second = (
        looks(None)[0].look([np.zeros((1, 3), np.float32)], [picture], [where])[0] for where in (boxes, seen.boxes)
    )
    np.testing.assert_allclose(seen.features, (first.features + second.features) / 2, rtol=1e-4, atol=1e-4)


def test_places_that_become_one_are_looked_at_once_and_never_more_than_a_few() -> None:
    rng = np.random.default_rng(0)
    alike = np.array([[0.2, 0.2, 0.2, 0.4], [0.21, 0.2, 0.2, 0.4]])
    apart = np.concatenate([rng.uniform(0, 0.8, (40, 2)), np.full((40, 2), 0.05)], axis=1)
    look, spy = looks(still())
    first, second = look.look([np.zeros((n, 3), np.float32) for n in (2, 40)], [canvas()] * 2, [alike, apart])
    assert [len(first.rows), len(second.rows)] == [1, MOST_REFINED]
    assert [len(own) for own in spy.cuts] == [2, 40, 1, MOST_REFINED]


def test_what_the_first_look_finds_to_be_nothing_costs_no_second_one() -> None:
    boxes = np.array([[0.2, 0.2, 0.2, 0.4]])
    look, spy = looks(still(), favours=2)
    (seen,) = look.look([np.zeros((1, 3), np.float32)], [canvas()], [boxes])
    assert len(seen.rows) == len(seen.logits) == len(seen.boxes) == 0
    assert len(spy.cuts) == 1


def test_a_refiner_survives_its_file_and_a_run_uses_it(tmp_path: Path) -> None:
    wider = replace(closer(favours=0), refiner=still((0.0, 0.0, 0.5, 0.0)))
    picture = picture_with((RED, (64, 64, 64, 64)))
    save_model(replace(tiny_model(), closer=wider), tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.closer is not None
    assert loaded.closer.refiner is not None
    assert torch.equal(loaded.closer.refiner.bias, still((0.0, 0.0, 0.5, 0.0)).bias)
    plain = make_classifier(replace(loaded, closer=replace(loaded.closer, refiner=None)), CPU).classify([picture])[0]
    found = make_classifier(loaded, CPU).classify([picture])[0]
    assert found[0].box.width > 1.2 * plain[0].box.width


@pytest.mark.parametrize("weight", [torch.zeros(4, GRID + 1), torch.full((4, GRID), torch.inf)])
def test_a_refiner_that_is_none_is_refused(weight: torch.Tensor, tmp_path: Path) -> None:
    broken = replace(closer(), refiner=Refiner(weight, torch.zeros(4)))
    save_model(replace(tiny_model(), closer=broken), tmp_path / "model.safetensors")
    with pytest.raises(ModelError):
        load_model(tmp_path / "model.safetensors")


def test_a_cut_is_never_stretched_beyond_its_bound() -> None:
    middle, reach = cut_region(np.array([[10.0, 20.0, 100.0, 1.0]]))
    assert middle.tolist() == [[60.0, 20.5]]
    assert reach[0, 0] / reach[0, 1] == pytest.approx(4.0)
