"""A network that does not change, at its fastest: pictures pass it by the thousand before and after it is tuned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.classifier.runtimes import Runtime
from streamfilter.classifier.runtimes.base import FROZEN
from streamfilter.classifier.runtimes.choosing import is_installed
from streamfilter.classifier.runtimes.conversion import as_onnx
from streamfilter.classifier.runtimes.with_openvino import OpenVinoRuntime
from streamfilter.classifier.runtimes.with_torch import TorchRuntime, as_batch
from streamfilter.model import DenseResNet
from streamfilter.model.device import Compute
from streamfilter.types import Pixels

Half = NDArray[np.float16]
Maps = Callable[[Sequence[Pixels]], tuple[Half, Half]]
"""Layers 3 and 4 of pictures of one size: see `base.FrozenPass`."""


def uses_openvino(compute: Compute) -> bool:
    """Whether OpenVINO is there and the faster one: on CPUs it takes a third of PyTorch's time."""
    return compute.device.type == "cpu" and compute.dtype != torch.float16 and is_installed("openvino")


def frozen_runtime(network: DenseResNet, compute: Compute) -> Runtime:
    """What looks at pictures with the network as it is now: later changes of its weights may or may not count."""
    return _openvino(network, compute) if uses_openvino(compute) else TorchRuntime(network, compute)


def frozen_maps(network: DenseResNet, compute: Compute) -> Maps:
    """What layers 3 and 4 of the network, as it is now, make of pictures."""
    if uses_openvino(compute):
        return partial(_maps_by_openvino, _openvino(network, compute))
    return partial(_maps_by_torch, network, compute)


def _openvino(network: DenseResNet, compute: Compute) -> OpenVinoRuntime:
    read = partial(as_onnx, network, cut="box", keep=False)
    return OpenVinoRuntime(read, dtype=compute.compiled_dtype, threads=torch.get_num_threads())


def _maps_by_openvino(runtime: OpenVinoRuntime, pictures: Sequence[Pixels]) -> tuple[Half, Half]:
    middles, tops = zip(*runtime.infer(FROZEN, [picture[None] for picture in pictures]), strict=True)
    return np.concatenate(middles).astype(np.float16), np.concatenate(tops).astype(np.float16)


def _maps_by_torch(network: DenseResNet, compute: Compute, pictures: Sequence[Pixels]) -> tuple[Half, Half]:
    with torch.inference_mode(), compute.autocast():
        middle = network.lower(as_batch(pictures, compute))
        top = network.highest(middle)
    return middle.half().cpu().numpy(), top.half().cpu().numpy()
