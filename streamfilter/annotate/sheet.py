"""Contact sheets: one picture with a tile per event, each at the moment that speaks most for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from streamfilter.annotate.draw import Painter, label_colors
from streamfilter.annotate.palette import Color
from streamfilter.annotate.text import LINE, draw_text, shorten
from streamfilter.annotate.timeline import clock_text
from streamfilter.annotate.video import fitted
from streamfilter.config import SourceConfig
from streamfilter.errors import SinkError, SourceError
from streamfilter.files import write_file
from streamfilter.source import open_source
from streamfilter.types import Event, Gap, Pixels

TILE_PX = 320
MOST_TILES = 120
TEXT_PX = 14
PAD_PX = 8
PAPER: Color = (250, 250, 250)
INK: Color = (32, 32, 36)


def best_moment_s(event: Event) -> float:
    """When the score of an event was highest; its middle where nobody knows."""
    if not event.track:
        return (event.start_s + event.end_s) / 2
    return max(event.track, key=lambda point: point.score).time_s


def contact_sheet(name: str, events: Sequence[Event], *, columns: int = 4) -> Pixels:
    """`(H, W, 3)` uint8 RGB: a tile for each of the first `MOST_TILES` events, earliest first, with label and times.

    Raises `SourceError` where the video cannot be read.
    """
    ordered = sorted(events, key=lambda event: event.start_s)[:MOST_TILES]
    tiles = list(_tiles(name, ordered))
    if not tiles:
        raise SourceError(f"no event to show of {name}; a contact sheet needs at least one")
    across = min(columns, len(tiles))
    rows = math.ceil(len(tiles) / across)
    height, width = tiles[0].shape[:2]
    sheet = np.empty((rows * (height + PAD_PX) + PAD_PX, across * (width + PAD_PX) + PAD_PX, 3), np.uint8)
    sheet[:] = PAPER
    for number, tile in enumerate(tiles):
        row, column = divmod(number, across)
        top, left = PAD_PX + row * (height + PAD_PX), PAD_PX + column * (width + PAD_PX)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def write_png(pixels: Pixels, path: Path) -> None:
    """Write `(H, W, 3)` uint8 RGB as a PNG. Raises `SinkError`."""
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise SinkError(f"cannot write {path}: a picture of {pixels.shape[1]}×{pixels.shape[0]} is too large for a PNG")
    try:
        write_file(path, data.tobytes())
    except OSError as error:
        raise SinkError(f"cannot write {path}: {error.strerror}; check the folder and its free space") from None


def _tiles(name: str, events: Sequence[Event]) -> Iterator[Pixels]:
    size: tuple[int, int] | None = None
    colors = label_colors(events)
    for event in events:
        picture = _picture_at(name, best_moment_s(event), size)
        size = picture.shape[1], picture.shape[0]
        painter = Painter([event], *size, bounds_s=(0.0, event.end_s), timeline=False, colors=colors)
        painter.paint(picture, min(best_moment_s(event), math.nextafter(event.end_s, -math.inf)))
        yield _captioned(picture, event)


def _picture_at(name: str, time_s: float, size: tuple[int, int] | None) -> Pixels:
    """The picture that is shown at a time, `TILE_PX` wide; the first one after it, where none is."""
    config = SourceConfig(start_s=max(0.0, time_s - 1e-3))
    with open_source(name, config) as source:
        for item in source.frames():
            if isinstance(item, Gap):
                continue
            picture = item.picture
            wanted = size or (TILE_PX, max(1, round(TILE_PX * picture.height / picture.width)))
            return fitted(picture, *wanted)
    raise SourceError(f"no picture of {name} at {time_s:.2f} s; is it the video of this log?")


def _captioned(picture: Pixels, event: Event) -> Pixels:
    line = round(TEXT_PX * LINE)
    tile = np.full((picture.shape[0] + 2 * line + 4, picture.shape[1], 3), PAPER, np.uint8)
    tile[: picture.shape[0]] = picture
    times = f"{clock_text(event.start_s, 59)} to {clock_text(event.end_s, 59)}, score {event.score:.2f}"
    for number, (text, weight) in enumerate(((event.label, 600), (times, 400))):
        short = shorten(text, TEXT_PX, weight, tile.shape[1])
        at = (0, picture.shape[0] + 2 + number * line)
        draw_text(tile, short, at, size=TEXT_PX, weight=weight, color=INK)
    return tile
