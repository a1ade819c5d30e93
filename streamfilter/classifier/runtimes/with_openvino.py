"""The network as OpenVINO runs it: the fastest on CPUs.

Its conversion tools are not imported: they would tell their maker that they were used.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.allocation import give_back
from streamfilter.classifier.runtimes.turns import Turns
from streamfilter.model.network import DenseOutput
from streamfilter.types import Pixels

MOST_STREAMS = 4
"""Inputs that pass side by side: beyond, their activations take more memory than is saved in time."""
THREADS_PER_STREAM = {"dense": 2}
"""One elsewhere. A picture is large enough for two, and one that is asked about alone does not wait for one thread."""
_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}
_CONVERSION_TOOLS = "openvino.tools.ovc"


def import_openvino() -> Any:
    """The package without its conversion tools, which are a third of its import and load what reports their use."""
    if "openvino" in sys.modules or _CONVERSION_TOOLS in sys.modules:
        return importlib.import_module("openvino")
    sys.modules[_CONVERSION_TOOLS] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[_CONVERSION_TOOLS]


class OpenVinoRuntime:
    """See `base.Runtime`. Each picture is a request of its own; as many run side by side as there are streams.

    `read` gives a pass as ONNX, `int8`: with its convolutions in int8. `dtype` is float32 or bfloat16. `threads`: CPU
    threads in all.
    """

    def __init__(self, read: Callable[[str], bytes], *, dtype: torch.dtype, threads: int, int8: bool = False) -> None:
        self._openvino = import_openvino()
        self._core = self._openvino.Core()
        self._read, self._dtype, self._threads = read, dtype, threads
        self._arithmetic = "int8" if int8 else str(dtype).removeprefix("torch.")
        self._requests: dict[str, list[Any]] = {}
        self._turns = Turns()
        reference = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _never_free(reference()))

    @property
    def name(self) -> str:
        """Such as `openvino 2026.4.1 on cpu float32`."""
        version = self._openvino.__version__.split("-")[0]
        return f"openvino {version} on cpu {self._arithmetic}"

    def dense(self, pictures: Sequence[Pixels]) -> list[DenseOutput]:
        """See `base.Runtime`."""
        found = self.infer("dense", [picture[None] for picture in pictures])
        return [DenseOutput(*(torch.from_numpy(part) for part in parts)) for parts in found]

    def close(self, cuts: Sequence[Sequence[Pixels]]) -> list[NDArray[np.float32]]:
        """See `base.Runtime`."""
        alone = self.infer("close", [cut[None] for one in cuts for cut in one])
        rows = iter(features for (features,) in alone)
        return [np.concatenate([next(rows) for _ in one]) for one in cuts]

    def infer(self, name: str, inputs: Sequence[NDArray[np.uint8]]) -> list[tuple[NDArray[np.float32], ...]]:
        """The outputs for each input, in their order."""
        with self._turns:
            requests = self._requests_of(name)
            return _run_side_by_side(requests, inputs)

    def _requests_of(self, name: str) -> list[Any]:
        """The requests of a pass, one per stream; compiled when it is first asked for."""
        if name not in self._requests:
            streams = min(max(1, self._threads // THREADS_PER_STREAM.get(name, 1)), MOST_STREAMS)
            settings = {
                "INFERENCE_PRECISION_HINT": _PRECISIONS[self._dtype],
                "INFERENCE_NUM_THREADS": self._threads,
                "NUM_STREAMS": streams,
                # Pinning would tie two runs on one machine to the same cores.
                "ENABLE_CPU_PINNING": False,
            }
            compiled = self._core.compile_model(self._core.read_model(self._read(name), b""), "CPU", settings)
            self._requests[name] = [compiled.create_infer_request() for _ in range(streams)]
            give_back()  # converting and compiling took a few hundred MiB
        return self._requests[name]

    def parts(self) -> list[Any]:
        """Whatever of OpenVINO this holds."""
        return [self._core, *(request for requests in self._requests.values() for request in requests)]


def _run_side_by_side(
    requests: Sequence[Any], inputs: Sequence[NDArray[np.uint8]]
) -> list[tuple[NDArray[np.float32], ...]]:
    """A request is started again as soon as what it gave is taken: the others are busy meanwhile."""
    found: list[tuple[NDArray[np.float32], ...]] = []
    flying: deque[Any] = deque()
    try:
        for number, one in enumerate(inputs):
            if len(flying) == len(requests):
                found.append(_outputs(flying[0]))
                flying.popleft()
            request = requests[number % len(requests)]
            flying.append(request)
            request.start_async({0: np.ascontiguousarray(one)})
        while flying:
            found.append(_outputs(flying[0]))
            flying.popleft()
    finally:
        # Ctrl-C may come at any place: a request that is still running would be busy next time.
        for request in flying:
            with suppress(RuntimeError):
                request.wait()
    return found


def _outputs(request: Any) -> tuple[NDArray[np.float32], ...]:
    """What a request gives, copied: its own memory is written to when it is started again."""
    request.wait()
    return tuple(tensor.data.copy() for tensor in request.output_tensors)


def _never_free(runtime: OpenVinoRuntime | None) -> None:
    """In a forked child: freeing what OpenVINO made would wait for threads that did not come along."""
    for part in runtime.parts() if runtime is not None else ():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(part))
