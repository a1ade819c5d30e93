"""Stream time never steps back, whatever the PTS are."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamfilter.source.clock import StreamClock

TIME_BASE = Fraction(1, 1000)
STEP = 40


def clock(*, start: Fraction = Fraction(0), end_s: float | None = None) -> StreamClock:
    return StreamClock(TIME_BASE, start=start, default_step=STEP, end_s=end_s)


def times(pts: list[int | None], *, end_s: float | None = None) -> list[float]:
    one = clock(end_s=end_s)
    return [one.place(value, STEP).time_s for value in pts]


pts_lists = st.lists(st.none() | st.integers(-(10**6), 10**7), min_size=1, max_size=60)


@given(pts_lists, st.none() | st.floats(0, 10**4))
def test_time_always_goes_on(pts: list[int | None], end_s: float | None) -> None:
    assert all(before < after for before, after in pairwise(times(pts, end_s=end_s)))


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=60), st.integers(-5000, 5000))
def test_rising_pts_are_taken_as_they_are(steps: list[int], start: int) -> None:
    pts = [start]
    for step in steps:
        pts.append(pts[-1] + step)
    one = clock(start=start * TIME_BASE)
    moments = [one.place(value, STEP) for value in pts]
    assert [moment.time_s for moment in moments] == [(value - start) / 1000 for value in pts]
    assert not any(moment.jumped for moment in moments)


def test_a_missing_pts_is_one_duration_after_the_frame_before() -> None:
    assert times([0, 40, None, None, 160]) == [0.0, 0.04, 0.08, 0.12, 0.16]


def test_the_first_frame_without_pts_is_shown_at_the_start() -> None:
    assert clock(start=Fraction(3)).place(None, STEP).time_s == 0.0


def test_frames_lost_before_one_without_pts_take_their_time() -> None:
    one = clock()
    one.place(None, STEP)
    one.skip(3)
    assert one.place(None, STEP).time_s == 0.16


def test_a_step_back_sets_the_clock_to_go_on() -> None:
    one = clock()
    moments = [one.place(pts, STEP) for pts in (5000, 5040, 0, 40)]
    assert [moment.time_s for moment in moments] == [5.0, 5.04, 5.08, 5.12]
    assert [moment.jumped for moment in moments] == [False, False, True, False]


def test_a_clock_that_was_wrong_for_a_while_is_right_again_afterwards() -> None:
    pts: list[int | None] = [0, 40, 80, -9000, -8960, -8920, 240, 280]
    assert times(pts) == [0.0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28]


def test_a_pts_far_beyond_the_end_does_not_move_the_clock() -> None:
    assert times([0, 40, 9_000_000, 120, 160], end_s=10.0) == [0.0, 0.04, 0.08, 0.12, 0.16]


def test_a_long_pause_within_the_declared_time_is_believed() -> None:
    assert times([0, 40, 60_000], end_s=60.04) == [0.0, 0.04, 60.0]


def test_a_straggler_is_told_from_a_jump_by_what_follows() -> None:
    one = clock()
    one.place(1000, STEP)
    assert one.is_stray(900, [1040, 1080])
    assert not one.is_stray(900, [940, 980])
    assert not one.is_stray(1040, [1080, 1120])
    assert one.is_stray(500_000, [1040, 1080])
    assert not one.is_stray(500_000, [500_040, 500_080])
    assert not one.is_stray(None, [1040])
