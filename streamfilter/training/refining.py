"""Fits how a box would fit better to close-ups that are off: ridge regression, as R-CNN does it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.model.closer import Refiner

PENALTY = 0.3
"""Weight of the squared norm, where the mean squared length of a standardised example is one."""
FEWEST = 100
"""Close-ups from which on a fit is worth something."""
MOST = 6000
"""Close-ups that are used at most: the fit takes the cube of their number."""
LEAST_SPREAD = 1e-3


def fit_refiner(grids: NDArray[np.float16], moves: NDArray[np.float64]) -> Refiner | None:
    """The refiner of close-ups `(n, G)` with what it should say of them `(n, 4)`; None for fewer than `FEWEST`.

    In its dual form, `w = Zᵀ (Z Zᵀ / G + λ)⁻¹ (y − ȳ) / G` for standardised examples `Z`: there are far fewer examples
    than cells of the grid.
    """
    if len(grids) < FEWEST:
        return None
    inputs = torch.from_numpy(grids[:MOST]).float()
    targets = torch.from_numpy(moves[:MOST]).float()
    center, spread = inputs.mean(dim=0), inputs.std(dim=0).clamp_min(LEAST_SPREAD)
    inputs = inputs.sub_(center).div_(spread)
    kernel = inputs @ inputs.T / inputs.shape[1] + PENALTY * torch.eye(len(inputs))
    mean = targets.mean(dim=0)
    dual = torch.linalg.solve(kernel.double(), (targets - mean).double()).float()
    weight = (inputs.T @ dual / inputs.shape[1] / spread[:, None]).T.contiguous()
    return Refiner(weight, mean - weight @ center)
