"""Sound that a container cannot hold, or players do not play from it: cut to the sample and encoded as AAC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
from av import AudioFrame, AudioResampler, FFmpegError, Packet
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

from streamfilter.annotate.resampling import Resampler
from streamfilter.annotate.sound import AAC_RATES

Samples = NDArray[np.float32]


def recoded(
    packets: Iterator[Packet[Any]], source: AudioStream, output: OutputContainer, spans: Sequence[tuple[float, float]]
) -> Iterator[Packet[Any]]:
    """Adds an AAC stream to `output` at once; then gives its packets, for the `spans` of stream time in a row.

    Where the source has no sound the result is silent, so that what follows stays in step.
    """
    rate = source.codec_context.sample_rate
    rate = rate if rate in AAC_RATES else 48000
    layout = "mono" if source.codec_context.channels == 1 else "stereo"
    target = output.add_stream("aac", rate=rate, layout=layout)

    def encoded() -> Iterator[Packet[Any]]:
        codec = target.codec_context
        codec.open(strict=False)
        blocks = _blocks(_spliced(_samples(packets, source, rate, layout), spans, rate), codec.frame_size)
        for number, block in enumerate(blocks):
            frame = AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = number * codec.frame_size
            yield from target.encode(frame)
        yield from target.encode(None)

    return encoded()


def _samples(
    packets: Iterator[Packet[Any]], source: AudioStream, rate: int, layout: str
) -> Iterator[tuple[int, Samples]]:
    """Decoded sound as `(channels, n)` float32 with the number of its first sample, counted in stream time."""
    resampler = Resampler(lambda: AudioResampler("fltp", layout, rate))
    at: int | None = None
    for packet in packets:
        with suppress(FFmpegError):
            for frame in source.codec_context.decode(packet):
                if at is None or frame.pts is not None:
                    due = round((frame.pts or 0) * float(frame.time_base or 0) * rate)
                    at = due if at is None or abs(due - at) > rate // 50 else at
                for part in resampler.resample(frame):
                    samples = part.to_ndarray().astype(np.float32, copy=False)
                    yield at, samples
                    at += samples.shape[1]


def _spliced(
    sound: Iterator[tuple[int, Samples]], spans: Sequence[tuple[float, float]], rate: int
) -> Iterator[Samples]:
    """The samples of the spans, one span after the other, with silence where the source has none."""
    bounds = [(round(start_s * rate), round(end_s * rate)) for start_s, end_s in spans]
    number, done = 0, 0
    for at, samples in sound:
        stop = at + samples.shape[1]
        while number < len(bounds) and stop > bounds[number][0]:
            begin, end = bounds[number]
            first, last = max(begin + done, min(at, end)), min(end, stop)
            yield np.zeros((samples.shape[0], first - begin - done), np.float32)
            yield samples[:, first - at : max(first, last) - at]
            done = max(first, last) - begin
            if stop < end:
                break
            number, done = number + 1, 0


def _blocks(pieces: Iterator[Samples], size: int) -> Iterator[Samples]:
    """The same samples in blocks of `size`; the last one as long as it comes."""
    held: list[Samples] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += piece.shape[1]
        while count >= size:
            whole = np.concatenate(held, axis=1)
            yield np.ascontiguousarray(whole[:, :size])
            held, count = [whole[:, size:]], count - size
    if count:
        yield np.ascontiguousarray(np.concatenate(held, axis=1))
