"""The region head: it reads windows cell by cell, tells how well they fit, and moves them to where the mark is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny import EMBEDDING, tiny_model

from streamfilter.classifier import DenseClassifier
from streamfilter.classifier.boxes import cut_region, moved
from streamfilter.classifier.coarse import placed
from streamfilter.classifier.proposals import MOST_FITTED, Proposer
from streamfilter.classifier.regions import LEAST_OVERLAP, RegionHead, pixels_of, region_grids
from streamfilter.classifier.runtimes import Choice
from streamfilter.classifier.suppress import pairwise
from streamfilter.classifier.windows import window_boxes, window_grid, windows_at
from streamfilter.config import ClassifierConfig
from streamfilter.errors import ModelError
from streamfilter.gate import Region
from streamfilter.model import Enrolled, load_model, save_model
from streamfilter.model.closer import Closer
from streamfilter.model.device import choose_compute
from streamfilter.model.network import STRIDE, DenseOutput
from streamfilter.model.regions import CELLS, OUTPUTS, Regions, pack_regions, restore_regions
from streamfilter.training.regions import Marked, fit_regions, marked_scenes
from streamfilter.training.scene import Scene, SceneFacts
from streamfilter.types import Pixels

GRID = (18, 30)


def saying(*values: float, embedding: int = EMBEDDING) -> Regions:
    """A region head that says the same of every window."""
    return Regions(torch.zeros(OUTPUTS, embedding * CELLS**2), torch.tensor(values, dtype=torch.float32))


def test_a_ramp_is_read_at_the_middles_of_the_cells() -> None:
    across = (torch.arange(GRID[1]) + 0.5) / GRID[1]
    embedding = across.expand(1, 1, *GRID).contiguous()
    box = np.array([[0.3, 0.2, 0.4, 0.5]])
    middle, reach = cut_region(box * np.tile(pixels_of(embedding), 2))
    left, width = (middle - reach / 2)[0, 0], reach[0, 0]
    expected = (left + width * (np.arange(CELLS) + 0.5) / CELLS) / (GRID[1] * STRIDE)
    found = region_grids(embedding, box).reshape(CELLS, CELLS)
    np.testing.assert_allclose(found, np.tile(expected, (CELLS, 1)), atol=1e-5)


def test_windows_move_as_the_head_says_and_fit_as_it_says() -> None:
    embedding = torch.rand(1, EMBEDDING, *GRID)
    boxes = np.array([[0.3, 0.3, 0.2, 0.2], [0.5, 0.1, 0.3, 0.6]])
    better, overlap = RegionHead(saying(0.7, 0.1, -0.1, -0.2, 0.0)).read(embedding, boxes)
    np.testing.assert_allclose(better, moved(boxes, np.tile([0.1, -0.1, -0.2, 0.0], (2, 1)), pixels_of(embedding)))
    np.testing.assert_allclose(overlap, 0.7, rtol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_cells_that_are_read_first_say_what_the_whole_embedding_would(seed: int) -> None:
    rng = np.random.default_rng(seed)
    embedding = torch.from_numpy(rng.random((1, EMBEDDING, *rng.integers(2, 12, 2)), np.float32))
    weight = torch.from_numpy(rng.normal(0, 0.1, (OUTPUTS, EMBEDDING * CELLS**2)).astype(np.float32))
    corner = rng.uniform(0, 0.9, (6, 2))
    boxes = np.concatenate([corner, rng.uniform(0.05, 1, (6, 2)) * (1 - corner)], axis=1)
    better, overlap = RegionHead(Regions(weight, torch.zeros(OUTPUTS))).read(embedding, boxes)
    moves = (region_grids(embedding, boxes) @ weight.numpy().T)[:, 1:]
    np.testing.assert_allclose(better, moved(boxes, moves, pixels_of(embedding)), atol=1e-4)
    expected = np.clip(region_grids(embedding, better) @ weight.numpy().T, LEAST_OVERLAP, 1)[:, 0]
    np.testing.assert_allclose(overlap, expected, atol=1e-4)


@pytest.mark.parametrize(("said", "told"), [(-0.5, LEAST_OVERLAP), (1.5, 1.0)])
def test_an_overlap_is_a_share_whatever_is_said(said: float, told: float) -> None:
    _, overlap = RegionHead(saying(said, 0, 0, 0, 0)).read(torch.rand(1, EMBEDDING, *GRID), np.array([[0, 0, 1, 1.0]]))
    assert overlap.tolist() == [told]


@given(st.integers(2, 40), st.integers(2, 40))
def test_the_window_nearest_to_a_windows_box_is_that_window(height: int, width: int) -> None:
    windows = window_grid(height, width)
    np.testing.assert_array_equal(windows_at(window_boxes(windows, height, width), height, width), windows)


@given(st.integers(1, 40), st.integers(1, 40), st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_every_box_in_a_picture_has_a_window_in_it(height: int, width: int, values: list[float]) -> None:
    x, y, across, down = values
    ((top, left, tall, wide),) = windows_at(np.array([[x, y, across * (1 - x), down * (1 - y)]]), height, width)
    assert 0 <= top < top + tall <= height
    assert 0 <= left < left + wide <= width


class FlatSpotter:
    """Whose embedding is 1 where a picture is bright and 0 elsewhere: as if the network saw marks and nothing else."""

    together = 2

    def dense(self, pictures: list[Pixels]) -> list[tuple[DenseOutput]]:
        outputs = []
        for picture in pictures:
            cells = torch.from_numpy(picture[..., 0].astype(np.float32) / 255)[None, None]
            embedding = torch.nn.functional.avg_pool2d(cells, STRIDE)
            outputs.append((DenseOutput(embedding, torch.cat([embedding, 1 - embedding], dim=1)),))
        return outputs

    def regions(self, output: DenseOutput) -> NDArray[np.float64]:
        grid = (output.logits.shape[2], output.logits.shape[3])
        return window_boxes(window_grid(*grid), *grid)[::50]


def drawn(count: int, *, seed: int) -> Iterator[Marked]:
    """Dark pictures, each with one bright rectangle."""
    rng = np.random.default_rng(seed)
    height, width = GRID[0] * STRIDE, GRID[1] * STRIDE
    for _ in range(count):
        size = rng.uniform(0.2, 0.6, 2)
        corner = rng.uniform(0, 1 - size)
        picture = np.zeros((height, width, 3), np.uint8)
        (x1, y1), (x2, y2) = corner * (width, height), (corner + size) * (width, height)
        picture[round(y1) : round(y2), round(x1) : round(x2)] = 255
        yield Marked(picture, np.array([[*corner, *size]]))


def test_a_fitted_head_moves_windows_to_marks_that_it_never_saw_and_knows_which_fit() -> None:
    spotter = FlatSpotter()
    regions = fit_regions(drawn(120, seed=0), spotter, seed=0, advance=lambda _: None)  # type: ignore[arg-type]
    assert regions is not None
    before, after, fit, told = [], [], [], []
    for one in drawn(20, seed=1):
        ((output,),) = spotter.dense([one.pixels])
        windows = window_boxes(window_grid(*GRID), *GRID)[::7]
        better, overlap = RegionHead(regions).read(output.embedding, windows)
        was, now = (pairwise(boxes, one.boxes)[0][:, 0] for boxes in (windows, better))
        before.append(was[was >= 0.25])
        after.append(now[was >= 0.25])
        fit.append(now)
        told.append(overlap)
    assert np.concatenate(after).mean() > np.concatenate(before).mean() + 0.1
    assert np.corrcoef(np.concatenate(told), np.concatenate(fit))[0, 1] > 0.5


def test_few_marks_teach_no_head() -> None:
    spotter = FlatSpotter()
    assert fit_regions(drawn(3, seed=0), spotter, seed=0, advance=lambda _: None) is None  # type: ignore[arg-type]
    assert fit_regions([], spotter, seed=0, advance=lambda _: None) is None  # type: ignore[arg-type]


def test_a_scene_is_marked_where_something_was_pasted_and_left_out_where_a_logo_is_not_boxed() -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    pasted = SceneFacts(np.array([[0.1, 0.2, 0.5, 0.8]]), np.array([0]))
    empty = SceneFacts(np.zeros((0, 4)), np.zeros(0, np.int64))
    hidden = replace(empty, whole_label=1)
    found = list(marked_scenes(Scene(picture, facts) for facts in (pasted, empty, hidden)))
    np.testing.assert_allclose(found[0].boxes, [[0.1, 0.2, 0.4, 0.6]])
    assert [len(one.boxes) for one in found] == [1, 0]


def test_a_region_head_comes_back_from_the_model_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    regions = Regions(torch.randn(OUTPUTS, EMBEDDING * CELLS**2).half().float(), torch.randn(OUTPUTS))
    save_model(replace(tiny_model(), regions=regions), tmp_path / "m.safetensors")
    found = load_model(tmp_path / "m.safetensors").regions
    assert found is not None
    assert torch.equal(found.weight, regions.weight)
    assert torch.equal(found.bias, regions.bias)


@pytest.mark.parametrize(
    "damage",
    [
        {"regions.weight": torch.zeros(OUTPUTS, 3)},
        {"regions.bias": torch.full((OUTPUTS,), torch.nan)},
        {"regions.more": torch.zeros(1)},
    ],
)
def test_a_region_head_that_is_none_is_refused(damage: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="regions"):
        restore_regions(pack_regions(saying(0, 0, 0, 0, 0)) | damage, embedding=EMBEDDING)


def test_a_model_with_a_damaged_region_head_is_one_clear_error(tmp_path: Path) -> None:
    wrong = saying(0, 0, 0, 0, 0, embedding=EMBEDDING + 1)
    save_model(replace(tiny_model(), regions=wrong), tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match="regions"):
        load_model(tmp_path / "m.safetensors")


def test_places_that_are_fitted_are_few_apart_and_read_where_they_are() -> None:
    network = tiny_model().network
    with torch.inference_mode():
        output = network(torch.rand(1, 3, 256, 384) * 255)
    proposer = Proposer(network, ClassifierConfig(), floor=0.0, places=True, regions=saying(0.5, 0, 0, -0.3, -0.3))
    found = proposer.propose(output)
    assert 0 < len(found.boxes) <= MOST_FITTED
    grid = (output.logits.shape[2], output.logits.shape[3])
    np.testing.assert_array_equal(found.windows, windows_at(found.boxes, *grid))
    np.testing.assert_allclose(found.features.logits, proposer.logits(output, found.windows), rtol=1e-5)
    overlap = pairwise(found.boxes, found.boxes)[0]
    assert (overlap[~np.eye(len(overlap), dtype=bool)] <= 0.5).all()


def test_a_mark_that_only_the_smaller_size_shows_is_a_place_and_is_read_there() -> None:
    network = tiny_model().network
    outputs = [empty_output(16, 24), empty_output(8, 12)]
    show(outputs[1], 0, slice(2, 6), slice(3, 9))
    proposer = Proposer(network, ClassifierConfig(), floor=0.5, places=True, regions=saying(0.5, 0, 0, -0.14, -0.14))
    assert not len(proposer.propose(outputs[0]).boxes)
    found = proposer.propose(*outputs)
    assert len(found.boxes)
    assert (pairwise(found.boxes, np.array([[0.25, 0.25, 0.5, 0.5]]))[1] > 0.5).all()
    np.testing.assert_array_equal(found.windows, windows_at(found.boxes, 16, 24))
    there = windows_at(found.boxes, 8, 12)
    np.testing.assert_allclose(found.features.logits, proposer.logits(outputs[1], there), rtol=1e-5)
    np.testing.assert_array_equal(found.features.cells, there[:, 2:].prod(axis=1))


def test_features_of_places_stay_with_them_whatever_size_they_were_found_at() -> None:
    network = tiny_model().network
    outputs = [empty_output(16, 24), empty_output(8, 12)]
    show(outputs[0], 0, slice(1, 3), slice(20, 22))
    show(outputs[1], 1, slice(3, 7), slice(0, 6))
    proposer = Proposer(network, ClassifierConfig(), floor=0.5, places=True, regions=saying(0.5, 0, 0, -0.14, -0.14))
    found = proposer.propose(*outputs)
    labels = found.features.logits[:, :2].argmax(axis=1)
    on_the_right = found.boxes[:, 0] > 0.5
    assert set(labels[on_the_right]) == {0}
    assert set(labels[~on_the_right]) == {1}


IN_A_CORNER = 9
"""The brightness of pictures that show a mark in their upper left corner."""
FILLING = 11
"""The brightness of pictures that a mark fills."""


class _Sized:
    """A runtime that sees the first label in pictures of this brightness at half the size, and remembers the sizes."""

    name = "told"

    def __init__(self, bright: int) -> None:
        self.bright, self.sizes, self.cuts = bright, list[tuple[int, int]](), 0

    @property
    def heights(self) -> list[int]:
        return [height for height, _ in self.sizes]

    def dense(self, pictures: Sequence[Pixels]) -> list[DenseOutput]:
        self.sizes += [picture.shape[:2] for picture in pictures]
        outputs = [empty_output(len(picture) // STRIDE, picture.shape[1] // STRIDE) for picture in pictures]
        for picture, output in zip(pictures, outputs, strict=True):
            if picture[0, 0, 0] == self.bright and len(picture) < 256:
                show(output, 0, slice(2, 6), slice(3, 9))
            if picture[0, 0, 0] == IN_A_CORNER:
                show(output, 0, slice(0, 2), slice(0, 3))
            if picture[0, 0, 0] == FILLING and len(picture) <= 256:
                show(output, 0, slice(3, 13), slice(4, 20))
        return outputs

    def close(self, cuts: Sequence[Sequence[Pixels]]) -> list[NDArray[np.float32]]:
        self.cuts += sum(map(len, cuts))
        return [np.zeros((len(own), 512), np.float32) for own in cuts]


def looking_first(
    *enrolled: Enrolled, regions: Regions | None = None, **settings: Any
) -> tuple[DenseClassifier, _Sized]:
    """A classifier that can look at half the size first, and what runs its network."""
    runtime = _Sized(bright=7)
    closer = Closer(torch.zeros(3, 512), torch.zeros(3), side=96)
    regions = regions or saying(0.5, 0, 0, -0.14, -0.14)
    model = replace(tiny_model(), regions=regions, closer=closer, enrolled=enrolled)
    config = ClassifierConfig(device="cpu", precision="float32", threads=1, **settings)
    return DenseClassifier(model, config, choose_compute("cpu", "float32", threads=1), Choice(runtime, "")), runtime


def test_only_pictures_that_show_anything_at_half_the_size_are_looked_at_in_full() -> None:
    pictures = [np.full((256, 384, 3), grey, np.uint8) for grey in (1, 7, 2)]
    classifier, runtime = looking_first()
    found = classifier.classify(pictures)
    assert [len(own) > 0 for own in found] == [False, True, False]
    assert runtime.heights == [128, 128, 128, 256]
    every, runtime = looking_first(coarse=False)
    assert [[one.box for one in own] for own in every.classify(pictures)] == [[one.box for one in own] for own in found]
    assert runtime.heights == [128] * 3 + [256] * 3
    assert classifier.classify([]) == []


def test_of_a_picture_only_the_part_is_looked_at_in_full_that_shows_anything() -> None:
    picture = np.full((512, 768, 3), IN_A_CORNER, np.uint8)
    classifier, runtime = looking_first()
    (found,) = classifier.classify([picture])
    assert runtime.sizes == [(256, 384), (256, 384)], "all of it at half the size, a quarter of it in full"
    assert found
    assert all(one.box.x + one.box.width < 0.5 and one.box.y + one.box.height < 0.5 for one in found)


def test_a_mark_that_is_large_at_half_the_size_needs_no_look_in_full() -> None:
    picture = np.full((512, 768, 3), FILLING, np.uint8)
    classifier, runtime = looking_first(regions=saying(0.5, 0, 0, 0.9, 0.9))
    (found,) = classifier.classify([picture])
    assert runtime.sizes == [(256, 384)]
    assert found


def test_what_the_closer_look_says_plays_no_part_in_what_is_looked_at_in_full() -> None:
    picture = np.full((256, 384, 3), 7, np.uint8)
    first, runtime = looking_first()
    (found,) = first.classify([picture])
    every, plain = looking_first(coarse=False)
    assert [one.softmax for one in every.classify([picture])[0]] == [one.softmax for one in found]
    assert runtime.cuts == plain.cuts > 0
    assert runtime.heights == [128, 256]


@pytest.mark.parametrize(("pixels", "heights"), [(0, [128]), (4096, [128, 256])])
def test_which_places_are_small_is_a_setting(pixels: int, heights: list[int]) -> None:
    classifier, runtime = looking_first(coarse_pixels=pixels)
    classifier.classify([np.full((256, 384, 3), 7, np.uint8)])
    assert runtime.heights == heights


def test_places_of_which_little_fits_are_none() -> None:
    network = tiny_model().network
    output = empty_output(16, 24)
    show(output, 0, slice(4, 8), slice(4, 10))
    for overlap, is_one in ((0.9, True), (0.1, False)):
        proposer = Proposer(network, ClassifierConfig(), floor=0.5, places=True, regions=saying(overlap, 0, 0, 0, 0))
        assert bool(len(proposer.propose(output).boxes)) == is_one


def test_a_part_stands_in_the_whole_where_it_was_cut_out_and_elsewhere_is_nothing() -> None:
    part = DenseOutput(torch.rand(1, EMBEDDING, 4, 6), torch.rand(1, 3, 4, 6))
    whole = placed(part, Region(x=64, y=32, width=96, height=64, across=384, down=256), labels=2)
    assert whole.embedding.shape == (1, EMBEDDING, 16, 24)
    assert torch.equal(whole.embedding[:, :, 2:6, 4:10], part.embedding)
    assert torch.equal(whole.logits[:, :, 2:6, 4:10], part.logits)
    elsewhere = torch.ones(16, 24, dtype=torch.bool)
    elsewhere[2:6, 4:10] = False
    assert not whole.embedding[0][:, elsewhere].any()
    assert set(whole.logits[0][:, elsewhere].argmax(dim=0).tolist()) == {2}
    assert placed(part, Region.whole(96, 64), labels=2) is part


def test_small_parts_of_a_picture_are_looked_at_in_full() -> None:
    classifier, runtime = looking_first()
    classifier.classify([np.full((160, 384, 3), 1, np.uint8)])
    assert runtime.heights == [64, 160]


def test_for_enrolled_labels_every_picture_is_looked_at_in_full() -> None:
    zeros, far = torch.zeros(EMBEDDING), torch.linspace(0, 20, 101)
    new = Enrolled("New", zeros, zeros, far, bias=-9.0, size=(0.0, 0.0), threshold=0.5, far=20.0)
    classifier, runtime = looking_first(new)
    classifier.classify([np.full((256, 384, 3), 1, np.uint8)])
    assert runtime.heights == [128, 256]


def test_without_a_look_at_half_the_size_every_picture_is_looked_at_in_full() -> None:
    classifier, runtime = looking_first(overview=False)
    classifier.classify([np.full((256, 384, 3), grey, np.uint8) for grey in (1, 7)])
    assert runtime.heights == [256, 256]


def show(output: DenseOutput, label: int, rows: slice, columns: slice) -> None:
    output.logits[0, :, rows, columns] = 0.0
    output.logits[0, label, rows, columns] = 10.0


def empty_output(height: int, width: int) -> DenseOutput:
    """A dense pass of the tiny network that saw nothing."""
    logits = torch.zeros(1, 3, height, width)
    logits[:, 2] = 10.0
    return DenseOutput(torch.rand(1, EMBEDDING, height, width), logits)
