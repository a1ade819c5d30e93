"""Ridge regression of a few numbers on many thousand inputs."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PENALTY = 0.3
"""Weight of the squared norm, where the mean squared length of a standardised example is one."""
LEAST_SPREAD = 1e-3


def fit_ridge(inputs: NDArray[np.float16], targets: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Ridge regression of inputs `(n, G)`, standardised, on targets `(n, k)`: weight `(k, G)` and bias `(k,)` for them.

    In its dual form, `w = Zᵀ (Z Zᵀ / G + λ)⁻¹ (y − ȳ) / G` for standardised examples `Z`: there are fewer examples than
    cells of a grid.
    """
    examples = torch.from_numpy(inputs).float()
    wanted = torch.from_numpy(targets).float()
    center, spread = examples.mean(dim=0), examples.std(dim=0).clamp_min(LEAST_SPREAD)
    examples = examples.sub_(center).div_(spread)
    kernel = (examples @ examples.T).div_(examples.shape[1])
    kernel.diagonal().add_(PENALTY)
    mean = wanted.mean(dim=0)
    dual = torch.linalg.solve(kernel.double(), (wanted - mean).double()).float()
    weight = (examples.T @ dual / examples.shape[1] / spread[:, None]).T.contiguous()
    return weight, mean - weight @ center
