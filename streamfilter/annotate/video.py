"""The second pass over a file: every frame again, drawn on, written at its own time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from streamfilter.annotate.draw import Painter
from streamfilter.annotate.mp4 import Mp4Writer
from streamfilter.annotate.sound import Sound
from streamfilter.config import AnnotateConfig, SourceConfig
from streamfilter.errors import SourceError
from streamfilter.source import open_source
from streamfilter.source.patience import patiently
from streamfilter.stages import Source
from streamfilter.types import Event, Gap, Picture, Pixels


def annotate_video(
    name: str | Path,
    events: Sequence[Event],
    *,
    out: Path,
    config: AnnotateConfig,
    part: SourceConfig | None = None,
    run_id: str | None = None,
    watch: Callable[[float], None] = lambda time_s: None,
) -> None:
    """Write the file `name` again as an MP4 at `out`, with its `events` drawn in; what is there is overwritten.

    `part` is what was read of the file: the video covers its `start_s` to `end_s` and begins at 0. `run_id` says in the
    file which run it belongs to. `watch` is told the stream time of every frame. Raises `SourceError` when the file
    cannot be read, `SinkError` when `out` cannot be written.
    """
    part = part or SourceConfig()
    with ExitStack() as stack:
        source = stack.enter_context(open_source(name, part))
        pictures = stack.enter_context(patiently(shown(source), source.counts, part.limits, name=str(name)))
        first = next(pictures, None)
        if first is None:
            raise SourceError(f"{name}: no picture to annotate; check start_s and end_s")
        height, width = first.pixels.shape[:2]
        bounds = part.start_s, _end_s(source, events, part)
        painter = Painter(events, width, height, bounds_s=bounds, timeline=config.timeline)
        sound = stack.enter_context(Sound(str(name), begin_s=part.start_s, end_s=part.end_s, limits=part.limits))
        writer = stack.enter_context(
            Mp4Writer(
                out,
                (width, height),
                first.time_base,
                rate_hz=source.facts.rate_hz,
                sound=sound,
                config=config,
                run_id=run_id,
            )
        )
        for picture in chain([first], pictures):
            painter.paint(picture.pixels, picture.time_s)
            writer.write(picture.pixels, ticks(picture, first, begin_s=part.start_s))
            watch(picture.time_s)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A frame to be drawn on: `(height, width, 3)` uint8 RGB, of the size of the first one unless told."""

    time_s: float
    time_base: Fraction
    pixels: Pixels


def shown(source: Source, size: tuple[int, int] | None = None) -> Iterator[Shown]:
    """The frames of a source, of this width and height. Raises as `source.frames` does."""
    for item in source.frames():
        if not isinstance(item, Gap):
            size = size or (item.picture.width, item.picture.height)
            yield Shown(item.time_s, item.time_base, fitted(item.picture, *size))


def ticks(picture: Shown, first: Shown, *, begin_s: float) -> int:
    """When `picture` is shown, in units of the time base from `begin_s` on.

    Counted from the first one, so that the distances between pictures stay exactly those of the source.
    """
    first_tick = round((first.time_s - begin_s) / first.time_base)
    return first_tick + round((picture.time_s - first.time_s) / first.time_base)


def fitted(picture: Picture, width: int, height: int) -> Pixels:
    """The picture as `(height, width, 3)` uint8 RGB that may be drawn on; one of another shape gets black borders."""
    scale = min(width / picture.width, height / picture.height)
    inner = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    pixels = np.array(picture.rgb(*inner), order="C")
    if inner == (width, height):
        return pixels
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    right, bottom = width - inner[0] - left, height - inner[1] - top
    return np.asarray(cv2.copyMakeBorder(pixels, top, bottom, left, right, cv2.BORDER_CONSTANT), np.uint8)


def _end_s(source: Source, events: Sequence[Event], part: SourceConfig) -> float:
    """Where the timeline ends: where reading stops, else the declared duration, else the last event."""
    known = [end_s for end_s in (part.end_s, source.facts.duration_s) if end_s is not None]
    return min(known) if known else max((event.end_s for event in events), default=part.start_s)
