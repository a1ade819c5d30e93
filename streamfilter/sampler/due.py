"""Which looks at a shot the network answers in any case: what lies between two of them is asked only where they differ.

A look is due when as much that is new was shown since the last one as when the whole picture moves on for `stride_s`;
where little does, later, but after `longest_s` in any case. So is one at which something seems to appear or to go: far
more changes than just before, tiles change once that did not change before, or come to rest with something new. The
first and the last due look at a shot lie half as far from its beginning and end: what goes on there is asked where they
show anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FRESH_SHARE = 0.02
"""Share of the tiles that change once and at the same time when something has appeared or gone."""
CALM_SHARE = 0.25
"""Share of the tiles that change, at the median of the looks around, from which on the picture moves as a whole."""
AROUND = 4
"""Looks before and after it that are around one."""
MEMORY_S = 5.0
"""A tile that has changed in this time before, in seconds, is one in which something moves."""
REST_S = 0.75
"""A tile that does not change for so long, in seconds, is at rest."""
JUMP = 2.5
"""So many times what changed at any look just before is more than motion."""
JUMP_SHARE = 0.04
JUST_BEFORE_S = 2.0
LEAST_BEFORE = 3
"""Of so many looks just before, the one with the most change is not counted."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`stride_s`: time between two looks that are due while everything is new; `longest_s`: the longest, in seconds."""

    stride_s: float
    longest_s: float

    def worth(self, share: float, length_s: float) -> float:
        """How much of a look falls due in this time; `share`: of the tiles that were new in it."""
        return length_s * max(share / self.stride_s, 1 / self.longest_s)


def due_looks(
    times_s: Sequence[float],
    changed: NDArray[np.bool_],
    novel: NDArray[np.bool_],
    pace: Pace,
    *,
    begins: bool = False,
    ends: bool = False,
) -> list[int]:
    """Which of the looks at one shot, or a piece of it, are due: indices that rise.

    `changed`: `(looks, tiles)`, the tiles that differ from the look before; `novel`: those that the shot had not shown
    before; nothing of the first row is used. `begins`, `ends`: the shot does so with the first or the last look; else
    that look is due.
    """
    last = len(times_s) - 1
    shares = changed.mean(axis=1)
    news = novel.mean(axis=1)
    worth = [0.0, *(pace.worth(news[k], times_s[k] - times_s[k - 1]) for k in range(1, last + 1))]
    reached = np.cumsum(worth)
    evenly = {int(np.argmin(np.abs(reached - reached[-1] * share))) for share in _shares(reached[-1], begins, ends)}
    appearing = {
        k
        for k in range(1, last + 1)
        if _jumps(times_s, shares, k)
        or (_is_calm(shares, k) and (_is_fresh(times_s, changed, k) or _stays(times_s, changed, novel, k)))
    }
    return sorted(({0} if not begins else set()) | ({last} if not ends else set()) | evenly | appearing)


def _shares(worth: float, begins: bool, ends: bool) -> list[float]:
    """Where in so many looks' worth looks are due, at most one apart, and half of that from an end of the shot."""
    before, after = 0.5 * begins, 0.5 * ends
    between = max(math.ceil(worth - before - after - 1e-9), 0)
    length = before + between + after
    return [(before + number) / length for number in range(between + 1)] if length else [0.0]


def _jumps(times_s: Sequence[float], shares: NDArray[np.float64], k: int) -> bool:
    """Whether far more changes at this look than at those just before it; at least one has to tell.

    One of them may be as far: what goes does not hide what comes soon after.
    """
    before = sorted(shares[i] for i in range(1, k) if times_s[k] - times_s[i] <= JUST_BEFORE_S)
    usual = before[:-1] if len(before) >= LEAST_BEFORE else before
    return bool(usual) and bool(shares[k] >= max(JUMP_SHARE, JUMP * usual[-1]))


def _is_fresh(times_s: Sequence[float], changed: NDArray[np.bool_], k: int) -> bool:
    """Whether many tiles change at this look, and neither at the looks beside it nor for some time before."""
    beside = [i for i in range(1, k) if times_s[k] - times_s[i] <= MEMORY_S] + [k + 1] * (k + 1 < len(times_s))
    return bool((changed[k] & ~changed[beside].any(axis=0)).mean() >= FRESH_SHARE)


def _stays(times_s: Sequence[float], changed: NDArray[np.bool_], novel: NDArray[np.bool_], k: int) -> bool:
    """Whether many tiles show something new at this look, and keep it for a while: what has faded in, say."""
    until = next((i for i in range(k + 1, len(times_s)) if times_s[i] - times_s[k] >= REST_S), None)
    return until is not None and bool((novel[k] & ~changed[k + 1 : until + 1].any(axis=0)).mean() >= FRESH_SHARE)


def _is_calm(shares: NDArray[np.float64], k: int) -> bool:
    """Whether the picture does not move as a whole around this look: while it does, tiles change once all the time."""
    around = [i for i in range(max(1, k - AROUND), min(len(shares), k + AROUND + 1)) if i != k]
    return not around or bool(np.median(shares[around]) < CALM_SHARE)
