"""What is new in a shot is what none of its looks of late has shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfilter.gate import TILES, tile_changes, tiles_of
from streamfilter.sampler.shown import LATELY_S, MOST, Shown

THRESHOLD = 0.008


def drawn(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (72, 128), dtype=np.uint8)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), min_size=1, max_size=12))
def test_a_tile_is_new_that_differs_from_all_that_stood_there(looks: list[tuple[int, int]]) -> None:
    shown = Shown(THRESHOLD)
    before: list[np.ndarray] = []
    for number, (seed, rows) in enumerate(looks):
        thumbnail = drawn(0)
        thumbnail[: rows * 8] = drawn(seed)[: rows * 8]
        differ = [tile_changes(one, thumbnail) > THRESHOLD for one in before]
        expected = np.all(differ, axis=0) if differ else np.ones(TILES, np.bool_)
        assert (shown.novel_tiles(thumbnail, number / 4) == expected).all()
        before.append(thumbnail)


def test_what_comes_back_is_not_new_until_it_was_long_ago() -> None:
    shown = Shown(THRESHOLD)
    assert shown.novel_tiles(drawn(1), 0.0).all()
    assert shown.novel_tiles(drawn(2), 1.0).all()
    assert not shown.novel_tiles(drawn(1), 2.0).any()
    assert not shown.novel_tiles(drawn(2), 1.0 + LATELY_S).any()
    assert shown.novel_tiles(drawn(1), 2.1 + LATELY_S).all()


def test_another_shot_knows_nothing_of_it() -> None:
    shown = Shown(THRESHOLD)
    shown.novel_tiles(drawn(1), 0.0)
    shown.forget()
    assert shown.novel_tiles(drawn(1), 0.25).all()


def test_looking_often_remembers_no_more_looks() -> None:
    shown = Shown(THRESHOLD)
    for number in range(MOST + 1):
        shown.novel_tiles(drawn(number), number / 100)
    assert shown.novel_tiles(drawn(0), (MOST + 1) / 100).all()
    assert not shown.novel_tiles(drawn(MOST), (MOST + 2) / 100).any()


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 7), (8, 15)])
def test_tiles_are_told_row_by_row(row: int, column: int) -> None:
    thumbnail = np.zeros((72, 128), np.uint8)
    thumbnail[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = 255
    assert np.flatnonzero(tiles_of(thumbnail).all(axis=1)).tolist() == [row * TILES[1] + column]
