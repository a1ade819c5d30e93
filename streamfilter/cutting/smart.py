"""H.264 copied bit for bit, but for the groups of pictures that a cut goes through or that are drawn over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Self, cast

import av
from av import FFmpegError, Packet, VideoFrame
from av.codec.context import CodecContext, Flags
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from streamfilter.cutting.h264 import PPS as PPS_UNIT
from streamfilter.cutting.h264 import SPS as SPS_UNIT
from streamfilter.cutting.h264 import ParameterSets, as_record, joined, length_size, nal_units, parameter_sets
from streamfilter.cutting.index import PacketIndex
from streamfilter.cutting.plan import Part, Plan
from streamfilter.source.demuxing import demuxed
from streamfilter.source.opening import open_container, video_stream

EDGE_CRF = 16
"""H.264 quality of what is encoded anew: a step finer than what is around it."""

_FORMATS = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"})
_MOST_IDS = 32

Edit = Callable[[VideoFrame, float], VideoFrame]
"""Draws over a decoded picture, shown at a stream time in seconds."""


class CannotCopyError(Exception):
    """Copying does not work for this file, for the reason given: everything has to be encoded anew."""


@dataclass(slots=True)
class _Encoding:
    """How the groups that are not copied are encoded: the same parameter sets each time."""

    source: VideoCodecContext
    time_base: Fraction
    rate: Fraction
    own_id: int
    crf: int

    def open(self) -> VideoCodecContext:
        """A new encoder, whose first picture is an IDR and whose packets come in the order of their pictures."""
        codec = CodecContext.create("libx264", "w")
        source = self.source
        codec.width, codec.height, codec.pix_fmt = source.width, source.height, source.pix_fmt
        codec.time_base, codec.framerate = self.time_base, self.rate
        if source.sample_aspect_ratio:
            codec.sample_aspect_ratio = source.sample_aspect_ratio
        codec.color_range, codec.colorspace = source.color_range, source.colorspace
        codec.color_primaries, codec.color_trc = source.color_primaries, source.color_trc
        codec.flags |= int(Flags.global_header)
        codec.options = {
            "crf": str(self.crf),
            "preset": "veryfast",
            "bf": "0",
            "x264-params": f"sps-id={self.own_id}:sliced-threads=1:rc-lookahead=0:sync-lookahead=0:force-cfr=0",
        }
        codec.open()
        return codec


class SmartCopy:
    """The video stream of `name`, carried out as `plan` says. A context manager; `attach` before `packets`.

    Raises `CannotCopyError` from `attach` where parameter sets cannot be read or joined, and from `packets` where a
    picture that is encoded anew does not decode.
    """

    def __init__(self, name: str, index: PacketIndex, plan: Plan, *, edit: Edit | None = None) -> None:
        self._container = open_container(name)
        self._stream = video_stream(self._container, name)
        self._index = index
        self._plan = plan
        self._edit = edit
        codec = self._stream.codec_context
        self._extradata = codec.extradata or b""
        self._nal_length = length_size(self._extradata)
        self._sets = self._checked_sets(codec)
        own_id = next((n for n in range(1, _MOST_IDS) if n not in self._sets.ids), None)
        if own_id is None:
            self._container.close()
            raise CannotCopyError("its parameter sets leave no free id")
        rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
        self._encoding = _Encoding(codec, index.time_base, rate, own_id, EDGE_CRF)
        self._out: VideoStream | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def attach(self, output: OutputContainer) -> None:
        """Add the stream to `output`, with the parameter sets of both kinds of group."""
        encoder = self._encoding.open()
        own = parameter_sets(encoder.extradata or b"")
        self._out = output.add_stream_from_template(self._stream)
        self._out.codec_context.extradata = as_record(self._sets | own, self._extradata)
        self._out.time_base = self._index.time_base

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
        parts = iter(self._plan.parts)
        part = next(parts, None)
        held: list[Packet[VideoStream]] = []
        for number, packet in enumerate(p for p in demuxed(self._container, self._stream) if p.size):
            if part is None:
                return
            if number not in part.packets:
                continue
            if part.wanted is None:
                yield packet
            else:
                held.append(packet)
            if number + 1 == part.packets.stop:
                if part.wanted is not None:
                    yield from self._encoded(held, part)
                    held = []
                part = next(parts, None)

    def _encoded(self, packets: Sequence[Packet[VideoStream]], part: Part) -> Iterator[Packet[VideoStream]]:
        encoder = self._encoding.open()
        for frame in self._decoded(packets, frozenset(part.wanted or ())):
            for packet in encoder.encode(frame):
                yield self._framed(packet)
        for packet in encoder.encode(None):
            yield self._framed(packet)

    def _decoded(self, packets: Sequence[Packet[VideoStream]], wanted: frozenset[int]) -> Iterator[VideoFrame]:
        decoder = CodecContext.create("h264", "r")
        decoder.extradata = self._extradata
        for packet in [*packets, None]:
            try:
                frames = decoder.decode(packet)
            except FFmpegError as error:
                raise CannotCopyError("a group of pictures at a cut is damaged") from error
            for frame in frames:
                if frame.pts in wanted:
                    yield self._ready(frame)

    def _ready(self, frame: VideoFrame) -> VideoFrame:
        if frame.format.name != self._encoding.source.pix_fmt or frame.width != self._encoding.source.width:
            raise CannotCopyError("the picture changes its size or format")
        if frame.interlaced_frame:
            raise CannotCopyError("it is interlaced")
        frame.time_base = self._index.time_base
        if self._edit is not None:
            frame = self._edit(frame, self._index.seconds(frame.pts or 0))
        frame.pict_type = av.video.frame.PictureType.NONE
        return frame

    def _framed(self, packet: Packet[VideoStream]) -> Packet[VideoStream]:
        """An encoded packet with its NAL units parted as the source's are; its parameter sets stand in the header.

        With start codes they stay in the packet too: such a stream may be joined at any key frame.
        """
        if self._nal_length == 0:
            return packet
        units = (unit for unit in nal_units(bytes(packet), 0) if unit[0] & 31 not in (SPS_UNIT, PPS_UNIT))
        framed = cast("Packet[VideoStream]", Packet(joined(units, self._nal_length)))
        framed.is_keyframe = packet.is_keyframe
        return framed

    def _checked_sets(self, codec: VideoCodecContext) -> ParameterSets:
        try:
            sets = parameter_sets(self._extradata)
        except (ValueError, IndexError):
            sets = ParameterSets((), ())
        fault = None
        if not sets.sps or not sets.pps:
            fault = "its parameter sets cannot be read"
        elif codec.pix_fmt not in _FORMATS:
            fault = f"its pictures are {codec.pix_fmt}"
        if fault is not None:
            self._container.close()
            raise CannotCopyError(fault)
        return sets
