"""Frames carry the time at which a player shows them: proved on clips whose pictures spell their own time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from media import read_stamp, regular_times, stamped_clip

from streamfilter.config import SourceConfig
from streamfilter.errors import SourceError
from streamfilter.source import open_source
from streamfilter.stages import SourceCounts
from streamfilter.types import Frame, Gap

IRREGULAR_S = [0.0, 0.04, 0.1, 0.5, 0.52, 1.2, 1.24, 1.9, 2.0]
# Matroska and FLV count milliseconds, all others finer.
TOLERANCE_S = 0.0011


def read(
    path: Path, config: SourceConfig | None = None, *, keyframes_only: bool = False
) -> tuple[list[Frame], list[Gap], SourceCounts]:
    with open_source(path, config or SourceConfig(), keyframes_only=keyframes_only) as source:
        items = list(source.frames())
        frames = [item for item in items if isinstance(item, Frame)]
        return frames, [item for item in items if isinstance(item, Gap)], source.counts


def assert_times_are_true(frames: list[Frame], *, shift_s: float = 0.0) -> None:
    for frame in frames:
        assert frame.time_s == pytest.approx(read_stamp(frame.picture.rgb()) + shift_s, abs=TOLERANCE_S)
    assert all(before.time_s < after.time_s for before, after in pairwise(frames))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts", "flv", "avi", "webm"])
def test_every_container_gives_the_times_at_which_its_pictures_are_shown(tmp_path: Path, suffix: str) -> None:
    codec = "libvpx" if suffix == "webm" else "libx264"
    path = stamped_clip(tmp_path / f"clip.{suffix}", IRREGULAR_S, codec=codec)
    frames, gaps, counts = read(path)
    assert_times_are_true(frames)
    assert [round(frame.time_s, 2) for frame in frames] == IRREGULAR_S
    assert not gaps
    assert counts.decode_errors == 0


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_b_frames_come_in_the_order_in_which_they_are_shown(tmp_path: Path, suffix: str) -> None:
    path = stamped_clip(tmp_path / f"clip.{suffix}", regular_times(50), b_frames=2)
    frames, _, _ = read(path)
    assert len(frames) == 50
    assert_times_are_true(frames)


def test_a_stream_that_starts_after_its_sound_keeps_its_delay(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(25, start_s=1.5), audio_s=3.0)
    frames, _, _ = read(path)
    assert frames[0].time_s == pytest.approx(1.5, abs=TOLERANCE_S)
    assert_times_are_true(frames)


def test_a_containers_start_is_taken_off(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.ts", regular_times(25, start_s=30.0), b_frames=2)
    frames, _, _ = read(path)
    assert frames[0].time_s == 0.0
    assert_times_are_true(frames, shift_s=-30.0)


def test_time_is_pts_in_its_time_base_less_the_containers_start(tmp_path: Path) -> None:
    frames, _, _ = read(stamped_clip(tmp_path / "clip.ts", IRREGULAR_S))
    start = frames[0].pts
    assert [frame.time_s for frame in frames] == [float((f.pts - start) * f.time_base) for f in frames]


def test_frames_without_pts_are_counted_and_follow_the_rate(tmp_path: Path) -> None:
    frames, _, counts = read(stamped_clip(tmp_path / "raw.h264", regular_times(50), b_frames=2))
    assert counts.frames_without_pts == 50
    assert_times_are_true(frames)


def test_avi_leaves_pictures_out_without_losing_time(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.avi", [0.0, 0.04, 0.08, 1.0, 1.04, 3.0])
    frames, _, counts = read(path)
    assert_times_are_true(frames)
    assert counts.frames_without_pts == 6


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "flv"])
def test_a_part_holds_the_same_frames_and_times_as_the_whole(tmp_path: Path, suffix: str) -> None:
    path = stamped_clip(tmp_path / f"clip.{suffix}", regular_times(200), b_frames=2, gop=40)
    whole, _, _ = read(path)
    part, gaps, _ = read(path, SourceConfig(start_s=3.01, end_s=5.0))
    assert [f.time_s for f in part] == [f.time_s for f in whole if 3.01 <= f.time_s < 5.0]
    assert_times_are_true(part)
    assert not gaps


def test_a_part_beyond_the_end_is_an_error_that_says_how_long_the_file_is(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(50))
    with pytest.raises(SourceError, match=r"between 60 s and its end \(it lasts 2\.00 s\)"):
        read(path, SourceConfig(start_s=60))


def test_key_frames_alone_keep_their_times(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(100), gop=25, options={"x264-params": "scenecut=0"})
    frames, gaps, counts = read(path, keyframes_only=True)
    assert [round(frame.time_s, 2) for frame in frames] == [0.0, 1.0, 2.0, 3.0]
    assert all(frame.is_key for frame in frames)
    assert not gaps
    assert counts.ended_early_s == 0
    assert_times_are_true(frames)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_frames_that_no_other_needs_may_be_left_out_and_the_others_keep_their_times(
    tmp_path: Path, suffix: str
) -> None:
    path = stamped_clip(tmp_path / f"clip.{suffix}", regular_times(60), b_frames=2)
    frames, gaps, counts = read(path, SourceConfig(discard="nonref"))
    assert_times_are_true(frames)
    assert (len(frames) == 60) if suffix == "avi" else (20 <= len(frames) < 45)  # AVI has no times of its own
    assert not gaps
    assert (counts.decode_errors, counts.ended_early_s) == (0, 0)


def test_a_clock_that_jumps_back_goes_on_and_leaves_a_gap(tmp_path: Path) -> None:
    first = stamped_clip(tmp_path / "a.ts", regular_times(50))
    second = stamped_clip(tmp_path / "b.ts", regular_times(25), width=320, height=240)
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    frames, gaps, counts = read(both)
    assert [round(frame.time_s, 2) for frame in frames] == [round(time_s, 2) for time_s in regular_times(75)]
    assert [(round(gap.start_s, 2), gap.cause) for gap in gaps] == [(2.0, "clock_jump")]
    assert any("160×120 to 320×240" in note for note in counts.notes)
    assert any("clock jumped" in note for note in counts.notes)
    assert {(frame.picture.width, frame.picture.height) for frame in frames} == {(160, 120), (320, 240)}


def test_after_a_jump_of_the_clock_a_part_still_has_true_times(tmp_path: Path) -> None:
    clip = stamped_clip(tmp_path / "a.ts", regular_times(50)).read_bytes()
    both = tmp_path / "both.ts"
    both.write_bytes(clip + clip)
    whole, _, _ = read(both)
    part, _, _ = read(both, SourceConfig(start_s=3.0))
    assert [f.time_s for f in part] == [f.time_s for f in whole if f.time_s >= 3.0]


def test_interlaced_frames_keep_their_number_and_times(tmp_path: Path) -> None:
    how: dict[str, Any] = {"interlaced": True, "options": {"x264-params": "tff=1"}}
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(30), **how)
    for mode in ("auto", "never", "always"):
        frames, _, _ = read(path, SourceConfig(deinterlace=mode))
        assert len(frames) == 30
        assert_times_are_true(frames)
