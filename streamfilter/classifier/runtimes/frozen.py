"""The part of a network that training does not change, as fast as this machine runs it: layers 3 and 4 of scenes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from streamfilter.classifier.runtimes.choosing import is_installed
from streamfilter.classifier.runtimes.conversion import convert
from streamfilter.classifier.runtimes.with_openvino import OpenVinoRuntime
from streamfilter.model import DenseResNet
from streamfilter.model.device import Compute, cores

FastPass = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Pictures `(N, 3, H, W)`, 0 to 255, to layer 3 `(N, C, H/16, W/16)` and layer 4 `(N, 2C, H/32, W/32)`, on the CPU."""


class FrozenPass(nn.Module):
    """`(N, H, W, 3)` uint8 in; layer 3 and layer 4 out."""

    def __init__(self, network: DenseResNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """See `FastPass`."""
        middle = self.network.lower(pictures.permute(0, 3, 1, 2).float())
        return middle, self.network.highest(middle)


def fast_pass(network: DenseResNet, compute: Compute) -> FastPass:
    """OpenVINO in float32 on a CPU without matrix units, where it is installed; PyTorch elsewhere.

    The weights are those of now; the network is put in evaluation mode. Both give the same to rounding.
    """
    plain = compute.device.type == "cpu" and compute.dtype == torch.float32
    return _with_openvino(network) if plain and is_installed("openvino") else _with_torch(network, compute)


def _with_torch(network: DenseResNet, compute: Compute) -> FastPass:
    def run(pictures: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(), compute.autocast():
            middle = network.lower(pictures.to(compute.device))
            return middle.cpu(), network.highest(middle).cpu()

    return run


def _with_openvino(network: DenseResNet) -> FastPass:
    def read(name: str) -> bytes:
        return convert(FrozenPass(network), ("middle", "top"))

    runtime = OpenVinoRuntime(read, dtype=torch.float32, threads=cores())

    def run(pictures: Tensor) -> tuple[Tensor, Tensor]:
        scenes = pictures.permute(0, 2, 3, 1).round().to(torch.uint8).numpy()
        found = runtime.infer("frozen", [scene[None] for scene in scenes])
        middle, top = (torch.from_numpy(np.concatenate(maps)) for maps in zip(*found, strict=True))
        return middle, top

    return run
