"""How the C library keeps freed memory: settings of glibc's `mallopt`. Other C libraries have none; nothing is lost."""

from __future__ import annotations

import ctypes
import os

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


def _set(option: int, value: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(option, value)
