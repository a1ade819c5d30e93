"""Finds pictures that are copies of each other: the same bytes, or a picture re-encoded, scaled, slightly cropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from streamfilter.types import Pixels

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_CANDIDATE_CORRELATION = 0.95
_LARGEST_DIFFERENCE = 16.0
_ROWS_AT_ONCE = 512


def find_duplicate_groups(digests: Sequence[str], thumbnails: Sequence[Pixels]) -> list[int]:
    """A group number per picture, from 0 in the order of their first members; near-duplicates share one.

    `thumbnails` are `(32, 32, 3)` uint8 RGB. Being a duplicate is made transitive by union-find.
    """
    parents = list(range(len(digests)))
    for first, second in [*_same_bytes(digests), *_look_alikes(thumbnails)]:
        parents[_root(parents, first)] = _root(parents, second)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(_root(parents, index), len(numbers)) for index in range(len(parents))]


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _same_bytes(digests: Iterable[str]) -> Iterator[tuple[int, int]]:
    first: dict[str, int] = {}
    for index, digest in enumerate(digests):
        if first.setdefault(digest, index) != index:
            yield first[digest], index


def _look_alikes(thumbnails: Sequence[Pixels]) -> Iterator[tuple[int, int]]:
    if len(thumbnails) < 2:
        return
    colours = np.stack(thumbnails).astype(np.float32)
    patterns = _patterns(colours)
    for start in range(0, len(patterns), _ROWS_AT_ONCE):
        likeness = patterns[start : start + _ROWS_AT_ONCE] @ patterns.T
        for row, column in np.argwhere(likeness >= _CANDIDATE_CORRELATION):
            first, second = start + int(row), int(column)
            if first < second and np.abs(colours[first] - colours[second]).mean() <= _LARGEST_DIFFERENCE:
                yield first, second


def _patterns(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brightness at 16 × 16, mean taken off, length 1, so that a dot product is a correlation: `(N, 256)`."""
    luma = (colours @ _LUMA).reshape(len(colours), 16, 2, 16, 2).mean((2, 4)).reshape(len(colours), -1)
    luma -= luma.mean(1, keepdims=True)
    length = np.linalg.norm(luma, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = luma / np.maximum(length, 1e-6)
    return scaled
