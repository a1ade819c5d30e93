"""The annotated video as a file: every frame at its own time, the same size, its sound, whole or not at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from media import copy_pictures, read_stamp, regular_times, stamped_clip, with_mp2, write_clip

from streamfilter.annotate import annotate_video
from streamfilter.annotate.video import fitted
from streamfilter.config import AnnotateConfig, SourceConfig
from streamfilter.errors import SinkError, SourceError
from streamfilter.types import Box, Candidate, Event, Evidence, Exposure, Pixels, TrackPoint

IRREGULAR = [0.0, 0.04, 0.05, 0.3, 0.31, 0.9, 1.7, 1.7004, 2.5]
PLAIN = AnnotateConfig(timeline=False)


def event(start_s: float, end_s: float, box: Box = Box(0.0, 0.05, 0.3, 0.1)) -> Event:  # noqa: B008 - a constant
    best = Candidate(box, "a", 0.9, 0.1, 1.0, 50.0)
    exposure = Exposure(1, 1, 0.1, 0.1, 0.5, 0.5, 1.0)
    track = (TrackPoint(start_s, box, 0.9), TrackPoint(end_s, box, 0.9))
    return Event("a", start_s, end_s, 0, 1, 0, 0.9, best, Evidence(1, 1, {}, 0.0, 1.0), exposure, track)


def frames_of(path: Path) -> list[tuple[Fraction, Pixels]]:
    """Time in seconds from the container's start, and picture, of every frame."""
    with av.open(str(path)) as container:
        start = Fraction(container.start_time or 0, 1_000_000)
        return [(f.pts * f.time_base - start, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def times_of(path: Path) -> list[Fraction]:
    return [time for time, _ in frames_of(path)]


def annotated(source: Path, events: list[Event] | None = None, **how: Any) -> Path:
    out = source.with_name("out") / f"{source.stem}.mp4"
    out.parent.mkdir(exist_ok=True)
    annotate_video(source, events or [], out=out, config=how.pop("config", PLAIN), **how)
    assert [path.name for path in out.parent.iterdir()] == [out.name], "nothing is left beside it"
    return out


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_irregular_times_are_kept_exactly(tmp_path: Path, suffix: str) -> None:
    times = [round(t, 3) for t in IRREGULAR if t != 1.7004]
    source = stamped_clip(tmp_path / f"clip.{suffix}", times)
    out = annotated(source)
    assert times_of(out) == times_of(source)
    assert [float(t) for t in times_of(out)] == pytest.approx(times, abs=1e-5)


def test_times_finer_than_a_millisecond_are_kept_exactly(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", IRREGULAR)
    assert times_of(annotated(source)) == times_of(source)


def test_every_picture_is_at_its_own_time(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", regular_times(50, rate_hz=25), b_frames=2)
    for time, pixels in frames_of(annotated(source)):
        assert read_stamp(pixels) == pytest.approx(float(time), abs=1e-3)


@pytest.mark.parametrize("size", [(160, 120), (161, 121), (160, 121), (320, 180)])
def test_the_size_is_kept_but_for_a_pixel_that_makes_it_even(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    source = stamped_clip(
        tmp_path / "clip.mkv", [0.0, 0.1], width=width, height=height, codec="ffv1", pixel_format="yuv444p"
    )
    _, pixels = frames_of(annotated(source))[0]
    assert pixels.shape == (height + height % 2, width + width % 2, 3)
    assert read_stamp(pixels[:height, :width]) == 0.0


def test_a_turned_clip_is_written_upright(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", [0.0, 0.5, 1.0], rotation_degrees=90)
    _, pixels = frames_of(annotated(source))[0]
    assert pixels.shape == (160, 120, 3)
    with av.open(str(annotated(source))) as container:
        assert next(container.decode(video=0)).rotation == 0


def test_wide_pixels_become_square_ones(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", [0.0, 0.5], sample_aspect=Fraction(4, 3))
    _, pixels = frames_of(annotated(source))[0]
    assert pixels.shape[:2] == (120, 214)


def test_the_box_is_drawn_from_its_first_frame_to_just_before_its_end(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", regular_times(50, rate_hz=25))
    plain = dict(frames_of(annotated(source)))
    drawn = [
        float(time)
        for time, pixels in frames_of(annotated(source, [event(0.4, 1.2)]))
        if np.abs(pixels[:30, :60].astype(int) - plain[time][:30, :60]).mean() > 5
    ]
    assert drawn == pytest.approx([t for t in regular_times(50, rate_hz=25) if 0.4 <= t < 1.2])


def test_sound_that_browsers_play_is_copied_bit_for_bit(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", regular_times(50), audio_s=2.0)
    name, packets = sound_of(source)
    copied, copies = sound_of(annotated(source))
    assert (name, copied) == ("aac", "aac")
    assert copies == packets


def test_other_sound_becomes_aac_of_the_same_length(tmp_path: Path) -> None:
    source = with_pcm(stamped_clip(tmp_path / "plain.mkv", regular_times(50)), tmp_path / "clip.mkv", seconds=2.0)
    with av.open(str(annotated(source))) as container:
        frames = list(container.decode(audio=0))
        assert container.streams.audio[0].codec_context.name == "aac"
    length_s = sum(frame.samples / frame.sample_rate for frame in frames)
    assert length_s == pytest.approx(2.0, abs=0.05)
    loudest = max(float(np.abs(frame.to_ndarray()).max()) for frame in frames[2:-2])
    assert loudest == pytest.approx(0.5, abs=0.15)


def test_sound_that_changes_its_kind_in_mid_stream_is_kept_to_its_end(tmp_path: Path) -> None:
    pictures = stamped_clip(tmp_path / "plain.mkv", regular_times(50))
    source = with_mp2(pictures, tmp_path / "clip.mkv", rates=(44_100, 48_000), seconds=1.0)
    with av.open(str(source)) as container:
        assert {frame.sample_rate for frame in container.decode(audio=0)} == {44_100, 48_000}
    with av.open(str(annotated(source))) as container:
        frames = list(container.decode(audio=0))
    assert sum(frame.samples / frame.sample_rate for frame in frames) == pytest.approx(2.0, abs=0.1)
    loud = [float(np.abs(frame.to_ndarray()).max()) for frame in frames]
    assert loud[len(loud) // 4] == pytest.approx(0.5, abs=0.15)
    assert loud[3 * len(loud) // 4] == pytest.approx(0.5, abs=0.15)


def test_sound_stays_in_step_with_the_pictures(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", regular_times(50), audio_s=1.0, audio_start_s=0.5)
    starts = [first_sound(path) for path in (source, annotated(source))]
    assert starts[0] == pytest.approx(starts[1], abs=0.03)
    assert starts[0] > 0.4


def test_only_the_part_that_was_read_is_written_and_begins_at_zero(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", regular_times(75, rate_hz=25), audio_s=3.0)
    out = annotated(source, part=SourceConfig(start_s=1.0, end_s=2.0))
    frames = frames_of(out)
    assert [float(time) for time, _ in frames] == pytest.approx(regular_times(25, rate_hz=25), abs=1e-4)
    assert read_stamp(frames[0][1]) == pytest.approx(1.0)
    with av.open(str(out)) as container:
        sound = list(container.decode(audio=0))
    assert sum(frame.samples / frame.sample_rate for frame in sound) == pytest.approx(1.0, abs=0.13)


def test_browsers_can_play_it_while_it_loads(tmp_path: Path) -> None:
    out = annotated(stamped_clip(tmp_path / "clip.mp4", regular_times(50)))
    data = out.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    with av.open(str(out)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")


@pytest.mark.parametrize(("height", "matrix"), [(120, 6), (720, 1)])
def test_colours_are_kept_and_tagged(tmp_path: Path, height: int, matrix: int) -> None:
    color = (200, 40, 60)
    picture = np.full((height, 160, 3), color, np.uint8)
    source = write_clip(tmp_path / "clip.mkv", [(0.0, picture), (0.1, picture)], codec="ffv1", pixel_format="bgr0")
    out = annotated(source)
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
        assert int(frame.colorspace) == matrix
        shown = frame.to_ndarray(format="rgb24")[height // 2, 80]
    assert shown.tolist() == pytest.approx(color, abs=4)


def test_an_old_video_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", regular_times(50))
    out = tmp_path / "seen.mp4"
    out.write_text("old")

    def fail(time_s: float) -> None:
        assert out.read_text() == "old"
        if time_s > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate_video(source, [], out=out, config=PLAIN, watch=fail)
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "seen.mp4"]
    annotate_video(source, [], out=out, config=PLAIN)
    assert len(times_of(out)) == 50


def test_a_folder_that_is_not_there_is_a_sink_error(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", [0.0, 0.1])
    with pytest.raises(SinkError, match="No such file"):
        annotate_video(source, [], out=tmp_path / "missing" / "out.mp4", config=PLAIN)


def test_a_part_without_pictures_is_a_source_error(tmp_path: Path) -> None:
    source = stamped_clip(tmp_path / "clip.mp4", regular_times(10))
    with pytest.raises(SourceError):
        annotate_video(source, [], out=tmp_path / "out.mp4", config=PLAIN, part=SourceConfig(start_s=50))
    assert not (tmp_path / "out.mp4").exists()


def test_a_picture_of_another_shape_gets_borders() -> None:
    class Tall:
        width, height = 60, 120

        def rgb(self, width: int | None = None, height: int | None = None) -> Pixels:
            return np.full((height or 120, width or 60, 3), 200, np.uint8)

        def luma(self, width: int, height: int) -> Pixels:
            return np.full((height, width), 200, np.uint8)

    pixels = fitted(Tall(), 160, 120)
    assert pixels.shape == (120, 160, 3)
    columns = np.flatnonzero((pixels == 200).all(axis=(0, 2)))
    assert (columns[0], columns[-1]) == (50, 109)


def sound_of(path: Path) -> tuple[str, list[bytes]]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return stream.codec_context.name, [bytes(packet) for packet in container.demux(stream) if packet.size]


def first_sound(path: Path) -> float:
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = np.abs(frame.to_ndarray()[0])
            if samples.max() > 0.05:
                return float(frame.pts * frame.time_base) + float(np.argmax(samples > 0.05)) / frame.sample_rate
    raise AssertionError("silent")


def with_pcm(video: Path, path: Path, *, seconds: float, rate: int = 22_050) -> Path:
    """The same pictures with uncompressed sound, a tone of half the full loudness."""
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        sound = target.add_stream("pcm_s16le", rate=rate, layout="mono")
        copy_pictures(source, target)
        wave = np.sin(np.arange(round(seconds * rate)) * 440 * 2 * np.pi / rate) * 0.5
        frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
    return path
