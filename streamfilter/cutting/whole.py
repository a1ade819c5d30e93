"""Everything encoded anew: for codecs that are not copied here, and files whose packets cannot be trusted."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path

from streamfilter.annotate.mp4 import Mp4Writer, Tracks
from streamfilter.annotate.video import fitted
from streamfilter.config import AnnotateConfig, SourceConfig
from streamfilter.cutting.hide import Hidden, hide
from streamfilter.errors import SourceError
from streamfilter.source import open_source
from streamfilter.types import Gap

CRF = 18


def frame_times(name: str) -> list[float]:
    """When every picture is shown, found by decoding them all; after the last one, when it ends."""
    with open_source(name, SourceConfig()) as source:
        times_s = [item.time_s for item in source.frames() if not isinstance(item, Gap)]
        step_s = 1 / (source.facts.rate_hz or 25.0)
    return [*times_s, times_s[-1] + step_s]


def write_whole(
    name: str,
    out: Path,
    *,
    place: Callable[[float], float | None],
    tracks: Tracks,
    hidden: Hidden | None,
    watch: Callable[[float], None],
) -> int:
    """Write the pictures that `place` gives a time in the result (in seconds); returns how many.

    They are shown upright, in square pixels, at the source's size. Raises `SourceError`, `SinkError`.
    """
    with open_source(name, SourceConfig()) as source:
        frames = (item for item in source.frames() if not isinstance(item, Gap))
        placed = ((frame, time_s) for frame in frames if (time_s := place(frame.time_s)) is not None)
        first = next(placed, None)
        if first is None:
            raise SourceError(f"no picture of {name} would be left; choose other labels")
        size = first[0].picture.width, first[0].picture.height
        base, rate_hz = first[0].time_base, source.facts.rate_hz
        config = AnnotateConfig(crf=CRF)
        with Mp4Writer(out, size, base, rate_hz=rate_hz, sound=tracks, config=config) as writer:
            count = 0
            for frame, time_s in chain([first], placed):
                pixels = fitted(frame.picture, *size)
                if hidden is not None:
                    hide(pixels, hidden.boxes_at(frame.time_s), hidden.way)
                writer.write(pixels, round(time_s / base))
                watch(frame.time_s)
                count += 1
    return count
