"""The two passes of a network as ONNX: what OpenVINO and ONNX Runtime read."""

from __future__ import annotations

import hashlib
import io
import threading
import warnings

import numpy as np
import torch

from streamfilter.classifier.runtimes.base import FROZEN, make_pass
from streamfilter.classifier.runtimes.kept import kept
from streamfilter.model import DenseResNet
from streamfilter.model.closer import Cut

OPSET = 17
"""The oldest set of ONNX operators that has all that the networks use."""
INPUT = "pictures"
OUTPUTS = {"dense": ("embedding", "logits"), "close": ("features",), FROZEN: ("middle", "top")}
"""What the passes give, by pass: see `base.Runtime`."""
VERSION = 2
"""Of the conversion: raised whenever the same network is converted to something else."""
_EXAMPLE = (2, 64, 96, 3)
_one_at_a_time = threading.Lock()
"""The exporter keeps what it is at in variables of its module."""


def as_onnx(network: DenseResNet, name: str, *, cut: Cut, keep: bool) -> bytes:
    """The pass `name` of a network as an ONNX file: `(N, H, W, 3)` uint8 in, float32 out; `N`, `H`, `W` are free.

    `keep`: the next process that asks for it finds it on disk.
    """
    if not keep:
        return _convert(network, name, cut)
    key = f"{network_digest(network)[:32]}-{name}-{cut}-{VERSION}.onnx"
    return kept(key, lambda: _convert(network, name, cut))


def network_digest(network: DenseResNet) -> str:
    """SHA-256 of all that the network computes with: files whose thresholds or enrolled labels differ share it."""
    digest = hashlib.sha256(repr(network.shape).encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.cpu().numpy()).data)
    return digest.hexdigest()


def _convert(network: DenseResNet, name: str, cut: Cut) -> bytes:
    file = io.BytesIO()
    module = make_pass(name, network, cut).eval()
    device = next(network.parameters()).device
    example = torch.zeros(_EXAMPLE, dtype=torch.uint8, device=device)
    free = {0: "pictures", 1: "height", 2: "width"}
    with _one_at_a_time, warnings.catch_warnings(), torch.no_grad():
        # The exporter that follows it needs one more package and ten times as long, and gives the same graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module,
            (example,),
            file,  # type: ignore[arg-type]
            input_names=[INPUT],
            output_names=list(OUTPUTS[name]),
            dynamic_axes={INPUT: free},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()
