"""Which looks at a shot the network answers in any case: what lies between two of them is asked only where they differ.

A look is due when as much has changed since the last one as when the whole picture moves for `stride_s`; where little
moves, later, but after `longest_s` in any case. The first and the last look at a shot are due, and so is one at which
something appears that does not move: tiles change once that have not changed before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FRESH_SHARE = 0.02
"""Share of the tiles that change once and at the same time when something has appeared or gone."""
MEMORY_S = 5.0
"""A tile that has changed in this time before, in seconds, is one in which something moves."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`stride_s`: time between two looks that are due while everything moves; `longest_s`: the longest, in seconds."""

    stride_s: float
    longest_s: float

    def worth(self, share: float, length_s: float) -> float:
        """How much of a look falls due in this time; `share`: of the tiles that changed in it."""
        return length_s * max(share / self.stride_s, 1 / self.longest_s)


def due_looks(times_s: Sequence[float], changed: NDArray[np.bool_], pace: Pace) -> list[int]:
    """Which of the looks at one shot, or a piece of it, are due: indices that rise, the first and the last among them.

    `changed`: `(looks, tiles)`, the tiles that differ from the look before; nothing of the first row is used.
    """
    last = len(times_s) - 1
    shares = changed.mean(axis=1)
    worth = [0.0, *(pace.worth(shares[k], times_s[k] - times_s[k - 1]) for k in range(1, last + 1))]
    reached = np.cumsum(worth)
    parts = math.ceil(reached[-1] - 1e-9)
    evenly = {int(np.searchsorted(reached, reached[-1] * part / parts)) for part in range(1, parts)}
    return sorted({0, last} | evenly | set(_appearing(times_s, changed)))


def _appearing(times_s: Sequence[float], changed: NDArray[np.bool_]) -> list[int]:
    """Looks at which many tiles change once: not at the looks beside it, and not for some time before."""
    found = []
    for k in range(1, len(times_s)):
        before = [i for i in range(1, k) if times_s[k] - times_s[i] <= MEMORY_S]
        moving = changed[before].any(axis=0) if before else np.zeros_like(changed[k])
        if k + 1 < len(times_s):
            moving = moving | changed[k + 1]
        if (changed[k] & ~moving).mean() >= FRESH_SHARE:
            found.append(k)
    return found
