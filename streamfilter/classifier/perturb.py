"""A second look at a picture, perturbed so that what is known gets more certain: what the ODIN score reads.

Liang, Li and Srikant, "Enhancing The Reliability of Out-of-distribution Image Detection in Neural Networks" (ICLR
2018).
"""

from __future__ import annotations

import torch
from torch import Tensor

from streamfilter.classifier.windows import window_means
from streamfilter.model import DenseResNet
from streamfilter.model.device import Autocast
from streamfilter.rejector.scores.odin import STEP, TEMPERATURE


def perturbed_logits(network: DenseResNet, picture: Tensor, windows: Tensor, autocast: Autocast) -> Tensor:
    """Logits `(n, C+1)` of windows `(n, 4)` of a picture `(1, 3, H, W)`, 0 to 255, after one step of all its pixels.

    The step goes up the gradient of the sum, over the windows, of the logarithm of the likeliest label's probability.
    One picture takes one step: windows that share pixels share it.
    """
    with torch.enable_grad(), autocast():
        pixels = picture.detach().clone().requires_grad_()
        chances = torch.log_softmax(_logits(network, pixels, windows) / TEMPERATURE, dim=1)
        (slope,) = torch.autograd.grad(chances[:, :-1].amax(dim=1).sum(), pixels)
    with torch.inference_mode(), autocast():
        return _logits(network, picture + STEP * network.std * slope.sign(), windows)


def _logits(network: DenseResNet, picture: Tensor, windows: Tensor) -> Tensor:
    return network.window_logits(window_means(network(picture).logits, windows), windows)[0].float()
