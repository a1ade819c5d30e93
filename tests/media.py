"""Clips whose truth is known, because we draw them.

`write_clip` writes any pictures at any times; the other functions draw pictures that say when they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from streamfilter.types import Pixels

TIME_BASE = Fraction(1, 90_000)
_BITS = 16
_SAMPLE_RATE_HZ = 16_000


def write_clip(
    path: Path,
    pictures: Iterable[tuple[float, Pixels]],
    *,
    codec: str = "libx264",
    rate_hz: float = 25,
    pixel_format: str = "yuv420p",
    sample_aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    gop: int = 12,
    b_frames: int = 0,
    interlaced: bool = False,
    audio_s: float | None = None,
    audio_start_s: float = 0.0,
    rotation_degrees: float = 0,
    hflip: bool = False,
    vflip: bool = False,
) -> Path:
    """Write `(time_s, (H, W, 3) uint8 RGB)` pictures at exactly those times; the suffix of `path` names the container.

    `rate_hz` only sets how long the last picture lasts. `audio_s` adds a tone of that length. The display matrix turns
    the picture by `rotation_degrees` counter-clockwise and then mirrors it. Returns `path`.
    """
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        stream: VideoStream | None = None
        sound = _add_sound(container) if audio_s is not None else None
        for time_s, pixels in pictures:
            if stream is None:
                stream = _add_video(
                    container,
                    pixels.shape,
                    codec=codec,
                    rate_hz=rate_hz,
                    pixel_format=pixel_format,
                    options={**_defaults(codec), **(options or {})},
                    gop=gop,
                    b_frames=b_frames,
                    sample_aspect=sample_aspect,
                    interlaced=interlaced,
                )
                if rotation_degrees or hflip or vflip:
                    stream.set_display_rotation(rotation_degrees, hflip=hflip, vflip=vflip)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
                format=pixel_format
            )
            frame.pts = round(time_s / stream.codec_context.time_base)
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        if stream is None:
            raise ValueError("a clip needs at least one picture")
        container.mux(stream.encode(None))
        if sound is not None and audio_s is not None:
            _write_tone(container, sound, start_s=audio_start_s, length_s=audio_s)
    return path


def regular_times(count: int, *, rate_hz: float = 25, start_s: float = 0.0) -> list[float]:
    """Times of `count` pictures at a fixed rate."""
    return [start_s + index / rate_hz for index in range(count)]


def stamped_picture(time_s: float, *, width: int = 160, height: int = 120) -> Pixels:
    """`(height, width, 3)` uint8: a picture whose bars spell its time in milliseconds; `read_stamp` reads it back.

    Sixteen bars, left to right, highest bit first, over the middle of the picture. Above them lies a white corner at
    the left, so that any turn or reflection shows.
    """
    picture = np.full((height, width, 3), 96, np.uint8)
    picture[: height // 4, : width // 4] = 255
    millis = round(time_s * 1000)
    for bit in range(_BITS):
        left, right = bit * width // _BITS, (bit + 1) * width // _BITS
        picture[height // 3 :, left:right] = 235 if millis >> (_BITS - 1 - bit) & 1 else 16
    return picture


def read_stamp(pixels: Pixels) -> float:
    """The time in seconds that a `stamped_picture` of any size spells."""
    small = cv2.resize(pixels, (_BITS * 8, 60), interpolation=cv2.INTER_AREA)
    luma = small.astype(np.float64).mean(axis=2) if small.ndim == 3 else small.astype(np.float64)
    bars = luma[30:55].reshape(25, _BITS, 8)[:, :, 2:6].mean(axis=(0, 2))
    return sum(1 << (_BITS - 1 - bit) for bit in range(_BITS) if bars[bit] > 110) / 1000


def stamped_clip(path: Path, times_s: Sequence[float], *, width: int = 160, height: int = 120, **how: Any) -> Path:
    """A clip of `stamped_picture`s at these times; `how` is passed to `write_clip`."""
    pictures = ((time_s, stamped_picture(time_s, width=width, height=height)) for time_s in times_s)
    return write_clip(path, pictures, **how)


def shot_picture(shot: int, phase: float, *, width: int = 160, height: int = 120) -> Pixels:
    """`(height, width, 3)` uint8: a smooth random scene of its own per `shot`, moved sideways by `phase` widths."""
    rng = np.random.default_rng(1000 + shot)
    coarse = rng.integers(0, 256, (6, 16, 3), dtype=np.uint8)
    wide = cv2.resize(
        np.concatenate([coarse, coarse[:, :8]], axis=1), (width * 3, height), interpolation=cv2.INTER_CUBIC
    )
    left = round(phase * width) % (2 * width)
    return cast(Pixels, np.ascontiguousarray(wide[:, left : left + width]))


def shots_clip(path: Path, shots: Sequence[int], *, frames_per_shot: int = 25, rate_hz: float = 25, **how: Any) -> Path:
    """A clip of slowly panned shots, one after the other: the cuts are at `frames_per_shot / rate_hz` and so on."""
    pictures = (
        ((number * frames_per_shot + index) / rate_hz, shot_picture(shot, index * 0.005))
        for number, shot in enumerate(shots)
        for index in range(frames_per_shot)
    )
    return write_clip(path, pictures, rate_hz=rate_hz, **how)


def _defaults(codec: str) -> dict[str, str]:
    return {"crf": "12", "preset": "ultrafast"} if codec in ("libx264", "libx265") else {}


def _add_video(
    container: OutputContainer,
    shape: tuple[int, ...],
    *,
    codec: str,
    rate_hz: float,
    pixel_format: str,
    options: dict[str, str],
    gop: int,
    b_frames: int,
    sample_aspect: Fraction | None,
    interlaced: bool,
) -> VideoStream:
    rate = Fraction(rate_hz).limit_denominator(1001)
    stream = cast(VideoStream, container.add_stream(codec, rate=rate))
    context = stream.codec_context
    stream.height, stream.width = shape[:2]
    stream.pix_fmt = pixel_format
    context.options = options
    context.gop_size = gop
    context.max_b_frames = b_frames
    # MPEG-4 and AVI count frames in their rate; all others take any time.
    context.time_base = 1 / rate if codec in ("mpeg4", "mpeg2video") else TIME_BASE
    if sample_aspect is not None:
        context.sample_aspect_ratio = sample_aspect
    if interlaced:
        context.flags |= int(av.codec.context.Flags.interlaced_dct) | int(av.codec.context.Flags.interlaced_me)
    return stream


def _add_sound(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=_SAMPLE_RATE_HZ)
    stream.codec_context.layout = "mono"
    return stream


def _write_tone(container: OutputContainer, stream: AudioStream, *, start_s: float, length_s: float) -> None:
    samples = round(length_s * _SAMPLE_RATE_HZ)
    tone = (0.2 * np.sin(np.arange(samples) * 2 * np.pi * 440 / _SAMPLE_RATE_HZ)).astype(np.float32)
    for begin in range(0, samples, 1024):
        frame = av.AudioFrame.from_ndarray(tone[None, begin : begin + 1024], format="fltp", layout="mono")
        frame.sample_rate = _SAMPLE_RATE_HZ
        frame.pts = begin + round(start_s * _SAMPLE_RATE_HZ)
        frame.time_base = Fraction(1, _SAMPLE_RATE_HZ)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def copy_pictures(source: InputContainer, target: OutputContainer) -> None:
    """Adds the source's video stream to `target`, whose other streams are there, and its packets as they are."""
    pictures = target.add_stream_from_template(source.streams.video[0])
    for packet in source.demux(source.streams.video[0]):
        if packet.dts is not None:
            packet.stream = pictures
            target.mux(packet)


def with_mp2(video: Path, path: Path, *, rates: tuple[int, ...], seconds: float) -> Path:
    """The same pictures with one sound stream whose packets were encoded at these rates, one after the other."""
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        sound = target.add_stream("mp2", rate=rates[0], layout="mono")
        copy_pictures(source, target)
        for number, rate in enumerate(rates):
            for packet in mp2_packets(rate, seconds):
                packet.stream, packet.time_base = sound, Fraction(1, 1000)
                packet.pts = packet.dts = round(1000 * (number * seconds + (packet.pts or 0) / rate))
                packet.duration = 0
                target.mux(packet)
    return path


def mp2_packets(rate: int, seconds: float) -> list[Any]:
    """A tone of half the full loudness, with times in samples."""
    encoder: Any = av.CodecContext.create("mp2", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    encoder.time_base = Fraction(1, rate)
    wave = np.sin(np.arange(round(seconds * rate)) * 440 * 2 * np.pi / rate) * 0.5
    packets = []
    for begin in range(0, len(wave) - 1152, 1152):
        part = (wave[begin : begin + 1152] * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(part[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        packets += encoder.encode(frame)
    return packets
