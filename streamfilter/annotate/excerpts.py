"""Parts of an annotated video: one clip per event, or one reel of all that show a label, sound and subtitles kept."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path

from streamfilter.annotate.draw import Painter
from streamfilter.annotate.mp4 import Mp4Writer
from streamfilter.annotate.tracks import Span, SplicedTracks
from streamfilter.annotate.video import Shown, shown
from streamfilter.config import AnnotateConfig, SourceConfig
from streamfilter.errors import SourceError
from streamfilter.intervals import union
from streamfilter.source import open_source
from streamfilter.source.patience import patiently
from streamfilter.stages import Source
from streamfilter.types import Event


def spans_around(events: Sequence[Event], *, lead_s: float, trail_s: float, end_s: float | None) -> list[Span]:
    """When the events are seen, each with `lead_s` before it and `trail_s` after it; what overlaps is one.

    Nothing lies before 0 or after `end_s` (None: nobody knows where the video ends).
    """
    around = ((max(0.0, event.start_s - lead_s), event.end_s + trail_s) for event in events)
    return union((start_s, end if end_s is None else min(end, end_s)) for start_s, end in around)


def annotate_spans(
    name: str,
    events: Sequence[Event],
    spans: Sequence[Span],
    *,
    out: Path,
    config: AnnotateConfig,
    bounds_s: tuple[float, float] | None = None,
    watch: Callable[[float], None] = lambda time_s: None,
) -> None:
    """Write the `spans` of a video (seconds, ascending, apart) in a row, with the `events` drawn in.

    The timeline shows `bounds_s`, or what the spans reach over. `watch` is told the stream time of every frame. Raises
    `SourceError` where the file cannot be read or has no picture there, `SinkError` where `out` cannot be written.
    """
    with ExitStack() as stack:
        frames = stack.enter_context(closing(_frames(name, spans)))
        first = next(frames, None)
        if first is None:
            raise SourceError(f"no picture of {name} lies in what was asked for; is it the video of this log?")
        height, width = first[0].pixels.shape[:2]
        size = width, height
        bounds = bounds_s or (spans[0][0], spans[-1][1])
        painter = Painter(events, *size, bounds_s=bounds, timeline=config.timeline)
        tracks = stack.enter_context(SplicedTracks(name, spans))
        base = first[0].time_base
        writer = stack.enter_context(Mp4Writer(out, size, base, rate_hz=None, sound=tracks, config=config))
        for picture, time_s in chain([first], frames):
            painter.paint(picture.pixels, picture.time_s)
            writer.write(picture.pixels, round(time_s / base))
            watch(picture.time_s)


def _frames(name: str, spans: Sequence[Span]) -> Generator[tuple[Shown, float]]:
    """Every frame of the spans with its time in the result; a span without a picture is passed over."""
    before_s, size = 0.0, None
    for start_s, end_s in spans:
        part = SourceConfig(start_s=start_s, end_s=end_s)
        with (
            open_source(name, part) as source,
            patiently(_shown(source, size), source.counts, part.limits, name=name) as pictures,
        ):
            for picture in pictures:
                size = size or (picture.pixels.shape[1], picture.pixels.shape[0])
                yield picture, before_s + picture.time_s - start_s
        before_s += end_s - start_s


def _shown(source: Source, size: tuple[int, int] | None) -> Iterator[Shown]:
    try:
        yield from shown(source, size)
    except SourceError:
        if source.counts.frames:
            raise
