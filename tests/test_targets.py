"""Which windows of hand-made scenes show which label, none, or teach nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.classifier.windows import window_boxes, window_grid
from streamfilter.training.scene import SceneFacts
from streamfilter.training.targets import BEST_IOU, IGNORE, MIN_IOU, Targets, overlaps, scene_targets
from streamfilter.types import Box

GRID = (8, 12)
NONE = 3
WINDOWS = window_grid(*GRID)
BOXES = window_boxes(WINDOWS, *GRID)


def facts(*logos: tuple[tuple[float, float, float, float], int], whole: int = -1) -> SceneFacts:
    """Logos in cells: x1, y1, x2, y2 and a label."""
    boxes = np.array([box for box, _ in logos], np.float64).reshape(-1, 4) / (12, 8, 12, 8)
    return SceneFacts(boxes, np.array([label for _, label in logos], np.int64), whole)


def at(targets: Targets, top: int, left: int, height: int, width: int) -> tuple[int, int]:
    """Label and owner of one window."""
    row = WINDOWS.tolist().index([top, left, height, width])
    return int(targets.labels[row]), int(targets.owner[row])


def test_windows_on_a_logo_show_it_those_beside_it_none_and_those_between_teach_nothing() -> None:
    targets = scene_targets(facts(((1, 1, 5, 5), 2)), GRID, none=NONE)
    assert at(targets, 1, 1, 4, 4) == (2, 0)
    assert at(targets, 1, 0, 4, 4) == (2, 0)
    assert at(targets, 2, 2, 4, 4) == (IGNORE, -1)
    assert at(targets, 1, 8, 4, 4) == (NONE, -1)
    assert at(targets, 4, 4, 4, 4) == (NONE, -1), "one of sixteen cells is next to nothing of the logo"


def test_a_piece_of_a_logo_teaches_nothing_until_it_is_tiny() -> None:
    targets = scene_targets(facts(((0, 0, 8, 8), 1)), GRID, none=NONE)
    assert at(targets, 0, 0, 4, 4)[0] == IGNORE
    assert at(targets, 0, 0, 2, 2)[0] == NONE


def test_a_scene_with_nothing_known_is_none_everywhere() -> None:
    targets = scene_targets(facts(), GRID, none=NONE)
    assert (targets.labels == NONE).all()
    assert (targets.owner == -1).all()


def test_an_unboxed_scene_teaches_nothing_by_place() -> None:
    targets = scene_targets(facts(whole=1), GRID, none=NONE)
    assert (targets.labels == IGNORE).all()
    assert (targets.owner == -1).all()


def test_a_region_neither_taught_nor_forbidden_is_ignored_around_it() -> None:
    targets = scene_targets(facts(((1, 1, 5, 5), -1)), GRID, none=NONE)
    assert at(targets, 1, 1, 4, 4) == (IGNORE, -1)
    assert at(targets, 2, 2, 4, 4) == (IGNORE, -1)
    assert at(targets, 1, 8, 4, 4) == (NONE, -1)


def test_a_logo_that_no_window_fits_well_gets_its_best_one() -> None:
    thin = (0.0, 3.3, 12.0, 4.7)
    iou = overlaps(BOXES, facts((thin, 0)).boxes)[1][:, 0]
    assert BEST_IOU <= iou.max() < MIN_IOU
    targets = scene_targets(facts((thin, 0)), GRID, none=NONE)
    assert np.flatnonzero(targets.labels == 0).tolist() == [int(iou.argmax())]


def test_a_logo_too_small_for_any_window_has_none_and_forbids_none() -> None:
    targets = scene_targets(facts(((5.1, 5.1, 5.6, 5.6), 0)), GRID, none=NONE)
    assert not (targets.labels == 0).any()


def test_no_logo_takes_the_only_window_of_another() -> None:
    scene = facts(((7.5, 2.0, 9.0, 3.5), 0), ((7.0, 2.5, 8.5, 4.0), 1))
    iou = overlaps(BOXES, scene.boxes)[1]
    (only,) = np.flatnonzero((iou[:, 0] >= MIN_IOU) & (iou[:, 0] >= iou[:, 1]))
    assert only == iou[:, 1].argmax(), "the scene must make both want one window"
    assert scene_targets(scene, GRID, none=NONE).labels[only] == 0


LOGO = st.tuples(st.floats(0, 9), st.floats(0, 6), st.floats(1, 10), st.floats(1, 7), st.integers(-1, 2)).map(
    lambda v: ((v[0], v[1], min(v[0] + v[2], 12.0), min(v[1] + v[3], 8.0)), v[4])
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LOGO, max_size=4))
def test_targets_hold_for_any_scene(logos: list[tuple[tuple[float, float, float, float], int]]) -> None:
    scene = facts(*logos)
    targets = scene_targets(scene, GRID, none=NONE)
    _, iou = overlaps(BOXES, scene.boxes)
    owned = np.flatnonzero(targets.owner >= 0)
    assert ((targets.labels >= 0) & (targets.labels != NONE)).sum() == len(owned)
    for window in owned:
        box = targets.owner[window]
        assert targets.labels[window] == scene.labels[box]
        assert iou[window, box] >= BEST_IOU
    assert not ((targets.labels == NONE) & (iou >= BEST_IOU).any(axis=1)).any()
    if len(logos) == 1 and logos[0][1] >= 0:
        assert bool(len(owned)) == bool((iou[:, 0] >= BEST_IOU).any())


@settings(max_examples=100, deadline=None)
@given(st.lists(LOGO, min_size=2, max_size=4))
def test_a_logo_with_a_window_of_its_own_is_never_left_without(
    logos: list[tuple[tuple[float, float, float, float], int]],
) -> None:
    scene = facts(*logos)
    targets = scene_targets(scene, GRID, none=NONE)
    _, iou = overlaps(BOXES, scene.boxes)
    best = iou.argmax(axis=1)
    for box, label in enumerate(scene.labels):
        fits = (iou[:, box] >= MIN_IOU) & (best == box)
        assert label < 0 or not fits.any() or (targets.owner == box).any()


@given(LOGO, LOGO)
def test_overlaps_are_those_of_single_boxes(
    one: tuple[tuple[float, float, float, float], int], other: tuple[tuple[float, float, float, float], int]
) -> None:
    first, second = facts(one, other).boxes
    window, box = (Box(b[0], b[1], b[2] - b[0], b[3] - b[1]) for b in (first, second))
    shared, iou = overlaps(np.array([[window.x, window.y, window.width, window.height]]), second[None])
    assert shared[0, 0] == pytest.approx(window.intersection(box), abs=1e-12)
    assert iou[0, 0] == pytest.approx(window.iou(box), abs=1e-12)
