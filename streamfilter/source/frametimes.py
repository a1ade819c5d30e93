"""When the frames of a video are shown, read from its packets without decoding: for jumps by frame at any rate."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from av import FFmpegError

from streamfilter.source.demuxing import demuxed
from streamfilter.source.opening import container_start, open_container, video_stream

REACH_S = 4.0
"""How far before and after a time frames are told of."""
MOST_FRAMES = 5_000
REORDERED_S = 2.0
"""How much later than a frame a packet may come whose frame is shown before it."""


def frame_times(path: Path, around_s: float) -> list[float]:
    """Stream times in seconds of the frames within `REACH_S` of `around_s`, ascending. Raises `SourceError`."""
    found: set[float] = set()
    with open_container(str(path)) as container:
        stream = video_stream(container, str(path))
        base, start = stream.time_base or Fraction(1, 90_000), container_start(container)
        first_s = max(0.0, around_s - REACH_S)
        with suppress(FFmpegError):  # a file that cannot be searched is read from its start
            container.seek(int((start + Fraction(first_s)) * 1_000_000))
        for packet in demuxed(container, stream):
            if packet.pts is None or packet.is_discard:
                continue
            time_s = float(packet.pts * base - start)
            if time_s > around_s + REACH_S + REORDERED_S or len(found) > MOST_FRAMES:
                break
            if first_s <= time_s <= around_s + REACH_S:
                found.add(round(time_s, 6))
    return sorted(found)
