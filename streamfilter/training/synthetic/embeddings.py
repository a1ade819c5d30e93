"""What makes negatives out of the embeddings of a step's windows."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from streamfilter.training.losses.picked import EmbeddingLogits, Picked


class EmbeddingSource(nn.Module, ABC):
    """Makes negatives from a `share` of the labels' windows. What it remembers is in its state."""

    step: Tensor

    def __init__(self, head: EmbeddingLogits, share: float, *, seed: int) -> None:
        super().__init__()
        self.head, self._share, self._seed = head, share, seed
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def forward(self, picked: Picked, whole: Picked) -> Picked:
        """`whole` and negatives made from the labels' windows of `picked`, each of the weight of the window it took."""
        generator = torch.Generator().manual_seed((self._seed << 32) + int(self.step))
        self.step += 1
        known = picked.is_known
        taken = known & (torch.rand(len(known), generator=generator).to(known.device) < self._share)
        made = self.make(picked, known, taken, generator)
        if made is None:
            return whole
        return whole.with_negatives(made.detach(), picked.windows[taken], picked.weights[taken], head=self.head)

    @abstractmethod
    def make(self, picked: Picked, known: Tensor, taken: Tensor, generator: torch.Generator) -> Tensor | None:
        """Embeddings, one for each window that is `taken`; None where there are none. `known` and `taken`: `(m,)`."""
