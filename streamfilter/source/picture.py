"""Decoded pictures that are converted when somebody asks, straight from the decoder's format to the size asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal, cast

import numpy as np
from av import FFmpegError, VideoFrame
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from streamfilter.errors import SourceError
from streamfilter.source.difference import Difference, difference, shown
from streamfilter.source.geometry import UPRIGHT, Orientation, orientation_of
from streamfilter.types import Picture, Pixels

_SCALING = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_UNSPECIFIED = 2
_HD_LINES = 577
_MOST_SCALERS = 8
# What a pixel of the usual format takes, 8 bits at 4:2:0.
_BYTES = 1.5
# To shrink a picture costs a third of what converting it does: only one of more than twice the size is worth it.
_WORTH_SHRINKING = 2


class Converter:
    """Keeps one scaler per size that is asked for: a new one per picture would grow memory, one for all is slow.

    One lock: swscale's contexts, and the tags PyAV borrows on the frame, belong to one thread at a time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scalers: dict[tuple[str, int, int], VideoReformatter] = {}

    def convert(
        self,
        frame: VideoFrame | Difference,
        form: Literal["rgb24", "gray"],
        *,
        width: int,
        height: int,
        lines: int | None = None,
    ) -> Pixels:
        """The frame as it was coded, scaled: `(height, width, 3)` or `(height, width)` uint8.

        `lines`: the height that it was coded with, where it was shrunk since.
        """
        with self._lock, shown(frame) as whole:
            # The same guess that players make: high definition without a tag is BT.709, anything smaller BT.601.
            is_hd = (lines or whole.height) >= _HD_LINES
            colorspace = Colorspace.ITU709 if whole.colorspace == _UNSPECIFIED and is_hd else None
            return np.asarray(self._scaled(whole, form, width, height, colorspace).to_ndarray(), dtype=np.uint8)

    def difference(self, frame: VideoFrame, base: VideoFrame) -> Difference | None:
        """See `difference`; while nobody is shown another frame in place of `base`."""
        with self._lock:
            return difference(frame, base)

    def shrunk(self, frame: VideoFrame, *, width: int, height: int) -> VideoFrame:
        """The frame at this size, still in its own colours and format."""
        with self._lock:
            return self._scaled(frame, frame.format.name, width, height, None)

    def _scaled(
        self, frame: VideoFrame, form: str, width: int, height: int, colorspace: Colorspace | None
    ) -> VideoFrame:
        scaler = self._scaler((form, width, height))
        try:
            return scaler.reformat(
                frame, width, height, form, src_colorspace=colorspace, interpolation=_SCALING, threads=1
            )
        except (FFmpegError, ValueError) as error:
            raise SourceError(
                f"cannot convert a {frame.width}×{frame.height} {frame.format.name} picture to {width}×{height} "
                f"{form} ({_reason(error)}); re-encode the video as yuv420p"
            ) from None

    def _scaler(self, key: tuple[str, int, int]) -> VideoReformatter:
        if key not in self._scalers and len(self._scalers) >= _MOST_SCALERS:
            self._scalers.pop(next(iter(self._scalers)))
        return self._scalers.setdefault(key, VideoReformatter())


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, FFmpegError) else None) or type(error).__name__


class DecodedPicture:
    """One decoded picture (`Picture`), as it is displayed. Any thread may convert it, also after its source closed."""

    __slots__ = ("_converter", "_frame", "_lines", "_orientation", "height", "width")

    def __init__(
        self,
        frame: VideoFrame | Difference,
        converter: Converter,
        *,
        width: int,
        height: int,
        orientation: Orientation,
        lines: int | None = None,
    ) -> None:
        self._frame = frame
        self._converter = converter
        self._orientation = orientation
        self._lines = lines or self._base().height
        self.width = width
        self.height = height

    def rgb(self, width: int | None = None, height: int | None = None) -> Pixels:
        """The displayed picture, `(height, width, 3)` uint8 RGB; its own size when none is given."""
        return self._convert("rgb24", width or self.width, height or self.height)

    def luma(self, width: int, height: int) -> Pixels:
        """The displayed picture's brightness, `(height, width)` uint8."""
        return self._convert("gray", width, height)

    @property
    def nbytes(self) -> int:
        """What it takes in memory, about, in bytes."""
        if isinstance(self._frame, Difference):
            return self._frame.nbytes
        return int(self._frame.width * self._frame.height * _BYTES)

    def kept(self, width: int, height: int, like: Picture | None = None) -> DecodedPicture:
        """See `types.Picture`."""
        if isinstance(self._frame, Difference):
            return self
        if self._orientation.transposed:
            width, height = height, width
        frame = self._frame
        if width * height * _WORTH_SHRINKING <= frame.width * frame.height:
            frame = self._converter.shrunk(frame, width=width, height=height)
        less = self._converter.difference(frame, like._base()) if isinstance(like, DecodedPicture) else None
        if less is None and frame is self._frame:
            return self
        return DecodedPicture(
            less or frame,
            self._converter,
            width=self.width,
            height=self.height,
            orientation=self._orientation,
            lines=self._lines,
        )

    def _base(self) -> VideoFrame:
        """A whole frame that other pictures may lean on."""
        return self._frame.base if isinstance(self._frame, Difference) else self._frame

    def _convert(self, form: Literal["rgb24", "gray"], width: int, height: int) -> Pixels:
        if self._orientation.transposed:
            width, height = height, width
        pixels = self._converter.convert(self._frame, form, width=width, height=height, lines=self._lines)
        return self._orientation.apply(pixels)

    def __repr__(self) -> str:
        return f"DecodedPicture({self.width}×{self.height}, {self._base().format.name})"


def orientation_in(frame: VideoFrame) -> Orientation:
    """How a decoded frame says that it is to be laid."""
    # Not `frame.side_data`: PyAV keeps that on the frame, a cycle that holds the picture until garbage is collected.
    side_data = cast(Callable[[VideoFrame], SideDataContainer], SideDataContainer)(frame)
    matrix = side_data.get(SideDataType.DISPLAYMATRIX)
    return UPRIGHT if matrix is None else orientation_of(np.frombuffer(matrix, dtype=np.int32).tolist())
