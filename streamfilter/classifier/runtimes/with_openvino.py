"""The network as OpenVINO runs it: the fastest on CPUs.

Nothing of its conversion tools is imported: these would tell their maker that they were used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.buffering import batched
from streamfilter.model.network import DenseOutput
from streamfilter.types import Pixels

MOST_STREAMS = 4
"""Pictures that pass side by side: beyond, their activations take more memory than is saved in time."""
_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}


class OpenVinoRuntime:
    """See `base.Runtime`. Each picture is a request of its own; as many run side by side as there are streams.

    `read` gives a pass as ONNX. `dtype` is float32 or bfloat16. `threads`: CPU threads in all.
    """

    def __init__(self, read: Callable[[str], bytes], *, dtype: torch.dtype, threads: int) -> None:
        import openvino

        self._openvino = openvino
        self._core = openvino.Core()
        self._read, self._dtype, self._threads = read, dtype, threads
        self._streams = min(threads, MOST_STREAMS)
        self._requests: dict[str, list[Any]] = {}

    @property
    def name(self) -> str:
        """Such as `openvino 2026.4.1 on cpu float32`."""
        version = self._openvino.__version__.split("-")[0]
        return f"openvino {version} on cpu {str(self._dtype).removeprefix('torch.')}"

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
        found: list[tuple[NDArray[np.float32], ...]] = []
        for some in batched(inputs, self._streams):
            requests = self._requests_of(name)[: len(some)]
            for request, one in zip(requests, some, strict=True):
                request.start_async({0: np.ascontiguousarray(one)})
            for request in requests:
                request.wait()
                found.append(tuple(tensor.data.copy() for tensor in request.output_tensors))
        return found

    def _requests_of(self, name: str) -> list[Any]:
        """The requests of a pass, one per stream; compiled when it is first asked for."""
        if name not in self._requests:
            settings = {
                "INFERENCE_PRECISION_HINT": _PRECISIONS[self._dtype],
                "INFERENCE_NUM_THREADS": self._threads,
                "NUM_STREAMS": self._streams,
                # Pinning would tie two runs on one machine to the same cores.
                "ENABLE_CPU_PINNING": False,
            }
            compiled = self._core.compile_model(self._core.read_model(self._read(name), b""), "CPU", settings)
            self._requests[name] = [compiled.create_infer_request() for _ in range(self._streams)]
        return self._requests[name]
