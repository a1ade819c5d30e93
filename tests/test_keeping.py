"""Pictures that wait for the network take little memory where little moves, and are what was decoded all the same."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from fakes import LABELS, color_clip, color_network
from hypothesis import given
from hypothesis import strategies as st
from media import regular_times, stamped_clip

from streamfilter.config import RunConfig, SamplerConfig, SourceConfig
from streamfilter.gate import make_gate
from streamfilter.keeping import Keeper
from streamfilter.sampler import make_sampler
from streamfilter.source import open_source
from streamfilter.source.difference import difference
from streamfilter.stages import Source
from streamfilter.types import Look

RED = LABELS["Red"]


def drawn(luma: np.ndarray, pixel_format: str = "yuv420p") -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.repeat(luma[:, :, None], 3, axis=2), "rgb24").reformat(format=pixel_format)
    frame.colorspace, frame.color_range = 1, 2
    return frame


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.sampled_from(["yuv420p", "yuv422p", "yuv444p"]),
    st.lists(st.tuples(*[st.integers(0, 89)] * 2, *[st.integers(1, 40)] * 2, st.integers(0, 255)), max_size=4),
)
def test_a_frame_comes_back_from_what_differs_as_it_was(
    size: tuple[int, int], pixel_format: str, changes: list[tuple[int, int, int, int, int]]
) -> None:
    width, height = size[0] * 2, size[1] * 2
    luma = np.random.default_rng(1).integers(0, 255, (height, width), dtype=np.uint8)
    base = drawn(luma, pixel_format)
    for x, y, w, h, value in changes:
        luma[y : y + h, x : x + w] = value
    frame = drawn(luma, pixel_format)
    less = difference(frame, base)
    if less is None:
        share = np.mean([(one != other).mean() for one, other in zip(planes(frame), planes(base), strict=True)])
        assert share > 0, "a frame like its base is never kept whole"
        return
    before = [plane.copy() for plane in planes(base)]
    for _ in range(2):
        with less.shown() as again:
            for one, other in zip(planes(again), planes(frame), strict=True):
                np.testing.assert_array_equal(one, other)
        for one, other in zip(planes(base), before, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_differs_in_a_corner_takes_little_and_what_differs_everywhere_is_kept_whole() -> None:
    luma = np.random.default_rng(2).integers(0, 255, (360, 640), dtype=np.uint8)
    base, corner = drawn(luma), luma.copy()
    corner[20:60, 580:630] = 0
    less = difference(drawn(corner), base)
    assert less is not None
    assert 40 * 50 <= less.nbytes <= 2 * 40 * 50
    assert difference(drawn(255 - luma), base) is None
    same = difference(drawn(luma), base)
    assert same is not None
    assert same.nbytes == 0


@pytest.mark.parametrize("other", ["size", "format", "range"])
def test_frames_of_different_kinds_are_kept_whole(other: str) -> None:
    luma = np.zeros((64, 96), np.uint8)
    base = drawn(luma[:, :64] if other == "size" else luma, "yuv444p" if other == "format" else "yuv420p")
    if other == "range":
        base.color_range = 1
    assert difference(drawn(luma), base) is None
    assert difference(drawn(luma, "yuv420p10le"), drawn(luma, "yuv420p10le")) is None


def watched(clip: Path) -> tuple[list[Look], list[Look]]:
    """The looks at a clip as they come, and as they are kept."""
    with open_source(clip, SourceConfig()) as source:
        return kept_of(source)


def kept_of(source: Source) -> tuple[list[Look], list[Look]]:
    config = RunConfig()
    keeper = Keeper(color_network().classifier)
    sampler, gate = make_sampler(config.sampler, keep=keeper.shrunk), make_gate(config.gate)
    looks = [one for one in gate.pass_through(sampler.looks(source.frames())) if isinstance(one, Look)]
    return looks, [one for one in keeper.keep(looks) if isinstance(one, Look)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something comes and goes in a still picture."""
    return color_clip(tmp_path_factory.mktemp("kept") / "clip.mp4", [(1.08, 2.5, RED)], seconds=4, rate_hz=25)


def test_kept_pictures_are_those_that_were_decoded(clip: Path) -> None:
    looks, kept = watched(clip)
    size = color_network().classifier.analysis_size(160, 120)
    asked = [(one, other) for one, other in zip(looks, kept, strict=True) if not one.is_still]
    assert len(asked) >= 3
    for look, again in asked:
        np.testing.assert_array_equal(again.frame.picture.rgb(), look.frame.picture.rgb())
        assert len(again.passed) == len(look.passed)
        for before, after in zip(look.passed, again.passed, strict=True):
            np.testing.assert_array_equal(after.picture.rgb(*size), before.picture.kept(*size).rgb(*size))


def test_pictures_are_kept_alike_wherever_they_were_decoded(clip: Path) -> None:
    with open_source(clip, SourceConfig(isolate=True)) as source:
        _, isolated = kept_of(source)
        for one, other in zip(isolated, watched(clip)[1], strict=True):
            np.testing.assert_array_equal(one.frame.picture.rgb(), other.frame.picture.rgb())
            sizes = [[f.picture.nbytes for f in (*look.passed, look.frame)] for look in (one, other)]
            assert sizes[0] == sizes[1], "or a stretch would end elsewhere"


def test_frames_between_looks_are_shrunk_as_they_come_however_few_looks_there_are(tmp_path: Path) -> None:
    large = stamped_clip(tmp_path / "large.mp4", regular_times(12, rate_hz=5), width=1280, height=720)
    classifier = color_network().classifier
    width, height = classifier.analysis_size(1280, 720)
    with open_source(large, SourceConfig()) as source:
        sampler = make_sampler(SamplerConfig(rate=0.5), keep=Keeper(classifier).shrunk)
        looks = [one for one in sampler.looks(source.frames()) if isinstance(one, Look)]
    assert [len(look.passed) for look in looks] == [0, 9]
    assert {frame.picture.nbytes for frame in looks[1].passed} == {width * height * 3 // 2}


def test_where_little_moves_pictures_take_little(clip: Path) -> None:
    _, kept = watched(clip)
    pictures = [frame.picture for look in kept for frame in (*look.passed, look.frame) if not look.is_still]
    assert sum(picture.nbytes for picture in pictures) < 0.5 * len(pictures) * 160 * 120 * 1.5


def test_a_look_that_is_still_has_the_picture_that_it_shows_and_nothing_happened_before_it(clip: Path) -> None:
    _, kept = watched(clip)
    still = [number for number, look in enumerate(kept) if look.is_still]
    assert still
    for number in still:
        assert kept[number].frame.picture is kept[number - 1].frame.picture
        assert kept[number].passed == ()
