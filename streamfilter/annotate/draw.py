"""Draws boxes with their labels, and the timeline, on one picture after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np

from streamfilter.annotate.palette import BLACK, Color, colors_of, text_color
from streamfilter.annotate.text import LINE, draw_text, shorten, text_width
from streamfilter.annotate.timeline import Timeline
from streamfilter.annotate.track import visible_at
from streamfilter.types import Box, Event, Pixels

SUBPIXEL_BITS = 4
BOLD = 600
MOST_TAG_WIDTH = 0.6

Rect = tuple[int, int, int, int]
"""left, top, right, bottom in pixels."""


class Painter:
    """Draws the events of one clip on its pictures, which are all `width` × `height` pixels.

    `bounds_s`: where the timeline begins and ends. `colors` by label; None: in the order in which they begin.
    """

    def __init__(
        self,
        events: Sequence[Event],
        width: int,
        height: int,
        *,
        bounds_s: tuple[float, float],
        timeline: bool,
        colors: Mapping[str, Color] | None = None,
    ) -> None:
        self._events = events
        self._colors = dict(colors) if colors is not None else label_colors(events)
        self._text_px = max(11, round(2 + 0.031 * min(width, height)))
        self._line_px = max(2, round(min(width, height) / 270))
        self._timeline = Timeline(events, self._colors, (width, height), bounds_s) if timeline else None
        free_height = height - (self._timeline.height if self._timeline else 0)
        self._free: Rect = (0, 0, width, free_height)

    def paint(self, pixels: Pixels, time_s: float) -> None:
        """Draw what is seen at `time_s`, in place; `pixels` is `(height, width, 3)` uint8 RGB."""
        if self._timeline is not None:
            self._timeline.lay(pixels)
        shown = visible_at(self._events, time_s)
        for event, box in shown:
            self._outline(pixels, box, self._colors[event.label])
        taken: list[Rect] = []
        for event, box in shown:
            taken.append(self._tag(pixels, event, box, taken))
        if self._timeline is not None:
            self._timeline.point(pixels, time_s)

    def _outline(self, pixels: Pixels, box: Box, color: Color) -> None:
        height, width = pixels.shape[:2]
        scale = 1 << SUBPIXEL_BITS
        inset = self._line_px / 2
        left, top = box.x * width + inset, box.y * height + inset
        right, bottom = (box.x + box.width) * width - inset - 1, (box.y + box.height) * height - inset - 1
        corners = [
            (round(left * scale), round(top * scale)),
            (round(max(left, right) * scale), round(max(top, bottom) * scale)),
        ]
        for thickness, ink in ((self._line_px + 2, BLACK), (self._line_px, color)):
            cv2.rectangle(pixels, corners[0], corners[1], ink, thickness, cv2.LINE_AA, SUBPIXEL_BITS)

    def _tag(self, pixels: Pixels, event: Event, box: Box, taken: Sequence[Rect]) -> Rect:
        """Write label and score beside the box; returns the place it took. Where there is no room: the label alone."""
        color, pad = self._colors[event.label], max(3, self._text_px // 4)
        room = int(pixels.shape[1] * MOST_TAG_WIDTH) - 2 * pad
        text = f"{event.label} {event.score:.2f}"
        if text_width(text, self._text_px, BOLD) > room:
            text = shorten(event.label, self._text_px, BOLD, room)
        size = text_width(text, self._text_px, BOLD) + 2 * pad, round(self._text_px * LINE) + 2
        place = tag_place(_in_pixels(box, pixels), size, self._free, taken)
        left, top, right, bottom = place
        pixels[top:bottom, left:right] = color
        draw_text(pixels, text, (left + pad, top + 1), size=self._text_px, weight=BOLD, color=text_color(color))
        return place


def label_colors(events: Iterable[Event]) -> dict[str, Color]:
    """A colour for each label, in the order in which the labels first appear."""
    return colors_of(event.label for event in sorted(events, key=lambda e: (e.start_s, e.label)))


def tag_place(box: Rect, size: tuple[int, int], bounds: Rect, taken: Iterable[Rect]) -> Rect:
    """Where a tag of `size` (width, height) goes: above the box, below it or inside, clear of the `taken` places.

    Always inside `bounds` when it fits there at all; with every place taken, above or the nearest to it.
    """
    taken = list(taken)
    width, height = size
    tops = (box[1] - height, box[3], box[1], box[3] - height)
    lefts = (box[0], box[2] - width)
    places = [_clamped((left, top, left + width, top + height), bounds) for top in tops for left in lefts]
    inside = [p for p, top in zip(places, (t for t in tops for _ in lefts), strict=True) if p[1] == top]
    free = [place for place in inside if not any(_overlap(place, other) for other in taken)]
    return (free or inside or places)[0]


def _clamped(rect: Rect, bounds: Rect) -> Rect:
    width, height = rect[2] - rect[0], rect[3] - rect[1]
    left = max(bounds[0], min(rect[0], bounds[2] - width))
    top = max(bounds[1], min(rect[1], bounds[3] - height))
    return left, top, left + width, top + height


def _overlap(first: Rect, second: Rect) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def _in_pixels(box: Box, pixels: Pixels) -> Rect:
    height, width = pixels.shape[:2]
    left, top = np.floor((box.x * width, box.y * height)).astype(int).tolist()
    right, bottom = np.ceil(((box.x + box.width) * width, (box.y + box.height) * height)).astype(int).tolist()
    return left, top, right, bottom
