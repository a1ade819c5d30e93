"""Which frames are looked at, and where cuts are found."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn import DrawnPicture, frame_at
from hypothesis import given
from hypothesis import strategies as st
from media import shot_picture, shots_clip

from streamfilter.config import SamplerConfig, SourceConfig
from streamfilter.sampler import make_sampler
from streamfilter.source import open_source
from streamfilter.types import Frame, Gap, Look, Pixels

RATE_HZ = 25


def looks_of(frames: list[Frame | Gap], **settings: Any) -> list[Look]:
    items = make_sampler(SamplerConfig.model_validate(settings)).looks(frames)
    return [item for item in items if isinstance(item, Look)]


def looked_at(times_s: list[float], rate: float) -> list[float]:
    looks = looks_of([frame_at(time_s) for time_s in times_s], rate=rate, cuts=False)
    return [look.frame.time_s for look in looks]


def cuts_in(pictures: list[Pixels], **settings: Any) -> list[float]:
    return [cut_s for look in looks_of(filmed(pictures), rate="every", **settings) for cut_s in look.cuts_s]


def filmed(pictures: list[Pixels]) -> list[Frame | Gap]:
    return [frame_at(index / RATE_HZ, DrawnPicture(pixels)) for index, pixels in enumerate(pictures)]


def shot(number: int, frames: int, *, speed: float = 0.004) -> list[Pixels]:
    return [shot_picture(number, index * speed, width=128, height=72) for index in range(frames)]


def test_a_fractional_frame_rate_does_not_drift() -> None:
    times = [index * 1001 / 30000 for index in range(30 * 600)]
    chosen = looked_at(times, 4)
    assert len(chosen) == math.ceil(times[-1] * 4)
    for tick, time_s in enumerate(chosen):
        assert 0 <= time_s - tick / 4 < 1001 / 30000 + 1e-9


rising = st.lists(st.floats(0.001, 2.0), min_size=1, max_size=80).map(lambda steps: list(accumulate(steps)))
rates = st.sampled_from([0.5, 1.0, 2.0, 4.0, 29.97])


@given(rising, rates)
def test_each_tick_is_looked_at_once_and_by_its_first_frame(times: list[float], rate: float) -> None:
    chosen = looked_at(times, rate)
    ticks = [math.floor(time_s * rate + 1e-6) for time_s in chosen]
    assert all(before < after for before, after in pairwise(ticks))
    assert sorted(set(ticks)) == sorted({math.floor(time_s * rate + 1e-6) for time_s in times})
    for time_s, tick in zip(chosen, ticks, strict=True):
        assert time_s == min(t for t in times if math.floor(t * rate + 1e-6) == tick)


@given(rising, rates, st.integers(0, 60))
def test_wherever_reading_begins_the_same_frames_are_looked_at_but_for_the_first(
    times: list[float], rate: float, begin: int
) -> None:
    whole, part = looked_at(times, rate), looked_at(times[begin:], rate)
    assert set(part[1:]) <= set(whole)
    assert {time_s for time_s in whole if part and time_s > part[0]} == set(part[1:])


def test_every_frame_or_key_frames_only() -> None:
    frames: list[Frame | Gap] = [frame_at(index / 25, is_key=index % 10 == 0) for index in range(25)]
    assert len(looks_of(frames, rate="every")) == 25
    assert [look.frame.time_s for look in looks_of(frames, rate="keyframes")] == [0.0, 0.4, 0.8]


def test_gaps_pass_untouched_and_in_order() -> None:
    gap = Gap(0.04, 0.5, "decode_error")
    items = list(make_sampler(SamplerConfig(rate="every")).looks([frame_at(0.0), gap, frame_at(0.5)]))
    assert [type(item) for item in items] == [Look, Gap, Look]
    assert items[1] is gap


def test_cuts_between_shots_are_found_on_their_frame() -> None:
    pictures = shot(1, 20) + shot(2, 15) + shot(3, 30)
    assert cuts_in(pictures) == [20 / RATE_HZ, 35 / RATE_HZ]


def test_a_cut_is_told_by_the_first_look_that_is_not_before_it() -> None:
    frames = filmed(shot(1, 24) + shot(2, 30))
    looks = looks_of(frames, rate=4)
    cut_s = 24 / RATE_HZ
    (found,) = [look for look in looks if look.cuts_s]
    assert found.cuts_s == (cut_s,)
    assert found.frame.time_s == min(look.frame.time_s for look in looks if look.frame.time_s >= cut_s)
    assert [look.frame.time_s for look in looks] == [look.frame.time_s for look in looks_of(frames, rate=4, cuts=False)]


def test_two_cuts_between_looks_are_both_told() -> None:
    frames = filmed(shot(1, 10) + shot(2, 6) + shot(3, 20))
    assert [look.cuts_s for look in looks_of(frames, rate=1)] == [(), (0.4, 0.64)]


@pytest.mark.parametrize("flash_frames", [1, 2, 3])
def test_a_flash_is_no_cut(flash_frames: int) -> None:
    pictures = shot(1, 40)
    for index in range(20, 20 + flash_frames):
        pictures[index] = np.clip(pictures[index].astype(int) + 150, 0, 255).astype(np.uint8)
    assert cuts_in(pictures) == []


@pytest.mark.parametrize("frames", [5, 10, 25])
def test_a_dissolve_is_no_cut(frames: int) -> None:
    before, after = shot(1, 20 + frames), shot(2, 20 + frames)
    mix = [
        cv2.addWeighted(before[20 + i], 1 - (i + 1) / (frames + 1), after[i], (i + 1) / (frames + 1), 0)
        for i in range(frames)
    ]
    assert cuts_in(before[:20] + [np.asarray(p, np.uint8) for p in mix] + after[frames:]) == []


def test_a_fade_to_black_is_no_cut() -> None:
    pictures = [(p.astype(float) * max(0.0, 1 - i / 15)).astype(np.uint8) for i, p in enumerate(shot(1, 30))]
    assert cuts_in(pictures) == []


@pytest.mark.parametrize("speed", [0.02, 0.05, 0.1])
def test_fast_camera_motion_is_no_cut(speed: float) -> None:
    assert cuts_in(shot(1, 10) + shot(1, 40, speed=speed)[1:]) == []


def test_a_cut_into_fast_motion_is_found() -> None:
    assert cuts_in(shot(1, 20) + shot(2, 20, speed=0.01)) == [20 / RATE_HZ]


def test_a_change_across_a_gap_is_not_told_as_a_cut() -> None:
    frames = filmed(shot(1, 10) + shot(2, 10))
    frames.insert(10, Gap(0.38, 0.4, "decode_error"))
    assert not any(look.cuts_s for look in looks_of(frames, rate="every"))


def test_cuts_of_a_compressed_clip_are_found(tmp_path: Path) -> None:
    path = shots_clip(tmp_path / "clip.mp4", [1, 2, 3, 4], options={"crf": "30"}, b_frames=2)
    with open_source(path, SourceConfig()) as source:
        looks = list(make_sampler(SamplerConfig()).looks(source.frames()))
    assert [round(c, 3) for look in looks if isinstance(look, Look) for c in look.cuts_s] == [1.0, 2.0, 3.0]


def test_the_cuts_of_an_advert_are_those_that_one_sees(test_data: Path) -> None:
    with open_source(test_data / "video" / "labelled" / "starbucks_psl_spot.mp4", SourceConfig()) as source:
        looks = list(make_sampler(SamplerConfig()).looks(source.frames()))
    found = [round(c, 2) for look in looks if isinstance(look, Look) for c in look.cuts_s]
    assert found == [1.63, 4.92, 7.72]
