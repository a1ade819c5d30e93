"""Tiny clips in many containers and codecs, drawn here: what the campaign `media` damages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av import FFmpegError
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

PAIRS = {
    "h264.mp4": "libx264",
    "hevc.mp4": "libx265",
    "av1.mp4": "libsvtav1",
    "mjpeg.mov": "mjpeg",
    "vp9.mkv": "libvpx-vp9",
    "ffv1.mkv": "ffv1",
    "vp8.webm": "libvpx",
    "h264.ts": "libx264",
    "mpeg2.ts": "mpeg2video",
    "mpeg1.mpg": "mpeg1video",
    "mpeg4.avi": "mpeg4",
    "sorenson.flv": "flv",
    "wmv2.wmv": "wmv2",
    "vp8.ogv": "libvpx",
    "mpeg2.mxf": "mpeg2video",
}
"""Name of the clip and FFmpeg's name of its encoder; one that is not there is left out."""

SOUND = {"h264.mp4": "aac", "mjpeg.mov": "pcm_s16le", "vp9.mkv": "flac", "vp8.webm": "libopus", "h264.ts": "mp2"}
"""What the clips that have sound have it in."""

WIDTH, HEIGHT, RATE_HZ, SECONDS = 64, 48, 25, 2
SOUND_HZ, SOUND_BLOCK = 48_000, 960
_OPTIONS = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}


def draw_clips(folder: Path) -> dict[str, bytes]:
    """The content of every clip that can be encoded here, by name."""
    os.environ.setdefault("SVT_LOG", "1")  # else that encoder talks
    folder.mkdir(exist_ok=True)
    clips = {}
    for name, codec in PAIRS.items():
        path = folder / name
        try:
            _draw(path, codec)
        except (FFmpegError, ValueError):
            continue
        clips[name] = path.read_bytes()
    return clips


def _draw(path: Path, codec: str) -> None:
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=RATE_HZ, options=_OPTIONS.get(codec, {})))
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = 10
        sound = None
        if path.name in SOUND:
            sound = cast(AudioStream, container.add_stream(SOUND[path.name], rate=SOUND_HZ, layout="mono"))
        for index in range(SECONDS * RATE_HZ):
            frame = av.VideoFrame.from_ndarray(_picture(index), format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = index, Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
            if sound is not None:
                for block in _sounds(index):
                    container.mux(sound.encode(block))
        container.mux(stream.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))


def _sounds(index: int) -> Iterator[av.AudioFrame]:
    """The sound while one picture is shown: a tone."""
    blocks = SOUND_HZ // RATE_HZ // SOUND_BLOCK
    for number in range(index * blocks, (index + 1) * blocks):
        phase = 2 * np.pi * 440 / SOUND_HZ * np.arange(number * SOUND_BLOCK, (number + 1) * SOUND_BLOCK)
        block = av.AudioFrame.from_ndarray((9000 * np.sin(phase)).astype(np.int16)[None], format="s16", layout="mono")
        block.sample_rate, block.pts, block.time_base = SOUND_HZ, number * SOUND_BLOCK, Fraction(1, SOUND_HZ)
        yield block


def _picture(index: int) -> NDArray[np.uint8]:
    """A red quarter that stays, so that there is something to find, and a bar that moves."""
    picture = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
    picture[: HEIGHT // 2, : WIDTH // 2] = (220, 30, 30)
    left = (2 * index) % (WIDTH - 8)
    picture[HEIGHT // 2 :, left : left + 8] = 220
    return picture
