"""What may go with a clip: a picture of the best moment, and a copy with boxes and labels drawn in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2

from streamfilter.annotate import annotate_video
from streamfilter.config import AnnotateConfig, SourceConfig
from streamfilter.errors import SinkError, SourceError
from streamfilter.files import write_file
from streamfilter.source import open_source
from streamfilter.types import Event, Gap, Picture, Pixels

_QUALITY = 90
_LARGEST_SIDE = 4096


def write_thumbnail(clip: Path, event: Event, out: Path, *, begin_s: float) -> None:
    """A JPEG of the frame at which the event's score was highest. `begin_s`: where the clip begins in stream time.

    Raises `SourceError`, `SinkError`.
    """
    best_s = max(event.track, key=lambda point: point.score).time_s if event.track else event.start_s
    pixels = _frame_at(clip, max(0.0, best_s - begin_s))
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    try:
        write_file(out, data.tobytes())
    except OSError as error:
        raise SinkError(
            f"cannot write thumbnail {out}: {error.strerror}; check the folder and its free space"
        ) from None


def write_annotated(clip: Path, event: Event, out: Path, *, begin_s: float, config: AnnotateConfig) -> None:
    """The clip once more, with the event drawn in. Raises `SourceError`, `SinkError`."""
    track = tuple(replace(point, time_s=point.time_s - begin_s) for point in event.track)
    moved = replace(event, start_s=event.start_s - begin_s, end_s=event.end_s - begin_s, track=track)
    annotate_video(clip, [moved], out=out, config=config)


def _frame_at(clip: Path, time_s: float) -> Pixels:
    """The frame that is shown at that time, at most `_LARGEST_SIDE` wide and high; the last one of a shorter clip."""
    picture: Picture | None = None
    with open_source(clip, SourceConfig()) as source:
        for item in source.frames():
            if isinstance(item, Gap):
                continue
            if picture is not None and item.time_s > time_s + 1e-6:
                break
            picture = item.picture
    if picture is None:
        raise SourceError(f"no picture in clip {clip}")
    scale = min(1.0, _LARGEST_SIDE / max(picture.width, picture.height))
    return picture.rgb(max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
