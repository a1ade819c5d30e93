"""Cut clips, frame by frame: every picture says when it was shown in the source."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from media import read_stamp, regular_times, stamped_clip, with_mp2, write_clip

from streamfilter.cutting import CutResult, Hidden, cut_video, hide_in_video
from streamfilter.errors import SinkError, SourceError
from streamfilter.types import Box, Candidate, Event, Evidence, Exposure, TrackPoint

WANTED = [(0.5, 0.83), (1.2, 2.43), (3.01, 3.05)]
COUNT = 100


def stamps(path: Path) -> list[tuple[float, float]]:
    """Of every frame: when it is shown, from the container's start, and when it was in the source."""
    with av.open(str(path)) as container:
        start = Fraction(container.start_time or 0, 1_000_000)
        frames = [(f.pts * f.time_base - start, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    return [(float(time), read_stamp(pixels)) for time, pixels in frames]


def cut_both(source: Path, suffix: str = ".mp4") -> tuple[CutResult, CutResult]:
    kept = cut_video(str(source), source.with_name("kept" + suffix), WANTED)
    dropped = cut_video(str(source), source.with_name("dropped" + suffix), WANTED, mode="drop")
    return kept, dropped


def check_pair(kept: CutResult, dropped: CutResult, times: list[float]) -> None:
    """Every frame of the source is in exactly one of the two, and both play evenly."""
    both = [stamps(kept.path), stamps(dropped.path)]
    assert sorted(stamp for part in both for _, stamp in part) == pytest.approx(times, abs=1e-3)
    for part, result in zip(both, (kept, dropped), strict=True):
        assert [stamp for _, stamp in part] == sorted(stamp for _, stamp in part)
        assert np.diff([time for time, _ in part]) == pytest.approx(0.04, abs=1.1e-3)
        assert part[-1][0] + 0.04 == pytest.approx(result.length_s, abs=2e-3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize(("container", "b_frames"), [("mp4", 0), ("mkv", 3), ("ts", 2)])
def test_keep_and_drop_together_hold_every_frame_once(
    tmp_path: Path, container: str, b_frames: int, suffix: str
) -> None:
    times = regular_times(COUNT)
    source = stamped_clip(tmp_path / f"clip.{container}", times, b_frames=b_frames)
    kept, dropped = cut_both(source, suffix)
    assert kept.reason is None
    assert dropped.reason is None
    assert min(kept.copied, dropped.copied) > 0
    check_pair(kept, dropped, times)
    wanted_s = sum(end_s - start_s for start_s, end_s in WANTED)
    assert kept.length_s == pytest.approx(wanted_s, abs=0.04)


CODECS = {
    "libx265": {"x265-params": "log-level=none:open-gop=0", "preset": "ultrafast", "crf": "12"},
    "libvpx-vp9": {"crf": "10", "b": "0", "deadline": "realtime", "cpu-used": "8", "lag-in-frames": "12"},
    "mpeg2video": {"q": "2", "flags": "+cgop", "sc_threshold": "1000000000"},
    "mjpeg": {"q": "2"},
}


@pytest.mark.parametrize(
    ("codec", "container", "suffix"),
    [
        ("libx265", "mp4", ".mp4"),
        ("libx265", "ts", ".mkv"),
        ("libx265", "mkv", ".ts"),
        ("libvpx-vp9", "webm", ".mp4"),
        ("libvpx-vp9", "mkv", ".mkv"),
        ("mpeg2video", "ts", ".ts"),
        ("mpeg2video", "mpg", ".mkv"),
        ("mjpeg", "mkv", ".mkv"),
    ],
)
def test_other_codecs_are_copied_but_for_the_edges_too(tmp_path: Path, codec: str, container: str, suffix: str) -> None:
    times = regular_times(COUNT)
    b_frames = 2 if codec in ("libx265", "mpeg2video") else 0
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    source = stamped_clip(
        tmp_path / f"clip.{container}",
        times,
        codec=codec,
        options=CODECS[codec],
        b_frames=b_frames,
        pixel_format=pixels,
    )
    kept, dropped = cut_both(source, suffix)
    assert kept.reason is None
    assert dropped.reason is None
    assert min(kept.copied, dropped.copied) > 0
    assert (kept.encoded == 0) == (codec == "mjpeg")
    check_pair(kept, dropped, times)


@pytest.mark.parametrize(("codec", "suffix"), [("mpeg4", "mp4"), ("libvpx-vp9", "ts")])
def test_what_cannot_be_copied_is_encoded_anew_and_it_is_said(tmp_path: Path, codec: str, suffix: str) -> None:
    times = regular_times(COUNT)
    source = stamped_clip(tmp_path / "clip.mkv", times, codec=codec, options=CODECS.get(codec, {"q": "2"}))
    kept, dropped = cut_both(source, "." + suffix)
    assert kept.reason is not None
    assert kept.copied == 0
    check_pair(kept, dropped, times)


@pytest.mark.parametrize("codec", ["libx265", "mpeg2video"])
def test_open_groups_of_other_codecs_are_never_torn_apart(tmp_path: Path, codec: str) -> None:
    times = regular_times(COUNT)
    options = {"x265-params": "log-level=none:open-gop=1"} if codec == "libx265" else {"q": "2"}
    source = stamped_clip(tmp_path / "clip.mkv", times, codec=codec, options=options, b_frames=2)
    check_pair(*cut_both(source, ".mkv"), times)


def test_a_turned_clip_is_encoded_anew_upright(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", regular_times(50), rotation_degrees=180)
    kept = cut_video(str(source), tmp_path / "kept.mp4", [(0.4, 0.8)])
    assert kept.reason == "its pictures are turned"
    assert len(stamps(kept.path)) == 10


def test_an_open_group_is_never_torn_apart(tmp_path: Path) -> None:
    times = regular_times(COUNT)
    options = {"x264-params": "open-gop=1:scenecut=0"}
    source = stamped_clip(tmp_path / "clip.mkv", times, b_frames=3, options=options)
    check_pair(*cut_both(source), times)


def test_irregular_times_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.05, 0.3, 0.31, 0.9, 1.7, 2.5, 2.6]
    source = stamped_clip(tmp_path / "clip.mp4", times)
    kept = cut_video(str(source), tmp_path / "kept.mp4", [(0.05, 1.7)])
    found = stamps(kept.path)
    assert [stamp for _, stamp in found] == pytest.approx(times[2:6], abs=1e-3)
    assert [time for time, _ in found] == pytest.approx([time - 0.05 for time in times[2:6]], abs=1e-3)


def test_pictures_between_the_cuts_are_the_sources_own_bits(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", regular_times(COUNT), b_frames=2)
    kept = cut_video(str(source), tmp_path / "kept.mp4", [(0.5, 2.4)])

    def packets(path: Path) -> set[bytes]:
        with av.open(str(path)) as container:
            return {bytes(packet) for packet in container.demux(video=0) if packet.size}

    assert len(packets(source) & packets(kept.path)) == kept.copied > 24


def flashes_and_beeps(path: Path) -> Path:
    """White pictures and a loud tone, both from 1.0 to 1.2 s and from 3.0 to 3.2 s, else black and silent."""

    def is_on(time_s: float) -> bool:
        return 1.0 <= time_s % 2 < 1.2

    pictures = ((t, np.full((48, 64, 3), 235 if is_on(t) else 16, np.uint8)) for t in regular_times(COUNT))
    silent = write_clip(path.with_name("silent.mp4"), pictures)
    with av.open(str(silent)) as images, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(images.streams.video[0])
        sound = out.add_stream("aac" if path.suffix == ".mp4" else "pcm_s16le", rate=16000, layout="mono")
        for packet in images.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
        samples = np.arange(4 * 16000) / 16000
        tone = np.where((samples % 2 >= 1.0) & (samples % 2 < 1.2), np.sin(samples * 2 * np.pi * 880), 0)
        for begin in range(0, len(tone), 1024):
            block = (tone[None, begin : begin + 1024] * 20000).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, begin, Fraction(1, 16000)
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return path


def onsets(path: Path) -> tuple[list[float], list[float]]:
    """When the picture turns white and when the tone begins, seconds."""
    with av.open(str(path)) as container:
        light = [(float(f.time or 0), f.to_ndarray(format="gray").mean() > 120) for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        loud = [
            (float(f.time or 0) + 0.004 * n, bool(np.abs(part).max() > 0.2))
            for f in container.decode(audio=0)
            for n, part in enumerate(np.array_split(_mono(f), max(1, f.samples // 64)))
        ]
    return _rises(light), _rises(loud)


def _mono(frame: av.AudioFrame) -> Any:
    data = frame.to_ndarray().reshape(-1).astype(float)
    return data / 32768 if frame.format.name.startswith("s16") else data


def _rises(states: list[tuple[float, bool]]) -> list[float]:
    befores = [False, *(state for _, state in states)]
    return [time for (time, now), before in zip(states, befores, strict=False) if now and not before]


@pytest.mark.parametrize(("container", "out"), [("mp4", "mp4"), ("mkv", "mp4"), ("mkv", "mkv")])
def test_sound_stays_in_step_behind_cuts(tmp_path: Path, container: str, out: str) -> None:
    source = flashes_and_beeps(tmp_path / f"clip.{container}")
    cut = cut_video(str(source), tmp_path / f"out.{out}", [(0.3, 1.5), (2.6, 3.9)])
    light, loud = onsets(cut.path)
    assert light == pytest.approx([0.7, 1.6], abs=0.041)
    assert loud == pytest.approx(light, abs=0.075), "an AAC packet at 16 kHz lasts 64 ms"


def test_sound_that_changes_its_kind_is_cut_like_any_other(tmp_path: Path) -> None:
    clip = stamped_clip(tmp_path / "plain.mkv", regular_times(COUNT))
    source = with_mp2(clip, tmp_path / "clip.mkv", rates=(44_100, 48_000), seconds=1.0)
    cut = cut_video(str(source), tmp_path / "out.mp4", [(0.2, 1.8)])
    with av.open(str(cut.path)) as container:
        heard = np.concatenate([_mono(frame) for frame in container.decode(audio=0)])
    assert len(heard) / 44_100 == pytest.approx(1.6, abs=0.05)
    for part in np.array_split(heard, 4):
        assert np.abs(part).max() == pytest.approx(0.5, abs=0.15)


def with_subtitles(path: Path, clip: Path) -> Path:
    """The clip with SubRip texts from 0.2 to 1.0 s and from 1.5 to 2.8 s."""
    said = path.with_suffix(".srt")
    said.write_text("1\n00:00:00,200 --> 00:00:01,000\none\n\n2\n00:00:01,500 --> 00:00:02,800\ntwo\n")
    with av.open(str(clip)) as images, av.open(str(said)) as texts, av.open(str(path), "w") as out:
        packets = []
        for stream in (images.streams.video[0], texts.streams.subtitles[0]):
            target = out.add_stream_from_template(stream)
            for packet in stream.container.demux(stream):
                if packet.size:
                    packet.stream = target
                    packets.append(packet)
        for packet in sorted(packets, key=lambda one: one.dts * one.time_base):
            out.mux(packet)
    return path


def test_subtitles_are_cut_to_the_parts_that_stay(tmp_path: Path) -> None:
    clip = stamped_clip(tmp_path / "clip.mkv", regular_times(COUNT))
    source = with_subtitles(tmp_path / "said.mkv", clip)
    cut = cut_video(str(source), tmp_path / "out.mkv", [(0.6, 1.6), (2.0, 3.0)])
    with av.open(str(cut.path)) as container:
        said = [
            (bytes(p), float(p.pts * p.time_base), float(p.duration * p.time_base))
            for p in container.demux(container.streams.subtitles[0])
            if p.size
        ]
    assert [(text, round(at, 3), round(length, 3)) for text, at, length in said] == [
        (b"one", 0.0, 0.4),
        (b"two", 0.9, 0.1),
        (b"two", 1.0, 0.8),
    ]


def test_what_a_container_cannot_hold_is_told(tmp_path: Path) -> None:
    clip = stamped_clip(tmp_path / "clip.mkv", regular_times(50))
    source = with_subtitles(tmp_path / "said.mkv", clip)
    assert cut_video(str(source), tmp_path / "out.mp4", [(0.4, 0.8)]).left_out == ("subrip subtitles",)


def test_a_cut_that_leaves_nothing_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", regular_times(10))
    with pytest.raises(SourceError, match="nothing"):
        cut_video(str(source), tmp_path / "out.mp4", [(5.0, 6.0)])
    with pytest.raises(SinkError, match=r"\.mp4"):
        cut_video(str(source), tmp_path / "out.webm", [(0.0, 0.2)])
    assert os.listdir(tmp_path) == ["clip.mp4"]  # noqa: PTH208 - names are all that is asked for


def hidden_event(start_s: float, end_s: float) -> Event:
    box = Box(0.4, 0.4, 0.2, 0.3)
    best = Candidate(box, "a", 0.9, 0.1, 1.0, 50.0)
    exposure = Exposure(1, 1, 0.1, 0.1, 0.5, 0.5, 1.0)
    track = (TrackPoint(start_s, box, 0.9),)
    return Event("a", start_s, end_s, 0, 1, 0, 0.9, best, Evidence(1, 1, {}, 0.0, 1.0), exposure, track)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_only_what_is_hidden_changes(tmp_path: Path, codec: str) -> None:
    options = {} if codec == "libx264" else {"q": "2"}
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 1), dtype=np.uint8).repeat(3, axis=2)
    still = ((time_s, noise) for time_s in regular_times(COUNT))
    source = write_clip(tmp_path / "clip.mp4", still, codec=codec, options=options)
    hidden = Hidden((hidden_event(2.0, 2.2),), "pixelate", margin=0.0, lead_s=0.1)
    result = hide_in_video(str(source), tmp_path / "out.mp4", hidden)
    before, after = pictures(source), pictures(result.path)
    changes = [np.abs(old - new) for old, new in zip(before, after, strict=True)]
    changed = [number / 25 for number, change in enumerate(changes) if change[48:84, 64:96].mean() > 30]
    assert changed == pytest.approx([t for t in regular_times(COUNT) if 1.9 <= t < 2.3])
    assert max(change[:40].mean() for change in changes) < 15
    assert (result.copied > 50) == (codec == "libx264")


def pictures(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]
