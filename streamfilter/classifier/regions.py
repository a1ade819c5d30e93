"""Reads windows of the dense pass cell by cell: how much each overlaps a mark, and where the mark is. See
`model.regions`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfilter.classifier.boxes import cut_region, moved
from streamfilter.model.network import STRIDE
from streamfilter.model.regions import CELLS, OUTPUTS, Regions
from streamfilter.model.vision import roi_align

LEAST_OVERLAP = 0.02
"""What a window overlaps a mark at least: the fit may say less than nothing."""


class RegionHead:
    """The region head of one network.

    What it says of a window is linear in the embedding, and so is the interpolation of RoIAlign: it is applied to the
    cells first, and a handful of numbers are interpolated instead of the whole embedding.
    """

    def __init__(self, regions: Regions) -> None:
        weight = regions.weight.reshape(OUTPUTS, -1, CELLS**2)
        self._weight = weight.permute(2, 0, 1).reshape(CELLS**2 * OUTPUTS, -1)
        self._bias = regions.bias.double().numpy()

    def read(self, embedding: Tensor, boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Boxes `(n, 4)` that fit better than these in a picture, and how much each overlaps a mark, `(n,)`, 0 to 1.

        `embedding`: `(1, E, h, w)`. Boxes: x, y, width, height in 0 to 1, one or more.
        """
        with torch.inference_mode():
            cells = (self._weight.to(embedding.device) @ embedding[0].float().flatten(1)).cpu().numpy()
        said = cells.reshape(CELLS**2, OUTPUTS, *embedding.shape[2:])
        size = pixels_of(embedding)
        better = moved(boxes, self._said(said, boxes, size)[:, 1:], size)
        return better, np.clip(self._said(said, better, size)[:, 0], LEAST_OVERLAP, 1.0)

    def _said(
        self, cells: NDArray[np.float32], boxes: NDArray[np.float64], size: tuple[int, int]
    ) -> NDArray[np.float64]:
        """The head's outputs `(n, 5)` for boxes, from what it says of cells: `(CELLS², 5, h, w)`."""
        middle, reach = cut_region(boxes * np.tile(size, 2))
        steps = (np.arange(CELLS) + 0.5) / CELLS - 0.5
        x = ((middle[:, :1] + reach[:, :1] * steps) / STRIDE - 0.5)[:, None, :].repeat(CELLS, axis=1)
        y = ((middle[:, 1:] + reach[:, 1:] * steps) / STRIDE - 0.5)[:, :, None].repeat(CELLS, axis=2)
        read = _interpolated(cells, x.reshape(len(boxes), -1), y.reshape(len(boxes), -1))
        return np.asarray(read.sum(axis=1) + self._bias)


def _interpolated(cells: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """`cells` `(P, K, h, w)` at points `(n, P)` in cells, each in its own map: `(n, P, K)`; 0 far outside."""
    height, width = cells.shape[2:]
    inside = (x >= -1) & (x <= width) & (y >= -1) & (y <= height)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    maps = np.arange(len(cells))
    upper = (1 - across) * cells[maps, :, top, left] + across * cells[maps, :, top, right]
    lower = (1 - across) * cells[maps, :, bottom, left] + across * cells[maps, :, bottom, right]
    return np.asarray(((1 - down) * upper + down * lower) * inside[..., None])


def pixels_of(embedding: Tensor) -> tuple[int, int]:
    """Width and height of the picture that gave this embedding."""
    return embedding.shape[3] * STRIDE, embedding.shape[2] * STRIDE


def region_grids(embedding: Tensor, boxes: NDArray[np.float64]) -> NDArray[np.float32]:
    """The embedding `(1, E, h, w)` in boxes `(n, 4)`, one or more, and around them: `(n, E × CELLS²)`."""
    middle, reach = cut_region(boxes * np.tile(pixels_of(embedding), 2))
    corners = torch.from_numpy(np.concatenate([middle - reach / 2, middle + reach / 2], axis=1)).float()
    with torch.inference_mode():
        grids = roi_align(
            embedding.float(),
            [corners.to(embedding.device)],
            CELLS,
            spatial_scale=1 / STRIDE,
            sampling_ratio=1,
            aligned=True,
        )
        return np.asarray(grids.flatten(1).cpu().numpy())
