"""The source's sound for the annotated video: copied where browsers play it from an MP4, else encoded as AAC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from types import TracebackType
from typing import Self

from av import AudioFrame, AudioResampler, FFmpegError, Packet
from av.audio.stream import AudioStream
from av.container import OutputContainer

from streamfilter.annotate.holding import holds
from streamfilter.annotate.resampling import Resampler
from streamfilter.config import SourceLimits
from streamfilter.source.demuxing import demuxed
from streamfilter.source.opening import container_start, open_container

COPIED = frozenset({"aac", "mp3", "opus"})
AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})


class Sound:
    """Reads the sound of a source a second time, on its own, in step with the pictures that are written.

    `begin_s` and `end_s` bound the part that is wanted, in stream time; what is written begins at 0.
    """

    def __init__(self, name: str, *, begin_s: float, end_s: float | None, limits: SourceLimits) -> None:
        self._container = open_container(name, limits)
        stream = self._container.streams.best("audio")
        self._stream = stream if isinstance(stream, AudioStream) else None
        self._begin = container_start(self._container) + Fraction(begin_s)
        self._is_cut = begin_s > 0
        self._length_s = None if end_s is None else end_s - begin_s
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self._ready: Packet[AudioStream] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def attach(self, output: OutputContainer) -> None:
        """Add a sound stream to `output`, when the source has one that can be read. Before anything is written."""
        stream = self._stream
        if stream is None or stream.time_base is None or not stream.codec_context.sample_rate:
            return
        if stream.codec_context.name in COPIED and holds(output.format.name, stream):
            self._packets = self._copied(stream, output.add_stream_from_template(stream))
        else:
            rate = stream.codec_context.sample_rate
            rate = rate if rate in AAC_RATES else 48000
            encoder = output.add_stream(
                "aac", rate=rate, layout="mono" if stream.codec_context.channels == 1 else "stereo"
            )
            self._packets = self._encoded(stream, encoder)

    def until(self, time_s: float | None) -> Iterator[Packet[AudioStream]]:
        """Packets to write before the picture at `time_s` (0 where the output begins); None: all that is left."""
        while (packet := self._ready or next(self._packets, None)) is not None:
            self._ready = packet
            if time_s is not None and _time_s(packet) > time_s:
                return
            self._ready = None
            yield packet

    def _copied(self, source: AudioStream, target: AudioStream) -> Iterator[Packet[AudioStream]]:
        last = None
        shift = 0
        for packet in self._readable(source):
            if packet.dts is None or packet.pts is None:
                continue
            if last is not None and packet.dts + shift <= last:
                shift = last + max(1, packet.duration or 0) - packet.dts
            last = packet.dts + shift
            packet.pts, packet.dts = packet.pts + shift, last
            packet.stream = target
            yield packet

    def _encoded(self, source: AudioStream, target: AudioStream) -> Iterator[Packet[AudioStream]]:
        codec = target.codec_context
        codec.open(strict=False)
        resampler = Resampler(
            lambda: AudioResampler(codec.format, codec.layout, codec.sample_rate, frame_size=codec.frame_size)
        )
        last = -1
        for frame in self._sounds(source, resampler):
            if frame.pts is not None and frame.pts > last:
                last = frame.pts
                yield from target.encode(frame)
        yield from target.encode(None)

    def _sounds(self, source: AudioStream, resampler: Resampler) -> Iterator[AudioFrame]:
        for packet in self._readable(source):
            with suppress(FFmpegError):
                for frame in source.codec_context.decode(packet):
                    yield from resampler.resample(frame)
        with suppress(FFmpegError):
            yield from resampler.resample(None)

    def _readable(self, source: AudioStream) -> Iterator[Packet[AudioStream]]:
        """Packets of the wanted part, with their times moved to begin at 0."""
        offset = round(self._begin / (source.time_base or 1))
        for packet in demuxed(self._container, source):
            if packet.pts is None or packet.is_corrupt:
                continue
            packet.pts -= offset
            packet.dts = packet.pts if packet.dts is None else packet.dts - offset
            if packet.pts < 0 and self._is_cut:
                continue
            if self._length_s is not None and _time_s(packet) >= self._length_s:
                return
            yield packet


def _time_s(packet: Packet[AudioStream]) -> float:
    return float((packet.pts or 0) * packet.time_base)
