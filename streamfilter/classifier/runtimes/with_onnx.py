"""The network as ONNX Runtime runs it, on a CPU or on NVIDIA's GPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamfilter.classifier.runtimes.conversion import INPUT
from streamfilter.errors import ModelError
from streamfilter.model.network import DenseOutput
from streamfilter.types import Pixels

_PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
"""By device, the best first; what stands behind the first takes over what that cannot run."""


class OnnxRuntime:
    """See `base.Runtime`. Pictures pass one by one.

    `read` gives a pass as ONNX, `int8`: with its convolutions in int8. `device` is `cpu`, `cuda` or `cuda:N`; on CUDA
    the TensorRT and CUDA providers of `onnxruntime-gpu` are asked for. Raises `ModelError` where the installed package
    has no provider for the device.
    """

    def __init__(self, read: Callable[[str], bytes], *, device: torch.device, threads: int, int8: bool = False) -> None:
        import onnxruntime

        self._onnxruntime = onnxruntime
        self._read, self._device, self._threads = read, device, threads
        self._arithmetic = "int8" if int8 else "float32"
        there = onnxruntime.get_available_providers()
        self._providers = [provider for provider in _PROVIDERS[device.type] if provider in there]
        if not self._providers:
            raise ModelError(
                f"runtime onnx on {device}: the installed onnxruntime has {', '.join(there)}; "
                "install onnxruntime-gpu, or use --device cpu"
            )
        self._sessions: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """Such as `onnxruntime 1.23.0 on cpu float32`."""
        how = "" if self._device.type == "cpu" else f" ({self._providers[0].removesuffix('ExecutionProvider')})"
        return f"onnxruntime {self._onnxruntime.__version__} on {self._device} {self._arithmetic}{how}"

    def dense(self, pictures: Sequence[Pixels]) -> list[DenseOutput]:
        """See `base.Runtime`."""
        return [
            DenseOutput(*(torch.from_numpy(part) for part in self._run("dense", picture[None]))) for picture in pictures
        ]

    def close(self, cuts: Sequence[Sequence[Pixels]]) -> list[NDArray[np.float32]]:
        """See `base.Runtime`."""
        return [np.concatenate([self._run("close", cut[None])[0] for cut in one]) for one in cuts]

    def _run(self, name: str, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        outputs: list[NDArray[np.float32]] = self._session(name).run(None, {INPUT: np.ascontiguousarray(pictures)})
        return outputs

    def _session(self, name: str) -> Any:
        if name not in self._sessions:
            options = self._onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._threads
            where = {"device_id": self._device.index or 0}
            providers = [(one, {} if self._device.type == "cpu" else where) for one in self._providers]
            self._sessions[name] = self._onnxruntime.InferenceSession(self._read(name), options, providers=providers)
        return self._sessions[name]
