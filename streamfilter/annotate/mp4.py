"""Writes pictures as H.264 into an MP4 that browsers play (or an MKV, MOV, TS), each at its own time, whole or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import av
import numpy as np
from av import FFmpegError, Packet, VideoFrame
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from streamfilter.annotate.run_mark import run_mark
from streamfilter.config import AnnotateConfig
from streamfilter.errors import SinkError
from streamfilter.files import discard, part_of, sync
from streamfilter.types import Pixels

HD_LINES = 577
BT709 = 1
SMPTE170M = 6
KEY_FRAME_EVERY_S = 2
FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".ts": "mpegts"}
"""The containers that are written, by suffix."""


class Tracks(Protocol):
    """What goes into the file beside the pictures: `Sound`, `SplicedTracks`."""

    def attach(self, output: OutputContainer) -> None:
        """Add the streams. Before anything is written."""

    def until(self, time_s: float | None) -> Iterator[Packet[Any]]:
        """Packets to write before the picture at `time_s`; None: all that is left."""


def container_format(path: Path) -> str:
    """FFmpeg's name for the container that a file name asks for. Raises `SinkError` for one that is not written."""
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise SinkError(f"cannot write {path}: expected a name that ends in {', '.join(FORMATS)}")
    return form


def mux_options(path: Path) -> dict[str, str]:
    """Muxer options: an MP4 or MOV begins with its index, so that it plays while it loads."""
    return {"movflags": "faststart"} if path.suffix.lower() in (".mp4", ".mov") else {}


def close_output(container: OutputContainer) -> None:
    """Close a file that is written, also where it cannot be finished. Raises `FFmpegError`, `OSError` for that."""
    try:
        container.close()
    except (FFmpegError, OSError):
        # PyAV 18 leaves the file open where the packets that it held back cannot be written; they are gone now.
        with suppress(FFmpegError, OSError):
            container.close()
        raise


class Mp4Writer:
    """A video under way, in a file beside `path` that gets its name when everything is in it. Use it in a `with`."""

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        time_base: Fraction,
        *,
        rate_hz: float | None,
        sound: Tracks,
        config: AnnotateConfig,
        run_id: str | None = None,
    ) -> None:
        self._path = path
        self._partial = part_of(path)
        self._sound = sound
        self._time_base = time_base
        self._is_hd = size[1] >= HD_LINES
        self._reformatter = VideoReformatter()
        self._last_pts: int | None = None
        try:
            self._container = av.open(str(self._partial), "w", format=container_format(path), options=mux_options(path))
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from None
        if run_id is not None:
            self._container.metadata.update(run_mark(run_id))
        self._stream = self._add_video(size, rate_hz, config)
        sound.attach(self._container)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(FFmpegError, OSError):
                close_output(self._container)
            discard(self._partial)

    def write(self, pixels: Pixels, pts: int) -> None:
        """Add a picture, `(height, width, 3)` uint8 RGB, to be shown from `pts` on (in `time_base`).

        One that is not after the one before it cannot be shown and is left out. Raises `SinkError`.
        """
        if self._last_pts is not None and pts <= self._last_pts:
            return
        self._last_pts = pts
        frame = self._frame(pixels)
        frame.pts, frame.time_base = pts, self._time_base
        try:
            self._mux_sound(float(pts * self._time_base))
            self._container.mux(self._stream.encode(frame))
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from None

    def _mux_sound(self, time_s: float | None) -> None:
        """What comes before the picture at `time_s`; a packet that damage has left senseless is left out."""
        for packet in self._sound.until(time_s):
            with suppress(av.error.InvalidDataError, av.error.ArgumentError):
                self._container.mux(packet)

    def _frame(self, pixels: Pixels) -> VideoFrame:
        """The picture as the encoder wants it: even sides, and the colours that players expect at this size."""
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        colorspace = Colorspace.ITU709 if self._is_hd else Colorspace.SMPTE170M
        return self._reformatter.reformat(
            VideoFrame.from_ndarray(pixels, format="rgb24"),
            format="yuv420p",
            dst_colorspace=colorspace,
            dst_color_range=ColorRange.MPEG,
        )

    def _add_video(self, size: tuple[int, int], rate_hz: float | None, config: AnnotateConfig) -> VideoStream:
        rate = Fraction(rate_hz or 25).limit_denominator(1001)
        # Without B-frames every picture is coded in the order it is shown, so irregular times need no edit list.
        keys = max(1, round(KEY_FRAME_EVERY_S * rate))
        options = {"crf": str(config.crf), "preset": config.preset, "bf": "0", "g": str(keys)}
        stream = self._container.add_stream("libx264", rate=rate, options=options)
        codec = stream.codec_context
        codec.width, codec.height, codec.pix_fmt = size[0] + size[0] % 2, size[1] + size[1] % 2, "yuv420p"
        codec.time_base = self._time_base
        codec.color_range = ColorRange.MPEG
        codec.colorspace = codec.color_primaries = codec.color_trc = BT709 if self._is_hd else SMPTE170M
        return stream

    def _finish(self) -> None:
        try:
            self._container.mux(self._stream.encode(None))
            self._mux_sound(None)
            close_output(self._container)
            sync(self._partial)
            self._partial.replace(self._path)
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from None

    def _failure(self, error: FFmpegError | OSError) -> SinkError:
        reason = error.strerror or type(error).__name__
        return SinkError(f"cannot write annotated video {self._path} ({reason}); check the folder and its free space")
