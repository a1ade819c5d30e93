"""A block that weighs low-level context: what stands around a place at two scales, and what the whole picture is like.

    input ─┬─► 1×1 ─┬─► 3×3 ─► max pool ─┐
           │        └─► 5×5 ─► max pool ─┼─► squeeze and excitation ─► 1×1 ─► + ─► output
           └─────────────────────────────┴──────────────────────────────────┘

Squeeze and excitation: Hu et al., "Squeeze-and-Excitation Networks" (CVPR 2018). The parallel convolutions with
pooling, stacked on the input before it: "Out-of-distribution classification with adaptive learning of low-level
contextual features" (OpenReview eubJ4rgnN3). Two things are our own, so that it fits behind a pretrained stage: the
narrow 1×1 in front, for speed, and the last one, which begins at zero: a fresh block passes its input on unchanged.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NARROWER = 16
"""How many times fewer channels the branches have than the input, and the squeezed vector than the stack."""


class ContextBlock(nn.Module):
    """See the module's docstring. Takes and gives `(N, channels, h, w)`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = max(4, channels // NARROWER)
        stacked = channels + 2 * width
        self.narrow = nn.Sequential(nn.Conv2d(channels, width, 1), nn.ReLU(inplace=True))
        self.near = _branch(width, 3)
        self.far = _branch(width, 5)
        self.excite = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(stacked, stacked // NARROWER, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(stacked // NARROWER, stacked, 1),
            nn.Sigmoid(),
        )
        self.join = nn.Conv2d(stacked, channels, 1, bias=False)
        nn.init.zeros_(self.join.weight)

    def forward(self, features: Tensor) -> Tensor:
        """The input, and what the block has learned to add to it."""
        narrow = self.narrow(features)
        stack = torch.cat([features, self.near(narrow), self.far(narrow)], dim=1)
        return features + self.join(stack * self.excite(stack))  # type: ignore[no-any-return]


def _branch(width: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 1, padding=1)
    )
