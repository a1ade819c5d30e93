"""The gate lets a still picture keep its verdicts, and nothing else."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
from drawn import DrawnPicture, frame_at
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfilter.config import GateConfig
from streamfilter.gate import largest_change, make_gate
from streamfilter.types import Gap, Look, Pixels

GROUND = np.random.default_rng(5).integers(60, 190, (360, 640, 3), dtype=np.uint8)


def still(looks: list[Look | Gap], **settings: float | bool) -> list[bool]:
    passed = list(make_gate(GateConfig.model_validate(settings)).pass_through(looks))
    assert len(passed) == len(looks)
    return [look.is_still for look in passed if isinstance(look, Look)]


def look(time_s: float, pixels: Pixels = GROUND, *, cuts_s: tuple[float, ...] = ()) -> Look:
    return Look(frame_at(time_s, DrawnPicture(pixels)), cuts_s=cuts_s)


def test_an_unchanged_picture_is_still() -> None:
    assert still([look(0.0), look(0.25), look(0.5)]) == [False, True, True]


def test_a_verdict_is_held_no_longer_than_hold_s() -> None:
    looks: list[Look | Gap] = [look(index * 0.5) for index in range(8)]
    assert still(looks, hold_s=1.0) == [False, True, True, False, True, True, False, True]


def test_a_logo_of_six_percent_of_the_height_that_appears_is_noticed() -> None:
    side = round(GROUND.shape[0] * 0.06)
    for top, left in ((5, 5), (170, 311), (330, 610)):
        pixels = GROUND.copy()
        patch = pixels[top : top + side, left : left + side]
        patch[:] = cv2.addWeighted(patch, 0.4, np.full_like(patch, 255), 0.6, 0)
        assert still([look(0.0), look(0.25, pixels)]) == [False, False]


def test_a_slow_drift_cannot_slip_through() -> None:
    brighter = [np.clip(GROUND.astype(int) + index, 0, 255).astype(np.uint8) for index in range(20)]
    looks: list[Look | Gap] = [look(index * 0.1, pixels) for index, pixels in enumerate(brighter)]
    marks = still(looks, hold_s=60)
    assert not marks[0]
    assert False in marks[1:5]


def test_nothing_is_still_across_a_cut_or_a_gap() -> None:
    assert still([look(0.0), look(0.25, cuts_s=(0.2,)), look(0.5)]) == [False, False, True]
    assert still([look(0.0), Gap(0.1, 0.2, "decode_error"), look(0.25), look(0.5)]) == [False, False, True]


def test_a_gap_passes_untouched_and_in_order() -> None:
    gap = Gap(0.1, 0.2, "decode_error")
    items: list[Look | Gap] = [look(0.0), gap, look(0.25)]
    passed = list(make_gate(GateConfig()).pass_through(items))
    assert passed[1] is gap


def test_a_gate_that_is_switched_off_marks_nothing() -> None:
    assert still([look(0.0), look(0.25)], enabled=False) == [False, False]


@settings(max_examples=50)
@given(st.integers(0, 15), st.integers(0, 8), st.integers(1, 255))
def test_the_largest_change_is_that_of_the_tile_that_changed_most(column: int, row: int, amount: int) -> None:
    before = np.zeros((72, 128), np.uint8)
    after = before.copy()
    after[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = amount
    assert largest_change(before, after) == largest_change(after, before) == np.float64(Fraction(amount, 255))
