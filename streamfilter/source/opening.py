"""Opening a local file safely: no playlist, no other protocol, one clear line for whatever is wrong with it."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import stat
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, cast

import av
from av import FFmpegError, _core
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from streamfilter.config import SourceLimits
from streamfilter.errors import SourceError
from streamfilter.source.discovery import is_url, redacted

SAMPLE_BYTES = 1 << 20
_MICROSECOND = Fraction(1, 1_000_000)


_TRUSTED = SourceLimits()


def open_container(name: str, limits: SourceLimits = _TRUSTED) -> InputContainer:
    """Open a regular local file with FFmpeg. Raises `SourceError` with the reason in one line.

    Only that file is read: no protocol but `file` and no format that leads elsewhere is allowed, whatever is in it.
    """
    path = _checked_path(name)
    _limit_blocks(limits.block_mib)
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(limits.formats),
        "codec_whitelist": ",".join(limits.codecs),
        "max_streams": str(limits.streams + 1),
    }
    try:
        # The prefix keeps a colon or a comma in the file's name from being read as a protocol.
        container = av.open(f"file:{path}", "r", container_options=options, metadata_errors="replace")
    except FFmpegError as error:
        raise _unreadable(name, error, limits) from None
    except (UnicodeError, ValueError):
        raise SourceError(f"cannot open {name!r}: FFmpeg cannot spell its name; rename the file") from None
    if len(container.streams) > limits.streams:
        container.close()
        raise _too_much(name, limits)
    return container


def video_stream(container: InputContainer, name: str, limits: SourceLimits = _TRUSTED) -> VideoStream:
    """The stream that a player would show. Raises `SourceError` when there is none, or no decoder for it."""
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or _is_cover(stream):
        kinds = ", ".join(sorted({one.type for one in container.streams})) or "nothing"
        raise SourceError(f"{name} holds no video, only {kinds}; expected a file with a video stream")
    # PyAV's types leave it out, but a codec that FFmpeg does not know has no context.
    if cast(VideoCodecContext | None, stream.codec_context) is None:
        raise SourceError(f"no decoder for the video in {name}; convert it to H.264 first")
    codec = stream.codec_context.codec.name
    if codec not in limits.codecs:
        raise SourceError(
            f"the video in {name} needs the decoder {codec}, which source.limits.codecs does not name; "
            "add it there if you trust the file, or convert it to H.264"
        )
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
    """SHA-256 over a file's size in decimal, its first and its last MiB: who it is, without reading all of it.

    Raises `SourceError` when it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with _regular_file(name) as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(str(size).encode())
            digest.update(file.read(SAMPLE_BYTES))
            file.seek(max(0, size - SAMPLE_BYTES))
            digest.update(file.read(SAMPLE_BYTES))
    except OSError as error:
        raise SourceError(f"cannot read {name}: {error.strerror}; check the disk") from None
    return digest.hexdigest()


def _checked_path(name: str) -> str:
    if is_url(name):
        raise SourceError(f"cannot open {redacted(name)}: live feeds are not supported yet; expected a file")
    with _regular_file(name) as file:
        # What has no size is no video, and reading of it may never end: /proc is full of such files.
        if not os.fstat(file.fileno()).st_size:
            raise SourceError(f"{name} is empty (0 bytes); expected a video file")
    return str(Path(name).absolute())


def _regular_file(name: str) -> BinaryIO:
    """The file, open for reading. Raises `SourceError` for what is none: to open a pipe would wait for its writer."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        file = os.fdopen(descriptor, "rb")
        mode = os.fstat(descriptor).st_mode
    except FileNotFoundError:
        raise SourceError(f"cannot open {name}: no such file; check the path") from None
    except IsADirectoryError:
        raise SourceError(f"cannot open {name}: it is a folder; expected a video file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot open {name!r}: {reason}; check the path and its permissions") from None
    if not stat.S_ISREG(mode):
        file.close()
        raise SourceError(f"cannot open {name}: it is not a regular file; expected a video file")
    return file


def _unreadable(name: str, error: FFmpegError, limits: SourceLimits) -> SourceError:
    if error.errno == errno.ENOMEM:
        return _too_much(name, limits)
    refused = error.errno == errno.EINVAL
    reason = "a playlist or another format that is not read here" if refused else error.strerror
    return SourceError(
        f"cannot read {name} as video ({reason}); expected a whole file in one of source.limits.formats, "
        "such as .mp4, .mkv or .ts"
    )


def _too_much(name: str, limits: SourceLimits) -> SourceError:
    return SourceError(
        f"{name} asks for more than source.limits.streams = {limits.streams} streams or source.limits.block_mib = "
        f"{limits.block_mib} MiB of memory; raise these if you trust the file"
    )


def _limit_blocks(mib: int) -> None:
    """Let FFmpeg take no larger block of memory, in the whole process: a header may declare any size of anything.

    PyAV does not pass this on; but what it is linked to is found through it. Elsewhere than on Unix nothing is limited.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(_core.__file__).av_max_alloc(ctypes.c_size_t(mib << 20))


def _is_cover(stream: object) -> bool:
    return isinstance(stream, VideoStream) and bool(stream.disposition & Disposition.attached_pic)


def _tagged_duration(metadata: dict[str, str]) -> float | None:
    """Matroska writes each track's end into a tag, as `00:00:10.333000000`."""
    text = next((value for key, value in metadata.items() if key.upper().startswith("DURATION")), "")
    with suppress(ValueError):
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return None
