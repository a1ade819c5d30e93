"""A label's embedding is to be long, and that of all else short.

Dhamija, Günther and Boult, "Reducing Network Agnostophobia" (NeurIPS 2018), equation 3.
"""

from __future__ import annotations

import torch
from torch import Tensor


def objectosphere(embeddings: Tensor, is_known: Tensor, radius: float) -> Tensor:
    """Losses `(m,)` of embeddings `(m, E)`: max(radius − ‖F‖, 0)² for a label's, ‖F‖² for all else."""
    squared = embeddings.square().sum(dim=1)
    length = squared.clamp_min(1e-12).sqrt()  # the root of zero has no finite gradient
    return torch.where(is_known, (radius - length).clamp_min(0).square(), squared)
