"""Embeddings pushed along the gradient of the loss, until what made them their label's is gone.

After Regmi, "Image-based Outlier Synthesis With Training Data" (ASCOOD, arXiv 2411.10794): perturb the few features
that the decision rests on most, strongly at first and less and less. There it is done to pixels, along the gradient of
the label's logit, for the picture to pass the network again; here it is done to a window's embedding, which costs no
second pass. The head is linear, so that more of a label's logit could only be more of that label: the push is along
the gradient of the loss. Only the head learns from what was pushed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from streamfilter.training.losses.picked import EmbeddingLogits, Picked
from streamfilter.training.synthetic.embeddings import EmbeddingSource

FEATURES = 0.2
"""Share of the features, those with the largest gradient, that are pushed."""
FARTHEST, NEAREST = 0.8, 0.4
"""Length of the push as a share of the embedding's, at the beginning and at the end of training."""


class Pushed(EmbeddingSource):
    """See the module's docstring. `steps`: how many the training has."""

    def __init__(self, head: EmbeddingLogits, share: float, *, steps: int, seed: int = 0) -> None:
        super().__init__(head, share, seed=seed)
        self._steps = steps

    def make(self, picked: Picked, known: Tensor, taken: Tensor, generator: torch.Generator) -> Tensor | None:
        """See `EmbeddingSource`."""
        if not bool(taken.any()):
            return None
        embeddings = picked.embeddings[taken].detach().requires_grad_(True)
        loss = F.cross_entropy(self.head(embeddings, picked.windows[taken]), picked.targets[taken], reduction="sum")
        (gradient,) = torch.autograd.grad(loss, embeddings)
        done = min(1.0, int(self.step) / max(1, self._steps))
        return push(embeddings.detach(), gradient, FARTHEST + done * (NEAREST - FARTHEST))


def push(embeddings: Tensor, gradient: Tensor, length: float) -> Tensor:
    """Embeddings `(m, E)`, 0 and up, moved by `length` of their own length, along the gradient's largest entries."""
    kept = max(1, int(FEATURES * gradient.shape[1]))
    least = gradient.abs().topk(kept, dim=1).values[:, -1:]
    direction = F.normalize(torch.where(gradient.abs() >= least, gradient, 0.0))
    pushed: Tensor = embeddings + length * embeddings.norm(dim=1, keepdim=True) * direction
    return pushed.clamp_min(0)
