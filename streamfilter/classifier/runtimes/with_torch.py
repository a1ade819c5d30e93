"""The network as PyTorch runs it: the only runtime that needs no conversion, has gradients, and runs on CUDA."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfilter.allocation import keep_freed
from streamfilter.classifier.runtimes.base import close_maps
from streamfilter.model import DenseResNet
from streamfilter.model.closer import Cut
from streamfilter.model.device import Compute
from streamfilter.model.network import DenseOutput
from streamfilter.types import Pixels

CHUNK = 16
"""Cuts in one pass of the network: memory stays bounded."""


class TorchRuntime:
    """See `base.Runtime`. On a CPU pictures pass one by one: no faster in a batch, and bit for bit the same."""

    def __init__(self, network: DenseResNet, compute: Compute, cut: Cut = "box") -> None:
        keep_freed()
        self._network, self._compute, self._cut = network, compute, cut

    @property
    def name(self) -> str:
        """Such as `torch 2.9.0 on cpu float32`."""
        return f"torch {torch.__version__} on {self._compute.name}"

    def dense(self, pictures: Sequence[Pixels]) -> list[DenseOutput]:
        """See `base.Runtime`."""
        if self._compute.device.type == "cpu":
            return [self._pass([picture]) for picture in pictures]
        if not pictures:
            return []
        whole = self._pass(pictures)
        return [DenseOutput(*(part[i : i + 1] for part in whole)) for i in range(len(pictures))]

    def close(self, cuts: Sequence[Sequence[Pixels]]) -> list[NDArray[np.float32]]:
        """See `base.Runtime`."""
        return [close_features(self._network, one, self._compute, self._cut) for one in cuts]

    def _pass(self, pictures: Sequence[Pixels]) -> DenseOutput:
        with torch.inference_mode(), self._compute.autocast():
            output: DenseOutput = self._network(as_batch(pictures, self._compute))
        return output


def as_batch(pictures: Sequence[Pixels], compute: Compute) -> Tensor:
    """Pictures of one size as the network takes them, `(N, 3, H, W)` float32."""
    stacked = torch.from_numpy(np.stack(pictures))
    if compute.device.type == "cuda":
        stacked = stacked.pin_memory()  # from locked memory the copy need not be waited for
    batch = stacked.to(compute.device, non_blocking=True).permute(0, 3, 1, 2).float()
    return batch.contiguous(memory_format=torch.channels_last)


def close_features(
    network: DenseResNet, cuts: Sequence[Pixels], compute: Compute, cut: Cut = "box"
) -> NDArray[np.float32]:
    """See `base.close_maps`: `(n, F)` of cuts `(side, side, 3)` uint8."""
    rows = []
    for first in range(0, len(cuts), CHUNK):
        with torch.inference_mode(), compute.autocast():
            rows.append(close_maps(network, as_batch(cuts[first : first + CHUNK], compute), cut).cpu().numpy())
    return np.concatenate(rows)
