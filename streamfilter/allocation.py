"""How the C library keeps freed memory. Only glibc is told: other C libraries lose nothing by it."""

from __future__ import annotations

import ctypes
import os
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8

MOST_ARENAS = 1
"""glibc would take eight for each core: the threads of thousands of sources, one after another, leave holes in all."""


def share_arenas() -> None:
    """Let all threads take memory from one place, so that what one source leaves is what the next one takes.

    It holds for those that are not there yet: call it before there are threads.
    """
    _set(M_ARENA_MAX, MOST_ARENAS)


def keep_freed() -> None:
    """Reuse the large blocks that PyTorch frees after every layer, and do not unmap and fault them in again.

    On a CPU the page faults were a third of the time of a training step.
    """
    _set(M_MMAP_MAX, 0)
    _set(M_TRIM_THRESHOLD, -1)


def give_back() -> None:
    """Return what is free to the system, after something that takes much memory once."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _set(option: int, value: int) -> None:
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(option, value)


def _of_glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
