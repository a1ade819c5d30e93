"""The strip along the lower edge: a row of bars per label over the clip's time, and a cursor where we are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from streamfilter.annotate.palette import BLACK, WHITE, Color
from streamfilter.annotate.text import LINE, draw_text, shorten, text_width
from streamfilter.types import Event, Pixels

MOST_HEIGHT = 0.25
STRIP_OPACITY = 0.78
GROUND: Color = (24, 24, 28)
RAIL: Color = (70, 70, 78)
NAME: Color = (235, 235, 235)
REGULAR = 400


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the timeline: a label and its events, or the labels that have no line of their own."""

    name: str
    events: tuple[Event, ...]


class Timeline:
    """A strip of `height` pixels, drawn once; only the cursor and the clock change from picture to picture."""

    def __init__(
        self,
        events: Sequence[Event],
        colors: Mapping[str, Color],
        picture_size: tuple[int, int],
        bounds_s: tuple[float, float],
    ) -> None:
        width, picture_height = picture_size
        self._begin_s, self._end_s = bounds_s
        self._text_px = max(10, round(0.024 * min(width, picture_height)))
        self._row_px = round(self._text_px * LINE) + 1
        self._pad = max(3, self._text_px // 3)
        most_rows = max(1, int((MOST_HEIGHT * picture_height - 2 * self._pad) // self._row_px))
        rows = rows_of(events, list(colors), most_rows)
        self.height = min(picture_height, self._row_px * max(1, len(rows)) + 2 * self._pad)
        self._left, self._right = self._columns(rows, width)
        self._strip = self._drawn(rows, colors, width)

    def lay(self, pixels: Pixels) -> None:
        """Lay the strip over the lower edge, in place."""
        region = pixels[-self.height :]
        cv2.addWeighted(region, 1 - STRIP_OPACITY, self._strip, STRIP_OPACITY, 0, dst=region)

    def point(self, pixels: Pixels, time_s: float) -> None:
        """Draw the cursor and the clock on the strip, in place; last of all, so that no box hides them."""
        region = pixels[-self.height :]
        x = round(self._x(time_s))
        half = max(1, self._text_px // 12)
        region[:, max(0, x - half - 1) : x + half + 2] = BLACK
        region[:, max(0, x - half) : x + half + 1] = WHITE
        clock = clock_text(time_s, self._end_s)
        at = (self._right + 2 * self._pad, (self.height - self._row_px) // 2)
        draw_text(region, clock, at, size=self._text_px, weight=REGULAR, color=WHITE)

    def _columns(self, rows: Sequence[Row], width: int) -> tuple[int, int]:
        """Where the bars begin and end: names stand to their left, the clock to their right."""
        names = max((text_width(row.name, self._text_px, REGULAR) for row in rows), default=0)
        clock = text_width(clock_text(self._end_s, self._end_s).replace("1", "0"), self._text_px, REGULAR)
        left = min(names, int(0.28 * width)) + 2 * self._pad + (self._pad if rows else 0)
        return left, max(left + 1, width - clock - 4 * self._pad)

    def _x(self, time_s: float) -> float:
        length_s = max(self._end_s - self._begin_s, 1e-3)
        share = min(1.0, max(0.0, (time_s - self._begin_s) / length_s))
        return self._left + share * (self._right - self._left)

    def _drawn(self, rows: Sequence[Row], colors: Mapping[str, Color], width: int) -> Pixels:
        strip = np.full((self.height, width, 3), GROUND, np.uint8)
        for index, row in enumerate(rows or [Row("", ())]):
            top = self._pad + index * self._row_px
            middle, thick = top + self._row_px // 2, max(2, round(self._row_px * 0.28))
            strip[middle : middle + 1, self._left : self._right] = RAIL
            room = self._left - 3 * self._pad
            name = shorten(row.name, self._text_px, REGULAR, room)
            draw_text(strip, name, (2 * self._pad, top), size=self._text_px, weight=REGULAR, color=NAME)
            for event in row.events:
                begin, end = round(self._x(event.start_s)), round(self._x(event.end_s))
                strip[middle - thick : middle + thick, begin : max(end, begin + 2)] = colors[event.label]
        return strip


def rows_of(events: Sequence[Event], labels: Sequence[str], most: int) -> list[Row]:
    """A row per label in the order of `labels`; what does not fit into `most` rows shares the last one."""
    own = [Row(label, tuple(event for event in events if event.label == label)) for label in labels]
    if len(own) <= most:
        return own
    rest = own[most - 1 :]
    return [*own[: most - 1], Row(f"{len(rest)} more", tuple(event for row in rest for event in row.events))]


def clock_text(time_s: float, end_s: float) -> str:
    """`0:07.3` in a short clip, `12:34` in one of a minute or more, `1:02:03` in one of an hour or more."""
    tenths = int(max(0.0, time_s) * 10 + 1e-6)
    minutes, seconds = divmod(tenths // 10, 60)
    if end_s < 60:
        return f"{minutes}:{seconds:02d}.{tenths % 10}"
    if end_s < 3600:
        return f"{minutes}:{seconds:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
