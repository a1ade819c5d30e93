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
    refusal = _refusal(form, stream)
    if refusal is not None or form not in LATE_HEADS:
        return refusal is None
    # Any other refusal is of sound whose description comes from its first packets.
    return not isinstance(_refusal(form, stream, movflags="empty_moov"), av.error.InvalidDataError)


def _refusal(form: str, stream: Stream, **options: str) -> Exception | None:
    output = av.open(io.BytesIO(), "w", format=form, options=options)
    try:
        output.add_stream_from_template(stream)
        output.start_encoding()
        output.close()
    except (FFmpegError, ValueError) as error:
        return error
    return None
