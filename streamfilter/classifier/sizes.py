"""Pictures of several sizes in one batch: together where a runtime can, else each size for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from streamfilter.types import Pixels

T = TypeVar("T")


def by_size(pictures: Sequence[Pixels], work: Callable[[Sequence[Pixels]], list[T]]) -> list[T]:
    """What `work` makes of each picture, in their order; it is given pictures of one size only."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, picture in enumerate(pictures):
        groups.setdefault(picture.shape, []).append(number)
    made: dict[int, T] = {}
    for numbers in groups.values():
        made |= zip(numbers, work([pictures[number] for number in numbers]), strict=True)
    return [made[number] for number in range(len(pictures))]
