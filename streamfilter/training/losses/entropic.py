"""Windows of no label are taught to be equally like every label: there is no class for them.

Dhamija, Günther and Boult, "Reducing Network Agnostophobia" (NeurIPS 2018).

Everything behind the network expects a logit for none of the above. A constant will not do: the loss leaves open what
constant the labels' logits share. What it asks of a negative is that KL(uniform ‖ softmax over the C labels) = −log C −
mean log softmax vanishes, and exp(−KL), 0 to 1, says how far that is so. Taken as the odds of none against all labels
together, that is a logit of log C + the mean of the labels' logits, whatever they share. It is linear in them, hence an
ordinary row of the head, the mean of the other rows; and mining by `logsumexp(labels) − none`, which is KL, takes the
negatives of the largest loss. Where on this scale none begins depends on the window's size: `window_bias` starts at
log C and learns that alone, from the same windows, with all else held fast.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from streamfilter.model import DenseResNet
from streamfilter.training.losses.picked import Picked, WindowLoss


class Entropic(WindowLoss):
    """See the module's docstring. Changes the head of `network` at once, and keeps it so after every step."""

    def __init__(self, network: DenseResNet) -> None:
        super().__init__()
        self._networks = (network,)  # in a tuple it is no part of this module, and of its state
        with torch.no_grad():
            network.window_bias[0] = math.log(network.shape.labels)
        self._tie()

    def forward(self, picked: Picked) -> Tensor:
        """See `WindowLoss`."""
        known = picked.logits[:, : picked.labels]
        losses = entropic(known, picked.targets)
        none = known.mean(dim=1).detach() + self._networks[0].none_bias(picked.windows)
        told_apart = torch.stack([known.logsumexp(dim=1).detach(), none], dim=1)
        return losses + F.cross_entropy(told_apart, (~picked.is_known).long(), reduction="none")

    def after_step(self, picked: Picked) -> None:
        """See `WindowLoss`."""
        self._tie()

    def _tie(self) -> None:
        head, labels = self._networks[0].head, self._networks[0].shape.labels
        assert head.bias is not None
        with torch.no_grad():
            head.weight[labels] = head.weight[:labels].mean(dim=0)
            head.bias[labels] = head.bias[:labels].mean()


def entropic(logits: Tensor, targets: Tensor) -> Tensor:
    """Losses `(m,)` of logits `(m, C)`: −log softmax of the target, and its mean over all labels for a target of C."""
    chances = logits.log_softmax(dim=1)
    known = targets < logits.shape[1]
    own = chances.gather(1, torch.where(known, targets, 0)[:, None])[:, 0]
    return -torch.where(known, own, chances.mean(dim=1))
