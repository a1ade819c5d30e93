"""Ridge regression of a few numbers on many thousand inputs."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PENALTY = 1.0
"""Weight of the squared norm, where the mean squared length of a standardised example is one. From 1,500 to 41,000
examples something near it was best each time."""
LEAST_SPREAD = 1e-3
TOGETHER = 1024
"""Examples that are added to the sums at once: for a few, reading and writing these would take longer than adding."""


class Ridge:
    """Ridge regression by sums alone: examples come in parts, all of them count, and none is kept.

    `w = (Zᵀ Z + λ G)⁻¹ Zᵀ (y − ȳ)` for standardised examples `Z` of `G` inputs. A part is inputs `(n, G)` and targets
    `(n, k)`.
    """

    def __init__(self, inputs: int, targets: int) -> None:
        self.count = 0
        self._waiting: list[tuple[NDArray[np.float16], NDArray[np.float64]]] = []
        self._inputs, self._targets = torch.zeros(inputs), torch.zeros(targets)
        self._squares, self._products = torch.zeros(inputs, inputs), torch.zeros(inputs, targets)

    def add(self, inputs: NDArray[np.float16], targets: NDArray[np.float64]) -> None:
        """Learn from some more examples."""
        self.count += len(inputs)
        self._waiting.append((inputs, targets))
        if sum(len(part) for part, _ in self._waiting) >= TOGETHER:
            self._take()

    def join(self, other: Ridge) -> None:
        """Learn from all that another one has learned from; it may have more targets, behind the same ones."""
        other._take()
        first = slice(len(self._targets))
        self.count += other.count
        self._inputs += other._inputs
        self._squares += other._squares
        self._targets += other._targets[first]
        self._products += other._products[:, first]

    def solve(self) -> tuple[Tensor, Tensor]:
        """Weight `(k, G)` and bias `(k,)` for inputs as they are. From two examples on."""
        self._take()
        center, mean = self._inputs / self.count, self._targets / self.count
        variance = (self._squares.diagonal() - center * self._inputs) / (self.count - 1)
        spread = variance.clamp_min(LEAST_SPREAD**2).sqrt()
        gram = torch.addr(self._squares, center, self._inputs, alpha=-1).div_(spread).div_(spread[:, None])
        gram.diagonal().add_(PENALTY * len(spread))
        wanted = (self._products - center[:, None] * self._targets) / spread[:, None]
        weight = (torch.cholesky_solve(wanted, torch.linalg.cholesky(gram)) / spread[:, None]).T.contiguous()
        return weight, mean - weight @ center

    def _take(self) -> None:
        """Add what waits to the sums."""
        if not self._waiting:
            return
        x, y = (torch.from_numpy(np.concatenate(parts)).float() for parts in zip(*self._waiting, strict=True))
        self._waiting.clear()
        self._inputs += x.sum(dim=0)
        self._targets += y.sum(dim=0)
        self._squares.addmm_(x.T, x)
        self._products.addmm_(x.T, y)
