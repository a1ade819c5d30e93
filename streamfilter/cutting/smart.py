"""Video copied bit for bit, but for the groups of pictures that a cut goes through or that are drawn over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, cast

import av
from av import FFmpegError, Packet, VideoFrame
from av.codec.context import CodecContext
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from streamfilter.cutting.index import PacketIndex
from streamfilter.cutting.kits import CannotCopyError, kit_for
from streamfilter.cutting.plan import Part, Plan
from streamfilter.source.demuxing import demuxed
from streamfilter.source.opening import open_container, video_stream

Edit = Callable[[VideoFrame, float], VideoFrame]
"""Draws over a decoded picture, shown at a stream time in seconds."""


class SmartCopy:
    """The video stream of `name`, carried out as `plan` says. A context manager; `attach` before `packets`.

    Raises `CannotCopyError` at once where parameter sets cannot be read or joined, and from `packets` where a picture
    that is encoded anew does not decode.
    """

    def __init__(self, name: str, index: PacketIndex, plan: Plan, *, edit: Edit | None = None) -> None:
        self._container = open_container(name)
        self._stream = video_stream(self._container, name)
        self._index = index
        self._plan = plan
        self._edit = edit
        self._source = self._stream.codec_context
        try:
            self._kit = kit_for(self._stream, index.time_base)
        except CannotCopyError:
            self._container.close()
            raise
        self._out: VideoStream | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def attach(self, output: OutputContainer) -> None:
        """Add the stream to `output`, with what its header needs for both kinds of group."""
        self._out = output.add_stream_from_template(self._stream)
        self._out.codec_context.extradata = self._kit.header()
        self._out.time_base = self._index.time_base
        if self._kit.tag is not None and output.format.name in ("mp4", "mov"):
            self._out.codec_context.codec_tag = self._kit.tag

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """The packets of the result, in decoding order, with their times."""
        number = 0
        for packet in self._unnumbered():
            packet.pts, packet.dts = self._plan.pts[number], self._plan.dts[number]
            packet.duration = self._plan.durations[number]
            packet.time_base = self._index.time_base
            assert self._out is not None, "attach comes before packets"
            packet.stream = self._out
            number += 1
            yield packet
        if number != len(self._plan.pts):
            raise CannotCopyError(f"{len(self._plan.pts) - number} pictures at the cuts do not decode")

    def _unnumbered(self) -> Iterator[Packet[VideoStream]]:
        numbered = enumerate(packet for packet in demuxed(self._container, self._stream) if packet.size)
        for part in self._plan.parts:
            mine = _of_part(numbered, part)
            if part.wanted is None:
                yield from map(self._kit.copied, mine)
            else:
                yield from self._encoded(mine, frozenset(part.wanted))

    def _encoded(self, packets: Iterable[Packet[VideoStream]], wanted: frozenset[int]) -> Iterator[Packet[VideoStream]]:
        encoder = self._kit.encoder()
        for number, frame in enumerate(self._decoded(packets, wanted)):
            if encoder.time_base != self._index.time_base:
                frame.pts, frame.time_base = number, encoder.time_base
            yield from map(self._kit.encoded, encoder.encode(frame))
        yield from map(self._kit.encoded, encoder.encode(None))

    def _decoded(self, packets: Iterable[Packet[VideoStream]], wanted: frozenset[int]) -> Iterator[VideoFrame]:
        decoder = cast(VideoCodecContext, CodecContext.create(self._source.name, "r"))
        decoder.extradata = self._source.extradata
        for packet in _ended(packets):
            try:
                frames = decoder.decode(packet)
            except FFmpegError as error:
                raise CannotCopyError("a group of pictures at a cut is damaged") from error
            for frame in frames:
                if frame.pts in wanted:
                    yield self._ready(frame)

    def _ready(self, frame: VideoFrame) -> VideoFrame:
        if frame.format.name != self._source.pix_fmt or frame.width != self._source.width:
            raise CannotCopyError("the picture changes its size or format")
        if frame.interlaced_frame:
            raise CannotCopyError("it is interlaced")
        frame.time_base = self._index.time_base
        if self._edit is not None:
            frame = self._edit(frame, self._index.seconds(frame.pts or 0))
        frame.pict_type = av.video.frame.PictureType.NONE
        return frame


def _of_part(numbered: Iterator[tuple[int, Packet[VideoStream]]], part: Part) -> Iterator[Packet[VideoStream]]:
    """The packets of a part, one after the other as they are read; those before it are passed over."""
    for number, packet in numbered:
        if number in part.packets:
            yield packet
        if number + 1 >= part.packets.stop:
            return


def _ended(packets: Iterable[Packet[VideoStream]]) -> Iterator[Packet[VideoStream] | None]:
    yield from packets
    yield None  # what a decoder still holds comes out
