"""Sound and subtitles of a source, cut to the parts that stay: copied packet by packet, in step with the pictures.

A packet of sound goes where most of it belongs. Parts of packets are never cut: at a splice the sound is off by half a
packet at most (some 12 ms of AAC), and every part begins at its true time again, so that nothing adds up.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from types import TracebackType
from typing import Any, Self, TypeAlias, cast

from av import FFmpegError, Packet
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from streamfilter.annotate.holding import holds
from streamfilter.annotate.recoded import recoded
from streamfilter.source.demuxing import demuxed
from streamfilter.source.opening import container_start, open_container

COPIED_SOUND = {
    "mp4": frozenset({"aac", "mp3", "opus", "ac3", "eac3", "alac", "flac"}),
    "mov": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"}),
    "mpegts": frozenset({"aac", "mp2", "mp3", "ac3", "eac3"}),
}
COPIED_TEXT = {
    "mp4": frozenset({"mov_text"}),
    "mov": frozenset({"mov_text"}),
    "matroska": frozenset({"subrip", "ass", "ssa", "webvtt", "text", "hdmv_pgs_subtitle", "dvd_subtitle"}),
    "mpegts": frozenset({"dvb_subtitle"}),
}
RUN_UP_S = 2.0
"""How far before the first part a file is read from: codecs need what came before."""

_AVFMT_TS_DISCONT = 0x0200

Span = tuple[float, float]
AnyPacket: TypeAlias = "Packet[Any]"


class SplicedTracks:
    """All sound and subtitle streams of `name`, for the parts of it that stay.

    `spans` are in seconds of stream time, ascending and apart; the result begins at 0. A context manager with the same
    `attach` and `until` as `Sound`. `left_out` says, once it is attached, what the result cannot hold.
    """

    def __init__(self, name: str, spans: Sequence[Span]) -> None:
        self._name = name
        self._spans = tuple(spans)
        self._open = ExitStack()
        self._merged: Iterator[AnyPacket] = iter(())
        self._ready: AnyPacket | None = None
        self.left_out: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def attach(self, output: OutputContainer) -> None:
        """Add the streams that `output` can hold. Before anything is written."""
        with open_container(self._name) as first:
            kept = [stream.index for stream in first.streams if isinstance(stream, AudioStream | SubtitleStream)]
        # Every stream reads the file on its own, so that none has to wait for another.
        self._merged = heapq.merge(*(self._attached(output, index) for index in kept), key=_time_s)

    def until(self, time_s: float | None) -> Iterator[AnyPacket]:
        """Packets to write before the picture at `time_s` of the result; None: all that is left."""
        while (packet := self._ready or next(self._merged, None)) is not None:
            self._ready = packet
            if time_s is not None and _time_s(packet) > time_s:
                return
            self._ready = None
            yield packet

    def _attached(self, output: OutputContainer, index: int) -> Iterator[AnyPacket]:
        container = self._open.enter_context(open_container(self._name))
        stream = container.streams[index]
        codec = cast(CodecContext | None, stream.codec_context)
        form = output.format.name.split(",")[0]
        if codec is None or (isinstance(stream, AudioStream) and not stream.codec_context.sample_rate):
            self.left_out.append(f"{stream.type} of an unknown codec")
            return iter(())
        name = codec.codec.canonical_name  # a decoder has names of its own: srt, mp3float
        if isinstance(stream, SubtitleStream):
            if name not in COPIED_TEXT.get(form, frozenset()) or not holds(form, stream):
                self.left_out.append(f"{name} subtitles")
                return iter(())
            return self._texts(self._wanted(container, stream), output.add_stream_from_template(stream))
        assert isinstance(stream, AudioStream)
        packets = self._wanted(container, stream)
        if name in COPIED_SOUND.get(form, frozenset({name})) and holds(form, stream):
            return self._sounds(packets, output.add_stream_from_template(stream))
        return recoded(packets, stream, output, self._spans)

    def _wanted(self, container: InputContainer, stream: Stream) -> Iterator[AnyPacket]:
        """The stream's packets, times from the container's start, from a little before the first part to the last."""
        start = container_start(container)
        base = stream.time_base or Fraction(1, 1000)
        offset = round(start / base)
        if self._spans and self._spans[0][0] > RUN_UP_S and not container.format.flags & _AVFMT_TS_DISCONT:
            with suppress(FFmpegError):
                container.seek(int((start + Fraction(self._spans[0][0] - RUN_UP_S)) * 1_000_000))
        end_s = self._spans[-1][1] if self._spans else 0.0
        for packet in demuxed(container, stream):
            if packet.pts is None or packet.is_corrupt or packet.is_discard:
                continue
            packet.pts = packet.dts = packet.pts - offset
            if _time_s(packet) > end_s + RUN_UP_S:
                return
            yield packet

    def _sounds(self, packets: Iterator[AnyPacket], target: Stream) -> Iterator[AnyPacket]:
        """Packets whose middle lies in a part that stays, one after the other without overlap."""
        free_at = 0
        part, shift = -1, 0
        for packet in packets:
            base, length, pts = packet.time_base, packet.duration or 1, packet.pts or 0
            number = self._part_at(float((pts + Fraction(length, 2)) * base))
            if number is None:
                continue
            if number != part:
                at = pts + round(self._moved_s(number) / base)
                if at < free_at - length // 2 - 1:
                    continue
                part, shift = number, (free_at if at <= free_at + length // 2 else at) - pts
            packet.pts = packet.dts = max(pts + shift, free_at)
            free_at = max(pts + shift, free_at) + length
            packet.stream = target
            yield packet

    def _texts(self, packets: Iterator[AnyPacket], target: Stream) -> Iterator[AnyPacket]:
        """Every packet once for each part that it reaches into, cut to it."""
        pieces = []
        for packet in packets:
            begin_s, base = _time_s(packet), packet.time_base
            end_s = begin_s + float((packet.duration or 0) * base)
            for number, (start_s, stop_s) in enumerate(self._spans):
                first_s, last_s = max(begin_s, start_s), min(end_s, stop_s)
                if first_s < last_s or start_s <= begin_s == end_s < stop_s:
                    at = round((first_s + self._moved_s(number)) / base)
                    pieces.append((at, round((last_s - first_s) / base), bytes(packet), base))
        for at, length, data, base in sorted(pieces, key=lambda piece: piece[0]):
            packet = Packet(data)
            packet.pts = packet.dts = at
            packet.duration, packet.time_base, packet.stream = length, base, target
            yield packet

    def _part_at(self, time_s: float) -> int | None:
        number = bisect_right(self._spans, time_s, key=lambda span: span[0]) - 1
        return number if number >= 0 and time_s < self._spans[number][1] else None

    def _moved_s(self, number: int) -> float:
        """What is added to stream time in a part to give time of the result."""
        return sum(end_s - start_s for start_s, end_s in self._spans[:number]) - self._spans[number][0]


def _time_s(packet: AnyPacket) -> float:
    return float((packet.pts or 0) * packet.time_base)
