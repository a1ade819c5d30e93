"""Opening a local file safely: no playlist, no other protocol, one clear line for whatever is wrong with it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av import FFmpegError
from av.container import InputContainer
from av.format import ContainerFormat
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from streamfilter.errors import SourceError
from streamfilter.source.discovery import is_url, redacted

# Demuxers whose file is a list of other files or addresses, a script, a device, or text drawn as video.
_REFUSED_NAMES = """
    applehttp hls dash webm_dash_manifest concat concatf imf rtsp rtp sap sdp
    image2 image2pipe lavfi vapoursynth avisynth ffmetadata tty adf bin idf xbin
    x11grab v4l2 video4linux2 fbdev kmsgrab alsa oss bluray dvdvideo libopenmpt
"""
_REFUSED = frozenset(_REFUSED_NAMES.split())
_SAMPLE_BYTES = 1 << 20
_MICROSECOND = Fraction(1, 1_000_000)


def open_container(name: str) -> InputContainer:
    """Open a regular local file with FFmpeg. Raises `SourceError` with the reason in one line."""
    path = _checked_path(name)
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(_allowed_formats())}
    try:
        # The prefix keeps a colon or a comma in the file's name from being read as a protocol.
        return av.open(f"file:{path}", "r", container_options=options, metadata_errors="replace")
    except FFmpegError as error:
        refused = error.errno == errno.EINVAL
        reason = "a playlist or another format that is not read here" if refused else error.strerror
        raise SourceError(
            f"cannot read {name} as video ({reason}); expected a whole file that FFmpeg can read, "
            "such as .mp4, .mkv or .ts"
        ) from None
    except (UnicodeError, ValueError):
        raise SourceError(f"cannot open {name!r}: FFmpeg cannot spell its name; rename the file") from None


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The stream that a player would show. Raises `SourceError` when there is none, or no decoder for it."""
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or _is_cover(stream):
        kinds = ", ".join(sorted({one.type for one in container.streams})) or "nothing"
        raise SourceError(f"{name} holds no video, only {kinds}; expected a file with a video stream")
    # PyAV's types leave it out, but a codec that FFmpeg does not know has no context.
    if cast(VideoCodecContext | None, stream.codec_context) is None:
        raise SourceError(f"no decoder for the video in {name}; convert it to H.264 first")
    return stream


def container_start(container: InputContainer) -> Fraction:
    """Where stream time begins, in seconds of the container's clock.

    FFmpeg rounds it to microseconds; the stream that begins there knows it exactly.
    """
    if container.start_time is None:
        return Fraction(0)
    start = container.start_time * _MICROSECOND
    exact = (
        stream.start_time * stream.time_base
        for stream in container.streams
        if stream.start_time is not None and stream.time_base is not None
    )
    return min((one for one in exact if abs(one - start) <= _MICROSECOND), default=start)


def declared_end(container: InputContainer, stream: VideoStream) -> tuple[float | None, bool]:
    """When the video says that it ends, in seconds of stream time, and whether the video stream itself says so.

    The duration of a container is that of its longest stream, often not the video.
    """
    start = container_start(container)
    if stream.duration is not None and stream.time_base is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base - start), True
    own = _tagged_duration(stream.metadata)
    if own is not None:
        return own, True
    if container.duration is None or container.duration <= 0:
        return None, False
    return float(container.duration * _MICROSECOND), False


def fingerprint(name: str) -> str:
    """SHA-256 over a file's size in decimal, its first and its last MiB: who it is, without reading all of it."""
    digest = hashlib.sha256()
    try:
        with Path(name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(str(size).encode())
            digest.update(file.read(_SAMPLE_BYTES))
            file.seek(max(0, size - _SAMPLE_BYTES))
            digest.update(file.read(_SAMPLE_BYTES))
    except OSError as error:
        raise SourceError(f"cannot read {name}: {error.strerror}; check the disk") from None
    return digest.hexdigest()


def _checked_path(name: str) -> str:
    if is_url(name):
        raise SourceError(f"cannot open {redacted(name)}: live feeds are not supported yet; expected a file")
    path = Path(name)
    try:
        # Before it is opened: a pipe would wait for its writer.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise SourceError(f"cannot open {name}: it is {what}; expected a video file")
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise SourceError(f"cannot open {name}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot open {name!r}: {reason}; check the path and its permissions") from None
    if empty:
        raise SourceError(f"{name} is empty (0 bytes); expected a video file")
    return str(path.absolute())


def _allowed_formats() -> list[str]:
    return sorted(
        name
        for name in av.formats_available
        if not _REFUSED.intersection(name.split(",")) and ContainerFormat(name).is_input
    )


def _is_cover(stream: object) -> bool:
    return isinstance(stream, VideoStream) and bool(stream.disposition & Disposition.attached_pic)


def _tagged_duration(metadata: dict[str, str]) -> float | None:
    """Matroska writes each track's end into a tag, as `00:00:10.333000000`."""
    text = next((value for key, value in metadata.items() if key.upper().startswith("DURATION")), "")
    with suppress(ValueError):
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return None
