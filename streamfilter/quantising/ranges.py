"""How large the numbers get that convolutions read, and the best step for 8 bits of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from streamfilter.classifier.runtimes.int8 import STEPS, observable
from streamfilter.classifier.runtimes.with_openvino import import_openvino

SAMPLED = 4096
"""Numbers of each tensor that are kept of each picture."""
_TRIED = np.linspace(0.15, 1.0, 69)
"""Shares of the largest number at which the range may be cut off."""


def observed_scales(data: bytes, pictures: Iterable[NDArray[np.uint8]], *, seed: int = 0) -> tuple[float, ...]:
    """The best step of each tensor that `int8.observable` names, over pictures `(1, H, W, 3)` that pass the graph."""
    graph, names = observable(data)
    core = import_openvino().Core()
    request = core.compile_model(core.read_model(graph, b""), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = request.create_infer_request()
    rng = np.random.default_rng(seed)
    drawn: list[list[NDArray[np.float32]]] = [[] for _ in names]
    for picture in pictures:
        request.infer({0: np.ascontiguousarray(picture)})
        for sample, tensor in zip(drawn, request.output_tensors[-len(names) :], strict=True):
            values = tensor.data.ravel()
            sample.append(values[rng.integers(0, len(values), SAMPLED)])
    return tuple(best_scale(np.concatenate(sample)) for sample in drawn)


def best_scale(values: NDArray[np.float32]) -> float:
    """The step of unsigned 8 bit numbers that leaves the least mean squared error of values from 0 up.

    What is above 255 steps is cut off: few large numbers are not worth coarse steps for all others.
    """
    steps = np.maximum(_TRIED * float(values.max()), np.finfo(np.float32).tiny) / STEPS
    errors = [np.square(np.minimum(np.rint(values / step), STEPS) * step - values).mean() for step in steps]
    return float(np.float32(steps[int(np.argmin(errors))]))
