"""The machine that this runs on."""

from __future__ import annotations

import os


def cores() -> int:
    """Cores that this process may use; where nothing tells, all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def suitable_jobs() -> int:
    """How many files are best read side by side here."""
    return max(1, cores() // 2)
