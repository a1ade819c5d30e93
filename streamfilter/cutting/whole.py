"""Everything encoded anew: for codecs that are not copied here, and files whose packets cannot be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from streamfilter.annotate.mp4 import Mp4Writer, Tracks
from streamfilter.annotate.video import Shown, fitted
from streamfilter.config import AnnotateConfig, SourceConfig
from streamfilter.cutting.hide import Hidden, hide
from streamfilter.errors import SourceError
from streamfilter.source import open_source
from streamfilter.source.patience import patiently
from streamfilter.stages import Source
from streamfilter.types import Gap

CRF = 18


def frame_times(name: str) -> list[float]:
    """When every picture is shown, found by decoding them all; after the last one, when it ends."""
    part = SourceConfig()
    with open_source(name, part) as source:
        times = (item.time_s for item in source.frames() if not isinstance(item, Gap))
        with patiently(times, source.counts, part.limits, name=name) as read:
            times_s = list(read)
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
    part = SourceConfig()
    with ExitStack() as stack:
        source = stack.enter_context(open_source(name, part))
        placed = _placed(source, place)
        pictures = stack.enter_context(patiently(placed, source.counts, part.limits, name=name))
        first = next(pictures, None)
        if first is None:
            raise SourceError(f"no picture of {name} would be left; choose other labels")
        height, width = first[0].pixels.shape[:2]
        base, rate_hz = first[0].time_base, source.facts.rate_hz
        config = AnnotateConfig(crf=CRF)
        writer = Mp4Writer(out, (width, height), base, rate_hz=rate_hz, sound=tracks, config=config)
        stack.enter_context(writer)
        count = 0
        for picture, time_s in chain([first], pictures):
            if hidden is not None:
                hide(picture.pixels, hidden.boxes_at(picture.time_s), hidden.way)
            writer.write(picture.pixels, round(time_s / base))
            watch(picture.time_s)
            count += 1
    return count


def _placed(source: Source, place: Callable[[float], float | None]) -> Iterator[tuple[Shown, float]]:
    """The pictures that stay, each with its time in the result; the others are never converted."""
    size: tuple[int, int] | None = None
    for item in source.frames():
        if isinstance(item, Gap) or (time_s := place(item.time_s)) is None:
            continue
        size = size or (item.picture.width, item.picture.height)
        yield Shown(item.time_s, item.time_base, fitted(item.picture, *size)), time_s
