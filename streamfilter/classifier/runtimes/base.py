"""The seam: all that the classifier asks of a network, and the two passes as modules that other runtimes convert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamfilter.model import DenseResNet
from streamfilter.model.closer import Cut
from streamfilter.model.network import DenseOutput
from streamfilter.types import Pixels

PASSES = ("dense", "close")
"""The names of the two passes, and of the files that hold them."""
FROZEN = "frozen"
"""The name of a third one, which only training asks for."""


class Runtime(Protocol):
    """Runs the two passes of one network.

    On a CPU what it says of a picture does not depend, bit for bit, on what else it was given.
    """

    @property
    def name(self) -> str:
        """What runs, in which version, on what, in which arithmetic: results are the same to the bit only with it."""

    def dense(self, pictures: Sequence[Pixels]) -> list[DenseOutput]:
        """The dense pass of each picture `(H, W, 3)` uint8 RGB with sides that divide by 32; `N` is 1 in each.

        Pictures of several sizes may stand together on a CPU only.
        """

    def close(self, cuts: Sequence[Sequence[Pixels]]) -> list[NDArray[np.float32]]:
        """The closer look's features, `(n, F)`, of each picture's cuts `(side, side, 3)` uint8 RGB, one or more.

        See `close_maps`.
        """


def close_maps(network: DenseResNet, pictures: Tensor, cut: Cut) -> Tensor:
    """Of layer 3 of cuts `(N, 3, side, side)`, RGB 0 to 255: mean, maximum, and the means of its quarters, `(N, F)`.

    The outermost cells of a stretched box are its margin, and see the padding of every layer: they do not count. The
    quarters are upper left, upper right, lower left, lower right; a middle row or column belongs to both sides.
    """
    maps = network.lower(pictures).float()
    inner = maps if cut == "square" else maps[:, :, 1:-1, 1:-1]
    height, width = inner.shape[2:]
    upper, lower = inner[:, :, : (height + 1) // 2], inner[:, :, height // 2 :]
    quarters = (part for half in (upper, lower) for part in (half[..., : (width + 1) // 2], half[..., width // 2 :]))
    return torch.cat([inner.mean(dim=(2, 3)), inner.amax(dim=(2, 3)), *(q.mean(dim=(2, 3)) for q in quarters)], dim=1)


class DensePass(nn.Module):
    """`(N, H, W, 3)` uint8 in; embedding `(N, E, h, w)` and logits `(N, C+K, h, w)` out."""

    def __init__(self, network: DenseResNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """See `Runtime.dense`."""
        output: DenseOutput = self.network(pictures.permute(0, 3, 1, 2).float())
        return output.embedding, output.logits


class ClosePass(nn.Module):
    """`(N, side, side, 3)` uint8 in; features `(N, F)` out."""

    def __init__(self, network: DenseResNet, cut: Cut) -> None:
        super().__init__()
        self.network, self.cut = network, cut

    def forward(self, cuts: Tensor) -> Tensor:
        """See `Runtime.close`."""
        return close_maps(self.network, cuts.permute(0, 3, 1, 2).float(), self.cut)


class FrozenPass(nn.Module):
    """`(N, H, W, 3)` uint8 in; layers 3 and 4 out, `(N, C, H/16, W/16)` and `(N, 2C, H/32, W/32)`."""

    def __init__(self, network: DenseResNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """What training keeps of scenes while the backbone stays as it is."""
        middle = self.network.lower(pictures.permute(0, 3, 1, 2).float())
        return middle, self.network.highest(middle)


def make_pass(name: str, network: DenseResNet, cut: Cut) -> nn.Module:
    """The pass of this name (`PASSES` or `FROZEN`) as a module."""
    if name == FROZEN:
        return FrozenPass(network)
    return DensePass(network) if name == "dense" else ClosePass(network, cut)
