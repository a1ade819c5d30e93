"""A generator of embeddings that pass for a label's, but of no label in particular, and a discriminator against it.

Lee et al., "Training Confidence-calibrated Classifiers for Detecting Out-of-Distribution Samples" (ICLR 2018). The
generator learns to deceive the discriminator and, with `UNCERTAINTY`, to be equally like every label to the head: its
samples settle where the labels border on each other. It works on windows' embeddings, which is cheap. Only the head
learns from what it makes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamfilter.training.losses.picked import EmbeddingLogits, Picked
from streamfilter.training.synthetic.embeddings import EmbeddingSource

NOISE, HIDDEN = 64, 256
"""Widths of the generator's input and of the hidden layers."""
UNCERTAINTY = 0.1
"""Weight of KL(uniform ‖ softmax over the labels) in the generator's loss: β of the paper."""
RATE, MOMENTS = 5e-4, (0.5, 0.999)
"""Adam's settings for both, as is usual since Radford et al. 2016."""


class Adversary(EmbeddingSource):
    """See the module's docstring. `width`: channels of the embedding."""

    def __init__(self, head: EmbeddingLogits, share: float, width: int, *, seed: int = 0) -> None:
        super().__init__(head, share, seed=seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.generator = nn.Sequential(
                nn.Linear(NOISE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width)
            )
            self.discriminator = nn.Sequential(nn.Linear(width, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, 1))
        self._making = torch.optim.Adam(self.generator.parameters(), RATE, MOMENTS)
        self._telling = torch.optim.Adam(self.discriminator.parameters(), RATE, MOMENTS)

    def make(self, picked: Picked, known: Tensor, taken: Tensor, generator: torch.Generator) -> Tensor | None:
        """See `EmbeddingSource`."""
        if not bool(known.any()):
            return None
        real = picked.embeddings[known].detach()
        self._learn_to_tell(real, self.sample(len(real), generator).detach())
        self._learn_to_make(picked, known, generator)
        return self.sample(int(taken.sum()), generator)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Embeddings `(count, E)`, 0 and up as those of the network are."""
        noise = torch.randn((count, NOISE), generator=generator).to(self.step.device)
        made: Tensor = self.generator(noise)
        return F.relu(made)

    def _learn_to_tell(self, real: Tensor, made: Tensor) -> None:
        loss = F.softplus(-self.discriminator(real)).mean() + F.softplus(self.discriminator(made)).mean()
        _take_step(self._telling, loss)

    def _learn_to_make(self, picked: Picked, known: Tensor, generator: torch.Generator) -> None:
        windows = picked.windows[known]
        made = self.sample(len(windows), generator)
        certainty = uniform_divergence(self.head(made, windows)[:, : picked.labels]).mean()
        _take_step(self._making, F.softplus(-self.discriminator(made)).mean() + UNCERTAINTY * certainty)

    def get_extra_state(self) -> dict[str, Any]:
        """What the two optimisers remember."""
        return {"making": self._making.state_dict(), "telling": self._telling.state_dict()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._making.load_state_dict(state["making"])
        self._telling.load_state_dict(state["telling"])


def uniform_divergence(logits: Tensor) -> Tensor:
    """KL(uniform ‖ softmax) of logits `(m, C)`: `(m,)`, 0 where all are equal."""
    count = torch.tensor(float(logits.shape[1]), device=logits.device)
    return -count.log() - logits.log_softmax(dim=1).mean(dim=1)


def _take_step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step that leaves no gradient anywhere else."""
    parameters = optimiser.param_groups[0]["params"]
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimiser.step()
