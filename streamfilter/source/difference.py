"""A decoded frame kept as what differs from another one: where little moves, that takes little memory.

Nothing is lost: codecs leave blocks that do not change as they are, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from mmap import mmap

import cv2
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

_FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")
"""Planes of a byte a sample: nearly all video. Others are kept whole."""
_WORTH = 0.6
"""A difference that takes more than this share of the frame is not worth its base."""
_SAMPLED = 16
"""One line of so many is compared first: most frames of moving pictures differ everywhere."""
_BAND = 32
"""Lines that differ between the same columns: what moves is seldom a rectangle."""

_Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A rectangle of a plane that differs."""

    top: int
    left: int
    samples: _Plane


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """A frame, as `base` and the parts of each plane that differ from it."""

    base: VideoFrame
    parts: tuple[tuple[_Part, ...], ...]

    @property
    def nbytes(self) -> int:
        """What it takes in memory, beside its base."""
        return sum(part.samples.nbytes for parts in self.parts for part in parts)

    def copied(self) -> Difference:
        """The same in memory of its own, mapped for it alone: among all else, thousands of parts would leave holes."""
        size = self.nbytes
        if not size:
            return self
        memory, used = np.frombuffer(mmap(-1, size), np.uint8), 0
        planes: list[tuple[_Part, ...]] = []
        for parts in self.parts:
            own = []
            for part in parts:
                samples = memory[used : used + part.samples.size].reshape(part.samples.shape)
                samples[:] = part.samples
                own.append(replace(part, samples=samples))
                used += part.samples.size
            planes.append(tuple(own))
        return Difference(self.base, tuple(planes))

    @contextmanager
    def shown(self) -> Iterator[VideoFrame]:
        """The frame as it was decoded, while the block lasts: `base` shows it meanwhile, to nobody else.

        A frame made anew would lack what PyAV does not let one set, such as where its chroma samples lie.
        """
        self._swap()
        try:
            yield self.base
        finally:
            self._swap()

    def _swap(self) -> None:
        for plane, parts in zip(_planes(self.base), self.parts, strict=True):
            for part in parts:
                height, width = part.samples.shape
                there = plane[part.top : part.top + height, part.left : part.left + width]
                before = there.copy()
                there[:], part.samples[:] = part.samples, before


def shown(frame: VideoFrame | Difference) -> AbstractContextManager[VideoFrame]:
    """A frame, however it is kept, while the block lasts."""
    return frame.shown() if isinstance(frame, Difference) else nullcontext(frame)


def difference(frame: VideoFrame, base: VideoFrame) -> Difference | None:
    """What differs between two frames; None where they are of different kinds, or it would hardly save memory.

    `base` gets memory of its own, where others hold it, too.
    """
    if frame.format.name not in _FORMATS or _kind(frame) != _kind(base):
        return None
    base.make_writable()
    pairs = list(zip(_planes(frame), _planes(base), strict=True))
    most = _WORTH * sum(plane.size for plane, _ in pairs)
    if sum(_area(plane[::_SAMPLED], before[::_SAMPLED]) for plane, before in pairs) * _SAMPLED > most:
        return None
    seen = Difference(base, tuple(tuple(_parts(plane, before)) for plane, before in pairs))
    return seen.copied() if seen.nbytes <= most else None


def _kind(frame: VideoFrame) -> tuple[object, ...]:
    return frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range


def _planes(frame: VideoFrame) -> Iterator[_Plane]:
    """Each plane's samples, `(rows, columns)`, in the frame's own memory."""
    for plane in frame.planes:
        yield np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def _parts(plane: _Plane, before: _Plane) -> Iterator[_Part]:
    """What differs, in the frame's own memory."""
    differs = cv2.absdiff(plane, before)
    for first in range(0, len(plane), _BAND):
        left, top, width, height = cv2.boundingRect(differs[first : first + _BAND])
        if width:
            top += first
            yield _Part(top, left, plane[top : top + height, left : left + width])


def _area(plane: _Plane, before: _Plane) -> int:
    """Samples of the rectangle that holds all that differs."""
    _, _, width, height = cv2.boundingRect(cv2.absdiff(plane, before))
    return int(width) * int(height)
