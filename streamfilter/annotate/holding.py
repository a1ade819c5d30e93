"""Which streams a kind of file can hold: asked of FFmpeg, before anything is written."""

from __future__ import annotations

import io

import av
from av import FFmpegError
from av.stream import Stream


def holds(form: str, stream: Stream) -> bool:
    """Whether FFmpeg begins a file of this kind (`mp4`, `matroska`) with this stream in it.

    It may refuse a codec that the kind does not know, and facts that damage has left senseless. It is tried in memory:
    a file whose head cannot be written stays open in PyAV 18 for ever.
    """
    output = av.open(io.BytesIO(), "w", format=form)
    try:
        output.add_stream_from_template(stream)
        output.start_encoding()
        output.close()
    except (FFmpegError, ValueError):
        return False
    return True
