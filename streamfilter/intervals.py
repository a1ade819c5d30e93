"""Arithmetic on sets of half-open intervals of time: pure, and linear after one sort.

A set is a list of `(start_s, end_s)` that are sorted, not empty, and neither overlap nor touch. Every function here
returns such a list; what it takes may be in any order and overlap, and empty intervals count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

Interval = tuple[float, float]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """All time that at least one interval covers."""
    merged: list[Interval] = []
    for start_s, end_s in sorted(pair for pair in intervals if pair[1] > pair[0]):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end_s)
        else:
            merged.append((start_s, end_s))
    return merged


def intersection(first: Iterable[Interval], second: Iterable[Interval]) -> list[Interval]:
    """All time that both sets cover."""
    left, right = union(first), union(second)
    shared = []
    i = j = 0
    while i < len(left) and j < len(right):
        start_s, end_s = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if end_s > start_s:
            shared.append((start_s, end_s))
        if left[i][1] <= right[j][1]:
            i += 1
        else:
            j += 1
    return shared


def difference(first: Iterable[Interval], second: Iterable[Interval]) -> list[Interval]:
    """All time that the first set covers and the second does not."""
    taken = union(second)
    left: list[Interval] = []
    at = 0
    for start_s, end_s in union(first):
        while at < len(taken) and taken[at][1] <= start_s:
            at += 1
        here = at
        while here < len(taken) and taken[here][0] < end_s:
            if taken[here][0] > start_s:
                left.append((start_s, taken[here][0]))
            start_s = taken[here][1]
            here += 1
        if end_s > start_s:
            left.append((start_s, end_s))
    return left


def total(intervals: Iterable[Interval]) -> float:
    """Seconds that the set covers, each moment once."""
    return sum(end_s - start_s for start_s, end_s in union(intervals))
