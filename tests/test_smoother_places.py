"""Which sighting continues which track, and how a path is kept in few points."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.smoother.place import Place, is_within, pair_up
from streamfilter.smoother.thinning import MOST_POINTS, TOLERANCE, Path
from streamfilter.types import Box, TrackPoint

SHARES = st.integers(0, 40).map(lambda n: n / 100)
BOXES = st.builds(lambda x, y, side: Box(x, y, 0.05 + side, 0.05 + side), SHARES, SHARES, SHARES)


def square(x: float, *, side: float = 0.1) -> Box:
    return Box(x, 0.5, side, side)


def test_each_of_two_logos_side_by_side_keeps_its_own_sighting() -> None:
    places = [Place(square(0.3), 1.0), Place(square(0.42), 1.0)]
    assert pair_up(places, [square(0.44), square(0.32)], iou=0.1) == {0: 1, 1: 0}
    assert pair_up(places, [square(0.41)], iou=0.1) == {1: 0}


def test_a_logo_farther_than_its_reach_is_another_logo() -> None:
    place = Place(square(0.1), 1.0)
    assert pair_up([place], [square(0.24)], iou=0.1) == {0: 0}
    assert pair_up([place], [square(0.25)], iou=0.1) == {}


def test_without_reach_only_the_same_place_counts() -> None:
    place = Place(square(0.1), None)
    assert pair_up([place], [square(0.18)], iou=0.1) == {0: 0}
    assert pair_up([place], [square(0.19)], iou=0.1) == {}


def test_a_window_that_lies_in_another_is_of_the_same_logo() -> None:
    assert pair_up([Place(square(0.1, side=0.4), None)], [square(0.3, side=0.05)], iou=0.1) == {0: 0}


@settings(deadline=None)
@given(st.lists(BOXES, max_size=4), st.lists(BOXES, max_size=4))
def test_pairs_are_allowed_single_and_leave_no_possible_pair_over(tracks: list[Box], boxes: list[Box]) -> None:
    places = [Place(box, 1.0) for box in tracks]
    matched = pair_up(places, boxes, iou=0.1)
    assert len(set(matched.values())) == len(matched)
    assert all(is_within(places[i], boxes[j], 0.1) for i, j in matched.items())
    left = itertools.product(set(range(len(places))) - set(matched), set(range(len(boxes))) - set(matched.values()))
    assert not any(is_within(places[i], boxes[j], 0.1) for i, j in left)
    best = max((p.box.iou(b) for p in places for b in boxes if is_within(p, b, 0.1)), default=0.0)
    assert max((places[i].box.iou(boxes[j]) for i, j in matched.items()), default=0.0) == best


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 2.0), st.floats(-0.03, 0.03), st.floats(-0.002, 0.002)), min_size=1, max_size=60)
)
def test_a_thinned_path_redraws_every_point_within_the_tolerance(moves: list[tuple[float, float, float]]) -> None:
    points = []
    time_s, x, y = 0.0, 0.4, 0.4
    for pause_s, dx, dy in moves:
        points.append(TrackPoint(time_s, Box(x, y, 0.1, 0.1), 0.9))
        time_s, x, y = time_s + pause_s, min(0.9, max(0.0, x + dx)), min(0.9, max(0.0, y + dy))
    path = Path()
    for point in points:
        path.add(point)
    kept = path.points()
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    for axis in ("x", "y"):
        redrawn = np.interp([p.time_s for p in points], [p.time_s for p in kept], [getattr(p.box, axis) for p in kept])
        assert np.abs(redrawn - [getattr(p.box, axis) for p in points]).max() <= TOLERANCE + 1e-9


def test_a_still_or_steadily_moving_logo_needs_two_points() -> None:
    path = Path()
    for n in range(1000):
        path.add(TrackPoint(n / 25, Box(n / 2000, 0.5, 0.1, 0.1), 0.9))
    assert [p.time_s for p in path.points()] == [0.0, 999 / 25]


def test_a_restless_path_stays_under_its_bound() -> None:
    path = Path()
    for n in range(5000):
        path.add(TrackPoint(n / 25, Box(0.5 + (n * 7919 % 101) / 300, 0.5, 0.1, 0.1), 0.9))
        assert len(path.points()) <= MOST_POINTS + 2
