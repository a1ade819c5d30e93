"""Reads windows of the dense pass cell by cell: how much each overlaps a mark, and where the mark is. See
`model.regions`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import roi_align

from streamfilter.classifier.boxes import cut_region, moved
from streamfilter.model.network import STRIDE
from streamfilter.model.regions import CELLS, Regions

LEAST_OVERLAP = 0.02
"""What a window overlaps a mark at least: the fit may say less than nothing."""


class RegionHead:
    """The region head of one network."""

    def __init__(self, regions: Regions) -> None:
        self._weight = regions.weight.numpy().T
        self._bias = regions.bias.numpy()

    def read(self, embedding: Tensor, boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Boxes `(n, 4)` that fit better than these in a picture, and how much each overlaps a mark, `(n,)`, 0 to 1.

        `embedding`: `(1, E, h, w)`. Boxes: x, y, width, height in 0 to 1, one or more.
        """
        better = moved(boxes, self._said(embedding, boxes)[:, 1:], pixels_of(embedding))
        return better, np.clip(self._said(embedding, better)[:, 0], LEAST_OVERLAP, 1.0)

    def _said(self, embedding: Tensor, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        said: NDArray[np.float32] = region_grids(embedding, boxes) @ self._weight + self._bias
        return said.astype(np.float64)


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
