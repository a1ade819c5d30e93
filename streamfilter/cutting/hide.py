"""Hides boxes in pictures: blurred or in coarse blocks, with a margin, a little longer than they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import cv2
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from streamfilter.annotate.track import box_at
from streamfilter.types import Box, Event

Way = Literal["blur", "pixelate"]
Samples = NDArray[np.uint8] | NDArray[np.uint16]

MARGIN = 0.5
"""What is hidden around a box, as a share of its sides: boxes come from a grid and are coarse."""

LEAD_S = 0.5
"""How long before its first and after its last look a logo is hidden: it came and went between looks."""

BLOCKS = 4
"""How many blocks a hidden region has along its longer side: fewer than it takes to draw a mark."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """What is hidden, and how."""

    events: tuple[Event, ...]
    way: Way
    margin: float = MARGIN
    lead_s: float = LEAD_S

    def boxes_at(self, time_s: float) -> list[Box]:
        """The regions that are hidden at a time, margin included."""
        return [
            (box_at(event.track, time_s) if event.track else event.best.box).grown(self.margin)
            for event in self.events
            if event.start_s - self.lead_s <= time_s < event.end_s + self.lead_s
        ]


def hide(pixels: Samples, boxes: Sequence[Box], way: Way) -> None:
    """Hide the boxes in place, in `(H, W)` or `(H, W, 3)` pixels of 8 or 16 bits."""
    height, width = pixels.shape[:2]
    for box in boxes:
        left, right = int(box.x * width), int(np.ceil((box.x + box.width) * width))
        top, bottom = int(box.y * height), int(np.ceil((box.y + box.height) * height))
        region = pixels[top:bottom, left:right]
        if region.size:
            region[:] = _coarse(region, way)


def hide_in_frame(frame: VideoFrame, boxes: Sequence[Box], way: Way) -> VideoFrame:
    """Hide the boxes in a decoded planar picture; returns it. The decoder's own copy stays as it is."""
    if not boxes:
        return frame
    frame.make_writable()
    is_deep = max(part.bits for part in frame.format.components) > 8
    for plane in frame.planes:
        data = memoryview(plane)
        rows: Samples = np.frombuffer(data, np.uint16) if is_deep else np.frombuffer(data, np.uint8)
        hide(rows.reshape(plane.height, -1)[:, : plane.width], boxes, way)
    return frame


def _coarse(region: Samples, way: Way) -> Samples:
    """The region in few blocks, hard or blended into one another."""
    height, width = region.shape[:2]
    block = max(1.0, max(height, width) / BLOCKS)
    few = max(1, round(width / block)), max(1, round(height / block))
    small = cv2.resize(region, few, interpolation=cv2.INTER_AREA)
    how = cv2.INTER_LINEAR if way == "blur" else cv2.INTER_NEAREST
    large = cv2.resize(small, (width, height), interpolation=how)
    return cast(Samples, np.asarray(large).reshape(region.shape))
