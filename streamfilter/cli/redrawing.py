"""What `streamfilter annotate` does once its options are parsed. Imports the heavy modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamfilter.annotate import annotate_video
from streamfilter.annotate.excerpts import annotate_spans, spans_around
from streamfilter.annotate.mp4 import container_format
from streamfilter.annotate.sheet import MOST_TILES, contact_sheet, write_png
from streamfilter.cli.logs import VideoLog, prepare_result, read_video_log
from streamfilter.config import AnnotateConfig
from streamfilter.console import Console
from streamfilter.errors import SinkError, SourceError
from streamfilter.eventlog import known_labels, safe_name, shown
from streamfilter.types import Event


@dataclass(frozen=True, slots=True)
class Redraw:
    """What is asked for; of the four results those that are not None."""

    video: str
    log: Path
    out: Path | None
    reel: str | None
    per_event: Path | None
    sheet: Path | None
    lead_s: float
    trail_s: float


def redraw(wanted: Redraw, config: AnnotateConfig, console: Console, *, force: bool) -> None:
    """Make every result that is asked for. Raises `StreamFilterError`."""
    found = read_video_log(wanted.video, wanted.log, console)
    if wanted.reel is not None:
        known_labels(found.log, [wanted.reel])
    events = [event.as_event() for event in found.events]
    inputs = [Path(wanted.video), wanted.log]
    for path in (wanted.out, wanted.sheet):
        if path is not None:
            prepare_result(path, inputs, force=force)
    if wanted.out is not None:
        container_format(wanted.out)
        _whole_or_reel(wanted, wanted.out, events, found, config=config, console=console)
    if wanted.per_event is not None:
        _per_event(wanted, wanted.per_event, events, found, config=config, console=console, force=force)
    if wanted.sheet is not None:
        write_png(contact_sheet(wanted.video, events), wanted.sheet)
        more = f"; the first {MOST_TILES} of {len(events)} events" if len(events) > MOST_TILES else ""
        console.say(f"contact sheet: {wanted.sheet}{more}")


def clip_names(events: Sequence[Event]) -> list[str]:
    """A file name for the clip of each event: number, label and start, safe whatever the label says."""
    width = max(3, len(str(len(events))))
    return [
        f"{number:0{width}d}-{safe_name(event.label)}-{max(0.0, event.start_s):.1f}s.mp4"
        for number, event in enumerate(events, start=1)
    ]


def _whole_or_reel(
    wanted: Redraw, out: Path, events: Sequence[Event], found: VideoLog, *, config: AnnotateConfig, console: Console
) -> None:
    duration_s = found.source.duration_s
    with console.progress(f"annotating {Path(wanted.video).name}", duration_s, unit="seconds") as progress:
        if wanted.reel is None:
            annotate_video(wanted.video, events, out=out, config=config, watch=progress.reach)
        else:
            chosen = [event for event in events if event.label == wanted.reel]
            spans = spans_around(chosen, lead_s=wanted.lead_s, trail_s=wanted.trail_s, end_s=duration_s)
            if not spans:
                raise SourceError(f"{wanted.video} does not show {shown(wanted.reel, 60)}: there is nothing for a reel")
            bounds = (0.0, duration_s or spans[-1][1])
            annotate_spans(wanted.video, events, spans, out=out, config=config, bounds_s=bounds, watch=progress.reach)
    console.say(f"annotated video: {out}")


def _per_event(
    wanted: Redraw,
    folder: Path,
    events: Sequence[Event],
    found: VideoLog,
    *,
    config: AnnotateConfig,
    console: Console,
    force: bool,
) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise SinkError(f"cannot make folder {folder}: {error.strerror}; check the path") from None
    ordered = sorted(events, key=lambda event: (event.start_s, event.label))
    paths = [folder / name for name in clip_names(ordered)]
    for path in paths:
        prepare_result(path, [Path(wanted.video), wanted.log], force=force)
    with console.progress("clips", float(len(paths))) as progress:
        for event, path in zip(ordered, paths, strict=True):
            spans = spans_around([event], lead_s=wanted.lead_s, trail_s=wanted.trail_s, end_s=found.source.duration_s)
            annotate_spans(wanted.video, events, spans, out=path, config=config)
            progress.advance()
    console.say(f"{len(paths)} clips: {folder}")
