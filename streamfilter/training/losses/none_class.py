"""One class for none of the above, and the weight that its windows have."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from streamfilter.training.losses.picked import Picked, WindowLoss

SMOOTHING = 0.02
"""Label smoothing (Szegedy et al. 2016): no window is worth an endless logit."""


class NoneClass(WindowLoss):
    """Cross-entropy, none of the above being one more class."""

    def __init__(self, *, smoothing: float = SMOOTHING) -> None:
        super().__init__()
        self._smoothing = smoothing

    def forward(self, picked: Picked) -> Tensor:
        """See `WindowLoss`."""
        return F.cross_entropy(picked.collapsed, picked.targets, reduction="none", label_smoothing=self._smoothing)


class Weighted(WindowLoss):
    """Another loss, with the term of the windows of no label divided by the number of labels.

    The first of the two losses in "Out-of-distribution classification with adaptive learning of low-level contextual
    features" (OpenReview eubJ4rgnN3); `objectosphere` is the second.
    """

    def __init__(self, loss: WindowLoss) -> None:
        super().__init__()
        self.loss = loss
        self.needs_embeddings = loss.needs_embeddings

    def forward(self, picked: Picked) -> Tensor:
        """See `WindowLoss`."""
        losses: Tensor = self.loss(picked)
        return torch.where(picked.is_known, losses, losses / picked.labels)

    def after_step(self, picked: Picked) -> None:
        """See `WindowLoss`."""
        self.loss.after_step(picked)
