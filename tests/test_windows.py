"""The windows of the dense pass: where they lie, and their means against a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.classifier.windows import HEIGHTS, integral, window_boxes, window_grid, window_means

GRIDS = [(2, 2), (2, 96), (4, 6), (6, 4), (24, 32), (24, 42), (42, 24), (7, 13)]


@pytest.mark.parametrize(("height", "width"), GRIDS)
def test_windows_lie_inside_cover_every_cell_and_reach_every_edge(height: int, width: int) -> None:
    windows = window_grid(height, width)
    top, left, high, wide = windows.T
    assert len(np.unique(windows, axis=0)) == len(windows)
    assert (windows >= 0).all()
    assert (np.minimum(high, wide) >= min(2, height, width)).all()
    assert (top + high <= height).all()
    assert (left + wide <= width).all()
    for shape in np.unique(windows[:, 2:], axis=0):
        own = windows[(windows[:, 2:] == shape).all(axis=1)]
        covered = np.zeros((height, width), bool)
        for t, l, h, w in own:  # noqa: E741
            covered[t : t + h, l : l + w] = True
        assert covered.all(), f"windows of {shape} leave cells out"


@pytest.mark.parametrize(("height", "width"), GRIDS)
def test_windows_of_a_shape_move_by_at_most_a_quarter_of_their_side(height: int, width: int) -> None:
    windows = window_grid(height, width)
    for high, wide in np.unique(windows[:, 2:], axis=0):
        own = windows[(windows[:, 2] == high) & (windows[:, 3] == wide)]
        assert np.diff(np.unique(own[:, 0]), append=height - high).max() <= max(1, high // 4)
        assert np.diff(np.unique(own[:, 1]), append=width - wide).max() <= max(1, wide // 4)


@pytest.mark.parametrize(("height", "width"), [(24, 32), (24, 42), (12, 16)])
def test_a_logo_of_any_size_at_any_place_has_a_window_that_fits(height: int, width: int) -> None:
    boxes = window_boxes(window_grid(height, width), height, width) * (width, height, width, height)
    rng = np.random.default_rng(0)
    for _ in range(200):
        high = float(np.exp(rng.uniform(np.log(2.0), np.log(height))))
        wide = min(high * float(np.exp(rng.uniform(np.log(0.8), np.log(4.0)))), width)
        x, y = rng.uniform(0, width - wide), rng.uniform(0, height - high)
        over = np.clip(np.minimum(boxes[:, 0] + boxes[:, 2], x + wide) - np.maximum(boxes[:, 0], x), 0, None)
        over *= np.clip(np.minimum(boxes[:, 1] + boxes[:, 3], y + high) - np.maximum(boxes[:, 1], y), 0, None)
        iou = over / (boxes[:, 2] * boxes[:, 3] + high * wide - over)
        assert iou.max() > 0.45, f"{wide:.1f}×{high:.1f} cells at {x:.1f}, {y:.1f}"


def test_a_logo_that_fills_a_usual_picture_has_a_window_and_so_has_a_small_one() -> None:
    for height, width in [(24, 32), (24, 42), (12, 16), (4, 6), (2, 2)]:
        boxes = window_boxes(window_grid(height, width), height, width)
        assert (boxes[:, 2] * boxes[:, 3]).max() > 0.8
    assert min(HEIGHTS) * 16 / 384 < 0.09, "a logo of 6 % of the height must fill a good part of its window"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), height=st.integers(2, 12), width=st.integers(2, 14), pictures=st.integers(1, 3))
def test_window_means_are_those_of_a_slow_loop(seed: int, height: int, width: int, pictures: int) -> None:
    cells = torch.randn((pictures, 5, height, width), generator=torch.Generator().manual_seed(seed)) * 10
    windows = window_grid(height, width)
    means = window_means(cells, torch.from_numpy(windows))
    assert means.shape == (pictures, len(windows), 5)
    for index, (t, l, h, w) in enumerate(windows):  # noqa: E741
        slow = cells[:, :, t : t + h, l : l + w].double().mean(dim=(2, 3))
        assert torch.allclose(means[:, index].double(), slow, atol=1e-3)


def test_window_means_of_a_large_grid_keep_their_precision() -> None:
    cells = torch.randn((1, 3, 42, 160), generator=torch.Generator().manual_seed(0)) * 5 + 20
    windows = window_grid(42, 160)[-400:]
    means = window_means(cells, torch.from_numpy(windows))[0]
    for index, (t, l, h, w) in enumerate(windows):  # noqa: E741
        assert torch.allclose(means[index], cells[0, :, t : t + h, l : l + w].mean(dim=(1, 2)), atol=0.01)


def test_sums_of_half_precision_cells_are_kept_in_full() -> None:
    table = integral(torch.full((1, 1, 40, 40), 100.0, dtype=torch.bfloat16))
    assert table.dtype == torch.float32
    assert float(table[0, 0, -1, -1]) == 160_000
    assert float(table[:, :, 0].abs().sum() + table[..., 0].abs().sum()) == 0


def test_gradients_pass_through_window_means() -> None:
    cells = torch.zeros((1, 1, 4, 4), requires_grad=True)
    window_means(cells, torch.tensor([[1, 1, 2, 2]])).sum().backward()
    expected = torch.zeros(4, 4)
    expected[1:3, 1:3] = 0.25
    assert cells.grad is not None
    assert torch.allclose(cells.grad[0, 0], expected)


def test_boxes_are_the_windows_as_shares_of_the_grid() -> None:
    boxes = window_boxes(np.array([[0, 0, 4, 8], [1, 2, 2, 4]]), 4, 8)
    assert boxes.tolist() == [[0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5]]
