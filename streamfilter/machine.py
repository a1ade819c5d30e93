"""The machine that this runs on."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path


def cores() -> int:
    """Cores that this process may use; where nothing tells, all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def suitable_jobs() -> int:
    """How many files are best read side by side here."""
    return max(1, cores() // 2)


def machine_name() -> str:
    """Its cores and their kind: `2 × Intel(R) Xeon(R) Processor @ 2.80GHz`."""
    kind = platform.processor() or platform.machine()
    with suppress(OSError):  # elsewhere than on Linux
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        kind = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), kind)
    return f"{cores()} × {kind}"


def leave_cores_to_the_network() -> None:
    """NumPy multiplies on one thread from now on: OpenBLAS's threads spin for a while after each product.

    Beside a network that has all cores that cost an eighth of a run.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="blas")
