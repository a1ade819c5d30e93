"""A torchvision ResNet read densely: one pass over a whole picture gives an embedding and logits for every cell.

    picture ─► ResNet stem … layer3 ─────────────┬─► neck (1×1, 3×3) ─► embedding ─► head (1×1) ─► logits per cell
               (stride 16, 1024 channels)        │
               layer4 (stride 32, 2048 channels) ┘ upsampled ×2

Layer 4 knows what things are, layer 3 still knows where and how they look; a logo that covers one cell of layer 4
covers four of layer 3. The head is linear and so is the mean over a window, hence the logits of a window are the mean
of its cells' logits: any number of windows at any number of scales costs next to nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from streamfilter.errors import ModelError
from streamfilter.model.context import ContextBlock
from streamfilter.model.vision import torchvision

Architecture = Literal["resnet50", "resnet18"]
STRIDE = 16
"""Pixels per cell."""

WINDOW_MIDDLE = 3.0
"""Binary logarithm of the side, in cells, of a middling window: 8 cells."""

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


_DRAWING: Collection[Callable[..., Any]] = (
    Tensor.normal_,
    Tensor.uniform_,
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.kaiming_normal_,
    nn.init.kaiming_uniform_,
)
"""What weights are drawn with. Each takes them first, or as `tensor`, and gives them back."""
_WIDTHS = {"resnet50": (1024, 2048), "resnet18": (256, 512)}
"""Channels of layers 3 and 4."""
STAGES = range(1, 5)
"""The stages of a ResNet: `layer1` to `layer4`."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """What has to be known to build a network: its backbone, the widths of its neck and the number of its labels.

    `none_classes`: how many outputs of the head stand for none of the above. `se_stages`: stages of the ResNet that a
    `ContextBlock` follows.
    """

    architecture: Architecture
    labels: int
    reduced: int = 256
    embedding: int = 512
    none_classes: int = 1
    se_stages: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "se_stages", tuple(self.se_stages))  # JSON gives a list


class DenseOutput(NamedTuple):
    """What one pass gives, on a grid of `STRIDE` pixels: `h` × `w` cells.

    `embedding`: `(N, E, h, w)`, 0 and up. `logits`: `(N, C+K, h, w)`, the labels in order, then the none classes.
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
        middle, top = _WIDTHS[shape.architecture]
        self.reduce = nn.Sequential(
            nn.Conv2d(middle + top, shape.reduced, 1, bias=False), nn.BatchNorm2d(shape.reduced), nn.ReLU(inplace=True)
        )
        self.embed = nn.Sequential(
            nn.Conv2d(shape.reduced, shape.embedding, 3, padding=1, bias=False),
            nn.BatchNorm2d(shape.embedding),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Conv2d(shape.embedding, shape.labels + shape.none_classes, 1)
        self.window_gain = nn.Parameter(torch.zeros(3))
        self.window_bias = nn.Parameter(torch.zeros(3))
        self.register_buffer("mean", _scaled(MEAN), persistent=False)
        self.register_buffer("std", _scaled(STD), persistent=False)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(_bias(self.head))
        widths = [top // 8, top // 4, top // 2, top]
        self.context = nn.ModuleDict({f"stage{stage}": ContextBlock(widths[stage - 1]) for stage in shape.se_stages})

    mean: Tensor
    std: Tensor

    @property
    def middle(self) -> int:
        """Channels of layer 3."""
        return _WIDTHS[self.shape.architecture][0]

    def lower(self, pictures: Tensor) -> Tensor:
        """Everything up to layer 3: `(N, 1024, H/16, W/16)` (256 channels for a ResNet18)."""
        out = self.stem((pictures - self.mean) / self.std)
        out = self._in_context(self.layer2(self._in_context(self.layer1(out), 1)), 2)
        return self.layer3(out)  # type: ignore[no-any-return]

    def upper(self, middle: Tensor) -> DenseOutput:
        """Layer 4, neck and head over what `lower` gave."""
        return self.top(middle, self.highest(middle))

    def highest(self, middle: Tensor) -> Tensor:
        """Layer 4 over what `lower` gave: `(N, 2048, H/32, W/32)` (512 channels for a ResNet18)."""
        return self._in_context(self.layer4(self._in_context(middle, 3)), 4)

    def top(self, middle: Tensor, top: Tensor) -> DenseOutput:
        """Neck and head over what `lower` and `highest` gave.

        A 1×1 convolution and an interpolation can change places, so layer 4 is reduced before it is enlarged: the same
        numbers, to rounding, for a third of the work.
        """
        middle = self._in_context(middle, 3)
        convolution, rest = self.reduce[0], self.reduce[1:]
        assert isinstance(convolution, nn.Conv2d)
        own, above = convolution.weight[:, : self.middle], convolution.weight[:, self.middle :]
        raised = F.interpolate(F.conv2d(top, above), size=middle.shape[-2:], mode="bilinear", align_corners=False)
        embedding = self.embed(rest(F.conv2d(middle, own) + raised))
        return DenseOutput(embedding, self.head(embedding))

    def window_logits(self, means: Tensor, windows: Tensor) -> Tensor:
        """Logits of windows, `(N, n, C+1)`, from the means of their cells' logits and the windows `(n, 4)` in cells.

        Several none classes are one to whoever asks: their probabilities add up.
        """
        return collapse(self.class_logits(means, windows), self.shape.labels)

    def class_logits(self, means: Tensor, windows: Tensor) -> Tensor:
        """As `window_logits`, with the none classes apart: `(N, n, C+K)`.

        A mean over two cells is noisier than one over a hundred, so what it is worth depends on the window's size, and
        so does the chance that a window shows nothing. Both are learned as parabolas over the logarithm of the size.
        """
        scaled = means * (_size_powers(windows) @ self.window_gain).exp().view(1, -1, 1)
        none = scaled[..., self.shape.labels :] + self.none_bias(windows).view(1, -1, 1)
        return torch.cat([scaled[..., : self.shape.labels], none], dim=2)

    def none_bias(self, windows: Tensor) -> Tensor:
        """What is added to the none logits of windows `(n, 4)` for their size: `(n,)`."""
        return _size_powers(windows) @ self.window_bias

    def embedding_logits(self, embeddings: Tensor, windows: Tensor) -> Tensor:
        """Logits `(n, C+K)` of mean embeddings `(n, E)`, as if they were of the windows `(n, 4)`."""
        means = F.linear(embeddings, self.head.weight.flatten(1), self.head.bias)
        return self.class_logits(means[None], windows)[0]

    def forward(self, pictures: Tensor) -> DenseOutput:
        """One dense pass."""
        return self.upper(self.lower(pictures))

    def _in_context(self, features: Tensor, stage: int) -> Tensor:
        name = f"stage{stage}"
        return self.context[name](features) if name in self.context else features


def collapse(logits: Tensor, labels: int) -> Tensor:
    """Logits `(..., C+1)` of the same probabilities as `(..., C+K)`, the none classes behind the `labels` as one."""
    if logits.shape[-1] == labels + 1:
        return logits
    return torch.cat([logits[..., :labels], logits[..., labels:].logsumexp(-1, keepdim=True)], dim=-1)


def network_digest(network: DenseResNet) -> str:
    """SHA-256 of all that the network computes with: files whose thresholds or enrolled labels differ share it."""
    digest = hashlib.sha256(repr(network.shape).encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.cpu().numpy()).data)
    return digest.hexdigest()


def build_network(shape: NetworkShape, backbone_weights: Mapping[str, Tensor] | None = None) -> DenseResNet:
    """A network with a fresh neck and head, its backbone from a torchvision state dict or from random weights.

    Raises `ModelError` when the state dict is not one of `shape.architecture`.
    """
    network = DenseResNet(shape)
    if backbone_weights is not None:
        _load_backbone(network, backbone_weights)
    return network


class Undrawn(TorchFunctionMode):
    """Networks that are built in this context have whatever is in memory for weights: others are about to be loaded.

    To draw them takes a while, and to draw them on no device, 150 MiB of PyTorch's compiler.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """What `func` gives, and for what draws, the weights as they are."""
        named = kwargs or {}
        if func in _DRAWING:
            return args[0] if args else named["tensor"]
        return func(*args, **named)


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


def _size_powers(windows: Tensor) -> Tensor:
    size = (windows[:, 2] * windows[:, 3]).float().log2() / 2 - WINDOW_MIDDLE
    return torch.stack([torch.ones_like(size), size, size**2], dim=1)


def _scaled(colour: Sequence[float]) -> Tensor:
    """Of 0 to 255 instead of 0 to 1, `(1, 3, 1, 1)`."""
    return torch.from_numpy(np.array(colour, np.float32) * np.float32(255)).view(1, 3, 1, 1)


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
