"""Which device and arithmetic the network runs with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from streamfilter.errors import ModelError
from streamfilter.machine import cores

Autocast = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Compute:
    """A device and the arithmetic its matrix units are used with.

    `compiled_dtype`: what a compiled network (OpenVINO's) is run in there.
    """

    device: torch.device
    dtype: torch.dtype
    compiled_dtype: torch.dtype

    @property
    def name(self) -> str:
        """Such as `cpu bfloat16` or `cuda:0 float16`."""
        return f"{self.device} {str(self.dtype).removeprefix('torch.')}"

    def autocast(self) -> AbstractContextManager[None]:
        """A context in which the network computes in `dtype`; its weights stay float32."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


def choose_compute(device: str, precision: str, *, threads: int = 0) -> Compute:
    """Resolve `auto` and check that the device is there. Also sets the number of CPU threads: 0 is one per core.

    On a CPU bfloat16 is chosen for PyTorch only where there are matrix units for it (AMX), and for compiled networks
    also where vectors of it are multiplied (AVX512-BF16): twice as fast as float32 there. Raises `ModelError` for a
    CUDA device that this machine does not have.
    """
    torch.set_num_threads(threads or cores())
    chosen = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"device {device}: this machine shows {torch.cuda.device_count()} CUDA devices; try --device cpu"
        )
    if precision == "int8":  # what is not quantised is float32
        return Compute(chosen, torch.float32, torch.float32)
    if precision != "auto":
        asked = getattr(torch, precision)
        return Compute(chosen, asked, asked)
    fast = torch.bfloat16 if chosen.type == "cuda" or _has_amx() else torch.float32
    return Compute(chosen, fast, torch.bfloat16 if chosen.type == "cpu" and has_bfloat16() else fast)


def _has_amx() -> bool:
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe is not None and probe())


def has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 itself."""
    return bool(_cpu_flags() & {"avx512_bf16", "amx_bf16"})


def has_int8() -> bool:
    """Whether the CPU multiplies int8 exactly and fast (VNNI); older ones saturate sums, so that results differ."""
    return bool(_cpu_flags() & {"avx512_vnni", "avx_vnni", "asimddp"})


def _cpu_flags() -> set[str]:
    """Empty where the system does not tell them."""
    try:
        told = Path("/proc/cpuinfo").read_text("utf-8", errors="replace")
    except OSError:
        return set()
    return {flag for line in told.splitlines() if line.startswith(("flags", "Features")) for flag in line.split()}
