"""The fast gradient sign method: the smallest change of pixels that the network minds most.

Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples" (ICLR 2015).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from streamfilter.classifier.windows import window_grid, window_means
from streamfilter.model import DenseResNet
from streamfilter.types import Pixels


def fgsm(network: DenseResNet, picture: Pixels, label: int, *, levels: float) -> Pixels:
    """The picture `(H, W, 3)` after one step of `levels` per value against `label` in its likeliest window.

    The step goes up the gradient of the cross-entropy of the label, at the window that shows it best. Sides divide by
    32, as everything that a network takes.
    """
    device = next(network.parameters()).device
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).to(device).permute(2, 0, 1)[None].float().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(_loss(network, pixels, label), pixels)
    moved = (pixels.detach() + levels * slope.sign()).round().clamp(0, 255)
    return np.asarray(moved[0].permute(1, 2, 0).byte().cpu().numpy())


def _loss(network: DenseResNet, pixels: Tensor, label: int) -> Tensor:
    logits = network(pixels).logits
    windows = torch.from_numpy(window_grid(*logits.shape[2:])).to(pixels.device)
    chances = torch.log_softmax(network.window_logits(window_means(logits, windows), windows)[0], dim=1)
    return -chances[:, label].amax()
