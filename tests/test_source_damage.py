"""Damage costs the frames it hit, is counted, and never ends the file before its end."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from media import regular_times, stamped_clip
from test_source_times import assert_times_are_true, read

from streamfilter.config import SourceConfig
from streamfilter.errors import SourceError
from streamfilter.source import open_source
from streamfilter.types import Frame


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_file_that_ends_early_says_by_how_much(tmp_path: Path, suffix: str) -> None:
    whole = stamped_clip(
        tmp_path / f"whole.{suffix}",
        regular_times(200),
        container_options={"movflags": "faststart"} if suffix == "mp4" else {},
    ).read_bytes()
    path = tmp_path / f"clip.{suffix}"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    frames, gaps, counts = read(path)
    last_s = frames[-1].time_s + 0.04
    assert 2 < last_s < 6.5
    assert gaps[-1].cause == "ended_early"
    assert gaps[-1].end_s == pytest.approx(8.0, abs=0.05)
    assert counts.ended_early_s == pytest.approx(8.0 - last_s, abs=0.2)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv"])
def test_sound_that_is_longer_than_the_picture_is_no_early_end(tmp_path: Path, suffix: str) -> None:
    path = stamped_clip(tmp_path / f"clip.{suffix}", regular_times(50), audio_s=9.0)
    _, gaps, counts = read(path)
    assert not gaps
    assert counts.ended_early_s == 0


def test_one_bad_packet_costs_one_frame_and_leaves_a_gap(tmp_path: Path) -> None:
    path = stamped_clip(tmp_path / "clip.mp4", regular_times(50), gop=1, codec="mjpeg", pixel_format="yuvj420p")
    data = path.read_bytes()
    starts = [place for place in range(len(data)) if data[place : place + 3] == b"\xff\xd8\xff"]
    begin, end = starts[20], starts[21]
    path.write_bytes(data[:begin] + bytes(end - begin) + data[end:])
    frames, gaps, counts = read(path)
    assert counts.decode_errors == 1
    assert len(frames) == 49
    assert [(gap.start_s, gap.end_s, gap.cause) for gap in gaps] == [(0.8, 0.84, "decode_error")]
    assert_times_are_true(frames)


def test_lost_transport_packets_leave_gaps_and_true_times(tmp_path: Path) -> None:
    data = stamped_clip(tmp_path / "whole.ts", regular_times(200), b_frames=2).read_bytes()
    path = tmp_path / "clip.ts"
    packets = [data[place : place + 188] for place in range(0, len(data), 188)]
    middle = len(packets) // 2
    path.write_bytes(b"".join(packets[:middle] + packets[middle + 40 :]))
    frames, gaps, counts = read(path)
    assert frames[-1].time_s == pytest.approx(7.96)
    assert any(gap.cause == "decode_error" and gap.end_s - gap.start_s > 0.04 for gap in gaps)
    assert counts.frames == len(frames) < 200


def test_a_capture_that_starts_between_key_frames_begins_with_a_gap(tmp_path: Path) -> None:
    data = stamped_clip(
        tmp_path / "whole.ts", regular_times(100), gop=50, options={"x264-params": "scenecut=0"}
    ).read_bytes()
    path = tmp_path / "clip.ts"
    path.write_bytes(data[: 188 * 2] + data[len(data) // 4 // 188 * 188 :])
    frames, gaps, _ = read(path)
    assert gaps[0].start_s == 0.0
    assert gaps[0].end_s == frames[0].time_s > 0.5
    assert gaps[0].cause == "decode_error"


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_raises_anything_but_a_source_error(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    suffix = ["mp4", "mkv", "ts", "avi", "flv"][seed % 5]
    data = bytearray(stamped_clip(tmp_path / f"clip.{suffix}", regular_times(60), b_frames=2, audio_s=2.4).read_bytes())
    for _ in range(10 ** (seed % 4)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    if seed % 3 == 0:
        hole = rng.randrange(len(data))
        del data[hole : hole + rng.randrange(len(data) // 3)]
    path = tmp_path / f"damaged.{suffix}"
    path.write_bytes(data)
    last_s = -1.0
    with suppress(SourceError), open_source(path, SourceConfig()) as source:
        for item in source.frames():
            if isinstance(item, Frame):
                assert item.time_s > last_s
                last_s = item.time_s
                assert item.picture.luma(16, 9).shape == (9, 16)


EXPECTED_ERRORS = {
    "audio_only.m4a": "holds no video",
    "invalid-bitstream.webm": "no picture",
    "long_edit_list_audioonly.mp4": "holds no video",
    "random_bytes.mp4": "cannot read",
    "text_named.mp4": "cannot read",
    "ts_starts_mid_gop.ts": "no picture",
    "zero_length.mp4": "is empty",
}


def test_every_awkward_file_gives_frames_in_order_or_one_clear_error(test_data: Path) -> None:
    paths = sorted((test_data / "video" / "awkward").iterdir())
    assert paths
    for path in paths:
        if path.name in EXPECTED_ERRORS:
            with pytest.raises(SourceError, match=EXPECTED_ERRORS[path.name]):
                read(path)
        else:
            frames, _, _ = read(path)
            times = [frame.time_s for frame in frames]
            assert times == sorted(set(times))
            assert times[0] >= 0


def test_a_truncated_advert_says_how_much_is_missing(test_data: Path) -> None:
    frames, gaps, counts = read(test_data / "video" / "awkward" / "truncated_60pct_moov_first.mp4")
    assert frames[-1].time_s == pytest.approx(17.476, abs=0.001)
    assert gaps[-1].cause == "ended_early"
    assert counts.ended_early_s == pytest.approx(12.6, abs=0.1)


def test_an_interlaced_capture_that_starts_between_key_frames_gives_its_four_frames(test_data: Path) -> None:
    frames, gaps, _ = read(test_data / "video" / "labelled" / "tv_france2_hd_interlaced.ts")
    assert [round(frame.time_s, 2) for frame in frames] == pytest.approx([1.55, 1.67, 1.75, 1.87], abs=0.1)
    assert [(round(gap.end_s, 2), gap.cause) for gap in gaps] == [(1.55, "decode_error")]
