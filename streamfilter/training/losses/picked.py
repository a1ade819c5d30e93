"""The windows that a step learns from, read out of the network, and what every loss on them is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streamfilter.classifier.windows import integral
from streamfilter.model.network import collapse

EmbeddingLogits = Callable[[Tensor, Tensor], Tensor]
"""Mean embeddings `(m, E)` and windows `(m, 4)` to logits `(m, C+K)`: see `DenseResNet.embedding_logits`."""


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """Windows to learn from, `m` of them.

    `logits`: `(m, C+K)`, the `labels` (C) in order and then the none classes. `embeddings`: `(m, E)`, their means, or
    `(m, 0)` where nothing asks for them. `windows`: `(m, 4)` int64 in cells. `targets`: `(m,)` int64, a label or C for
    none of the above. `weights`: `(m,)`.
    """

    logits: Tensor
    embeddings: Tensor
    windows: Tensor
    targets: Tensor
    weights: Tensor
    labels: int

    @property
    def is_known(self) -> Tensor:
        """`(m,)` bool: the window shows a label."""
        return self.targets < self.labels

    @property
    def collapsed(self) -> Tensor:
        """Logits `(m, C+1)`, the none classes as one."""
        return collapse(self.logits, self.labels)

    def mean(self, losses: Tensor) -> Tensor:
        """The weighted mean of losses `(m,)`; 0 of no windows."""
        return (losses * self.weights).sum() / self.weights.sum().clamp_min(1e-6)

    def with_negatives(self, embeddings: Tensor, windows: Tensor, weights: Tensor, *, head: EmbeddingLogits) -> Picked:
        """These windows, and made ones that show none of the labels."""
        none = torch.full((len(embeddings),), self.labels, dtype=torch.long, device=embeddings.device)
        return Picked(
            torch.cat([self.logits, head(embeddings, windows)]),
            torch.cat([self.embeddings, embeddings]),
            torch.cat([self.windows, windows]),
            torch.cat([self.targets, none]),
            torch.cat([self.weights, weights]),
            self.labels,
        )


class WindowLoss(nn.Module):
    """A module whose `forward` gives the losses `(m,)` of `Picked` windows, before weighting.

    What it remembers from step to step are buffers, so that training can be resumed. `needs_embeddings`: whether it
    looks at `Picked.embeddings`.
    """

    needs_embeddings = False

    def after_step(self, picked: Picked) -> None:
        """What there is to do once the weights have changed: nothing, for most."""


def window_embeddings(cells: Tensor, scenes: Sequence[int], windows: Tensor) -> Tensor:
    """Mean embeddings `(m, E)` of windows `(m, 4)`, each of one of the scenes of `(N, E, h, w)`."""
    table = integral(cells)
    scene = torch.as_tensor(scenes, dtype=torch.long, device=cells.device)
    top, left = windows[:, 0], windows[:, 1]
    bottom, right = top + windows[:, 2], left + windows[:, 3]
    sums = table[scene, :, bottom, right] - table[scene, :, top, right]
    sums = sums - table[scene, :, bottom, left] + table[scene, :, top, left]
    return sums / (windows[:, 2] * windows[:, 3])[:, None]
