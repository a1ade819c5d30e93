"""The two passes of a network as ONNX: what OpenVINO and ONNX Runtime read."""

from __future__ import annotations

import io
import warnings

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
VERSION = 1
"""Of the conversion: raised whenever the same network is converted to something else."""
_EXAMPLE = (2, 64, 96, 3)


def as_onnx(network: DenseResNet, name: str, *, digest: str, cut: Cut) -> bytes:
    """The pass `name` of a network as an ONNX file: `(N, H, W, 3)` uint8 in, float32 out; `N`, `H`, `W` are free.

    `digest` is that of the model file, by which the result is kept; "": it is not.
    """
    if not digest:
        return _convert(network, name, cut)
    return kept(f"{digest[:32]}-{name}-{VERSION}.onnx", lambda: _convert(network, name, cut))


def _convert(network: DenseResNet, name: str, cut: Cut) -> bytes:
    file = io.BytesIO()
    module = make_pass(name, network, cut).eval()
    device = next(network.parameters()).device
    example = torch.zeros(_EXAMPLE, dtype=torch.uint8, device=device)
    free = {0: "pictures", 1: "height", 2: "width"}
    with warnings.catch_warnings(), torch.no_grad():
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
