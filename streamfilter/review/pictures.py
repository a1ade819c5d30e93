"""Frames and thumbnails out of the videos, kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import BoundedSemaphore, Lock

import cv2
import numpy as np

from streamfilter.config import SourceConfig
from streamfilter.errors import SourceError
from streamfilter.source import open_source
from streamfilter.types import Box, Frame, Pixels

KEPT_BYTES = 64 << 20
AT_ONCE = 2
"""Videos decoded at the same time: more would only make each of them slower."""
THUMB = (160, 112)
THUMB_CONTEXT = 1.6
"""A thumbnail shows the box and as much around it, in its sides."""
LARGEST_SIDE = 1280
EARLY_S = 0.002
"""Times in a log are rounded; a frame this much before the asked time is the one that was meant."""


class Pictures:
    """JPEG pictures of videos, made when they are asked for. Safe to use from many threads."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._room = kept_bytes
        self._lock = Lock()
        self._turns = BoundedSemaphore(AT_ONCE)

    def frame(self, path: Path, time_s: float) -> bytes:
        """The picture shown at `time_s`, at most `LARGEST_SIDE` wide and high. Raises `SourceError`."""
        return self._cached(
            (path, round(time_s, 3)), lambda: _jpeg(_picture_at(path, time_s, LARGEST_SIDE), quality=85)
        )

    def thumbnail(self, path: Path, time_s: float, box: Box) -> bytes:
        """What lies around `box` at `time_s`, as `THUMB` pixels. Raises `SourceError`."""
        key = (path, round(time_s, 3), box)
        return self._cached(key, lambda: _jpeg(_cut_out(_picture_at(path, time_s, LARGEST_SIDE), box), quality=80))

    def _cached(self, key: tuple[object, ...], make: Callable[[], bytes]) -> bytes:
        with self._turns:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
            picture = make()
            with self._lock:
                self._kept[key] = picture
                self._room -= len(picture)
                while self._room < 0:
                    self._room += len(self._kept.popitem(last=False)[1])
        return picture


def frame_at(path: Path, time_s: float) -> Frame:
    """The first frame at or after `time_s`; the last one before it where none follows. Raises `SourceError`."""
    for start_s in (max(0.0, time_s - EARLY_S), max(0.0, time_s - 1.0), 0.0):
        last: Frame | None = None
        try:
            with open_source(path, SourceConfig(start_s=start_s)) as source:
                for item in source.frames():
                    if isinstance(item, Frame):
                        last = item
                        if item.time_s >= time_s - EARLY_S:
                            return item
        except SourceError:
            if start_s == 0.0:
                raise
        if last is not None:
            return last
    raise SourceError(f"no picture of {path} at {time_s:.3f} s; expected a time inside the video")


def _picture_at(path: Path, time_s: float, largest: int) -> Pixels:
    picture = frame_at(path, time_s).picture
    scale = min(1.0, largest / max(picture.width, picture.height))
    return picture.rgb(max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))


def _cut_out(picture: Pixels, box: Box) -> Pixels:
    """The part of `(H, W, 3)` uint8 around `box`, in the shape of a thumbnail; what lies outside is black."""
    height, width = picture.shape[:2]
    aspect = THUMB[0] / THUMB[1]
    tall = max(box.height * height, box.width * width / aspect, 8.0) * THUMB_CONTEXT
    tall = min(tall, max(height, width / aspect))
    x, y = box.center
    patch = cv2.getRectSubPix(picture, (max(1, round(tall * aspect)), max(1, round(tall))), (x * width, y * height))
    return np.asarray(cv2.resize(patch, THUMB, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(picture: Pixels, *, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
