"""The two passes of a network as ONNX: what OpenVINO and ONNX Runtime read."""

from __future__ import annotations

import hashlib
import io
import threading
import warnings

import torch

from streamfilter.classifier.runtimes.base import FROZEN, make_pass
from streamfilter.classifier.runtimes.int8 import quantised
from streamfilter.classifier.runtimes.kept import kept
from streamfilter.model import DenseResNet
from streamfilter.model.closer import Cut
from streamfilter.model.int8 import Scales
from streamfilter.model.network import network_digest

OPSET = 17
"""The oldest set of ONNX operators that has all that the networks use."""
INPUT = "pictures"
OUTPUTS = {"dense": ("embedding", "logits"), "close": ("features",), FROZEN: ("middle", "top")}
"""What the passes give, by pass: see `base.Runtime`."""
VERSION = 4
"""Of the conversion: raised whenever the same network is converted to something else."""
_EXAMPLE = (2, 64, 96, 3)
_one_at_a_time = threading.Lock()
"""The exporter keeps what it is at in variables of its module."""


def as_onnx(network: DenseResNet, name: str, *, cut: Cut, keep: bool, scales: Scales | None = None) -> bytes:
    """The pass `name` of a network as an ONNX file: `(N, H, W, 3)` uint8 in, float32 out; `N`, `H`, `W` are free.

    `scales`: in int8 with these. `keep`: the next process that asks for it finds it on disk.
    """
    if not keep:
        return _made(network, name, cut, scales)
    arithmetic = "float32" if scales is None else f"int8-{hashlib.sha256(repr(scales).encode()).hexdigest()[:8]}"
    key = f"{network_digest(network)[:32]}-{name}-{cut}-{arithmetic}-{VERSION}.onnx"
    return kept(key, lambda: _made(network, name, cut, scales))


def _made(network: DenseResNet, name: str, cut: Cut, scales: Scales | None) -> bytes:
    plain = _convert(network, name, cut)
    return plain if scales is None else quantised(plain, scales)


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
