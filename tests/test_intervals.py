"""Arithmetic on intervals, against one that colours a ruler cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.intervals import Interval, difference, intersection, total, union

CELLS = 24
ends = st.integers(0, CELLS)
intervals = st.lists(st.tuples(ends, ends).map(lambda pair: (float(pair[0]), float(pair[1]))), max_size=8)


def cells(pairs: list[Interval]) -> set[int]:
    return {cell for start, end in pairs for cell in range(int(start), int(end))}


def check_form(pairs: list[Interval]) -> None:
    assert all(start < end for start, end in pairs)
    assert all(first[1] < second[0] for first, second in pairwise(pairs))


@settings(deadline=None)
@given(intervals)
def test_the_union_covers_what_any_covers(pairs: list[Interval]) -> None:
    check_form(union(pairs))
    assert cells(union(pairs)) == cells(pairs)
    assert total(pairs) == len(cells(pairs))


@pytest.mark.parametrize(
    ("ours", "theirs"), [(intersection, set.intersection), (difference, set.difference)], ids=["shared", "left"]
)
@settings(deadline=None)
@given(first=intervals, second=intervals)
def test_sets_of_intervals_behave_like_sets_of_cells(
    ours: Callable[[list[Interval], list[Interval]], list[Interval]],
    theirs: Callable[[set[int], set[int]], set[int]],
    first: list[Interval],
    second: list[Interval],
) -> None:
    found = ours(first, second)
    check_form(found)
    assert cells(found) == theirs(cells(first), cells(second))
