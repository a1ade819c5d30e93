"""A torchvision ResNet read densely: one pass over a whole picture gives an embedding and logits for every cell.

    picture ─► ResNet stem … layer3 ─────────────┬─► neck (1×1, 3×3) ─► embedding ─► head (1×1) ─► logits per cell
               (stride 16, 1024 channels)        │
               layer4 (stride 32, 2048 channels) ┘ upsampled ×2

Layer 4 knows what things are, layer 3 still knows where and how they look; a logo that covers one cell of layer 4
covers four of layer 3. The head is linear and so is the mean over a window, hence the logits of a window are the mean
of its cells' logits: any number of windows at any number of scales costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from streamfilter.errors import ModelError

Architecture = Literal["resnet50", "resnet18"]
STRIDE = 16
"""Pixels per cell."""

WINDOW_MIDDLE = 3.0
"""Binary logarithm of the side, in cells, of a middling window: 8 cells."""

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """What has to be known to build a network: its backbone, the widths of its neck and the number of its labels."""

    architecture: Architecture
    labels: int
    reduced: int = 256
    embedding: int = 512


class DenseOutput(NamedTuple):
    """What one pass gives, on a grid of `STRIDE` pixels: `h` × `w` cells.

    `embedding`: `(N, E, h, w)`, 0 and up. `logits`: `(N, C+1, h, w)`, the labels in order, then none of the above.
    """

    embedding: Tensor
    logits: Tensor


class DenseResNet(nn.Module):
    """See the module's docstring. Takes `(N, 3, H, W)` pictures, RGB 0 to 255, with sides that divide by 32."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        backbone = getattr(torchvision.models, shape.architecture)(weights=None)
        self.stem = nn.Sequential(backbone.conv1, backbone.bn1, backbone.relu, backbone.maxpool)
        self.layer1, self.layer2 = backbone.layer1, backbone.layer2
        self.layer3, self.layer4 = backbone.layer3, backbone.layer4
        middle, top = (1024, 2048) if shape.architecture == "resnet50" else (256, 512)
        self.reduce = nn.Sequential(
            nn.Conv2d(middle + top, shape.reduced, 1, bias=False), nn.BatchNorm2d(shape.reduced), nn.ReLU(inplace=True)
        )
        self.embed = nn.Sequential(
            nn.Conv2d(shape.reduced, shape.embedding, 3, padding=1, bias=False),
            nn.BatchNorm2d(shape.embedding),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Conv2d(shape.embedding, shape.labels + 1, 1)
        self.window_gain = nn.Parameter(torch.zeros(3))
        self.window_bias = nn.Parameter(torch.zeros(3))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1) * 255, persistent=False)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(_bias(self.head))

    mean: Tensor
    std: Tensor

    def lower(self, pictures: Tensor) -> Tensor:
        """Everything up to layer 3: `(N, 1024, H/16, W/16)` (256 channels for a ResNet18)."""
        out = self.stem((pictures - self.mean) / self.std)
        return self.layer3(self.layer2(self.layer1(out)))  # type: ignore[no-any-return]

    def upper(self, middle: Tensor) -> DenseOutput:
        """Layer 4, neck and head over what `lower` gave."""
        return self.top(middle, self.layer4(middle))

    def top(self, middle: Tensor, top: Tensor) -> DenseOutput:
        """Neck and head over the outputs of layer 3 and layer 4."""
        top = F.interpolate(top, size=middle.shape[-2:], mode="bilinear", align_corners=False)
        embedding = self.embed(self.reduce(torch.cat([middle, top], dim=1)))
        return DenseOutput(embedding, self.head(embedding))

    def window_logits(self, means: Tensor, windows: Tensor) -> Tensor:
        """Logits of windows, `(N, n, C+1)`, from the means of their cells' logits and the windows `(n, 4)` in cells.

        A mean over two cells is noisier than one over a hundred, so what it is worth depends on the window's size, and
        so does the chance that a window shows nothing. Both are learned as parabolas over the logarithm of the size.
        """
        size = (windows[:, 2] * windows[:, 3]).float().log2() / 2 - WINDOW_MIDDLE
        powers = torch.stack([torch.ones_like(size), size, size**2], dim=1)
        scaled = means * (powers @ self.window_gain).exp().view(1, -1, 1)
        none = scaled[..., -1:] + (powers @ self.window_bias).view(1, -1, 1)
        return torch.cat([scaled[..., :-1], none], dim=2)

    def forward(self, pictures: Tensor) -> DenseOutput:
        """One dense pass."""
        return self.upper(self.lower(pictures))


def build_network(shape: NetworkShape, backbone_weights: Mapping[str, Tensor] | None = None) -> DenseResNet:
    """A network with a fresh neck and head, its backbone from a torchvision state dict or from random weights.

    Raises `ModelError` when the state dict is not one of `shape.architecture`.
    """
    network = DenseResNet(shape)
    if backbone_weights is not None:
        _load_backbone(network, backbone_weights)
    return network


def _load_backbone(network: DenseResNet, weights: Mapping[str, Tensor]) -> None:
    renamed = {
        name.replace("conv1.", "stem.0.", 1).replace("bn1.", "stem.1.", 1)
        if name.startswith(("conv1.", "bn1."))
        else name: tensor
        for name, tensor in weights.items()
        if not name.startswith("fc.")
    }
    own = {name: t for name, t in network.state_dict().items() if name.startswith(("stem.", "layer"))}
    wrong = [n for n, t in own.items() if n not in renamed or renamed[n].shape != t.shape]
    if wrong or len(renamed) != len(own):
        what = wrong[0] if wrong else sorted(set(renamed) - set(own))[0]
        raise ModelError(
            f"the backbone weights are not a torchvision {network.shape.architecture}: {what} does not fit; "
            "give --backbone-weights a state dict of that architecture"
        )
    network.load_state_dict({n: t.to(own[n].dtype) for n, t in renamed.items()}, strict=False)


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
