"""Which streams a kind of file can hold: asked of FFmpeg, before anything is written."""

from __future__ import annotations

import io

import av
from av import FFmpegError
from av.stream import Stream

LATE_HEADS = frozenset({"mp4", "mov"})
"""Kinds that describe their streams at the end, when a description that is senseless costs the whole file; it is tried
as one that is written first."""


def holds(form: str, stream: Stream) -> bool:
    """Whether FFmpeg begins a file of this kind (`mp4`, `matroska`) with this stream in it.

    It may refuse a codec that the kind does not know, and facts that damage has left senseless. It is tried in memory:
    a file whose head cannot be written stays open in PyAV 18 for ever.
    """
    try:
        _begin(form, stream, {})
    except (FFmpegError, ValueError):
        return False
    if form not in LATE_HEADS:
        return True
    try:
        _begin(form, stream, {"movflags": "empty_moov"})
    except av.error.InvalidDataError:
        return False
    except (FFmpegError, ValueError):
        return True  # sound whose description comes from its first packets
    return True


def _begin(form: str, stream: Stream, options: dict[str, str]) -> None:
    output = av.open(io.BytesIO(), "w", format=form, options=options)
    output.add_stream_from_template(stream)
    output.start_encoding()
    output.close()
