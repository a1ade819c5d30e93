"""A container opened, taken to the right place and decoded up to its first picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

from av import FFmpegError
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.stream import VideoStream

from streamfilter.config import SourceConfig
from streamfilter.errors import SourceError
from streamfilter.source.clock import StreamClock
from streamfilter.source.deinterlacing import deinterlaced
from streamfilter.source.opening import container_start, declared_end, open_container, video_stream
from streamfilter.source.packets import Decoded, PacketDecoder, has_own_times
from streamfilter.stages import SourceCounts

# A seek may land on a key frame that is too late; each try begins further back, the last at the beginning.
_RUN_UPS_S = (0.0, 10.0)
_FALLBACK_RATE_HZ = 25
_AVFMT_TS_DISCONT = 0x0200
_SLICE_THREADS = 4
_PATCHED_ALONE = frozenset({"mpeg1video", "mpeg2video"})


@dataclass(slots=True)
class Reading:
    """One pass over a container, which its owner closes. `step` is a frame's usual duration in time base units.

    `first` is the first of `items`; `probed_size` is what the container said before anything was decoded; `is_whole`
    is False when the beginning was skipped by a seek. `leaves_out`: the decoder leaves frames out on purpose.
    """

    container: InputContainer
    stream: VideoStream
    counts: SourceCounts
    start: Fraction
    time_base: Fraction
    step: int
    rate: Fraction | None
    clock: StreamClock
    decoder: PacketDecoder
    probed_size: tuple[int, int]
    first: Decoded
    items: Iterator[Decoded]
    is_whole: bool
    leaves_out: bool


def begin_reading(name: str, config: SourceConfig, *, keyframes_only: bool) -> Reading:
    """Open `name` at or before `config.start_s`. Raises `SourceError` when no picture comes out of it.

    A container whose clock may jump (MPEG-TS and its kin), or whose frames have no PTS, is read from its beginning:
    only that tells what time it is.
    """
    if config.start_s > 0:
        for run_up_s in _RUN_UPS_S:
            reading = _read_from(name, config, keyframes_only=keyframes_only, seek_s=config.start_s - run_up_s)
            if reading is not None:
                return reading
    reading = _read_from(name, config, keyframes_only=keyframes_only, seek_s=None)
    if reading is None:
        raise AssertionError("reading from the beginning either works or raises")
    return reading


def check_size(name: str, size: tuple[int, int], *, max_pixels: int) -> None:
    """Refuse a picture that is too large. Raises `SourceError`."""
    width, height = size
    if width * height > max_pixels:
        raise SourceError(
            f"{name} holds a {width}×{height} picture, more than source.max_pixels = {max_pixels}; "
            "raise that setting if you trust the file"
        )


def _read_from(name: str, config: SourceConfig, *, keyframes_only: bool, seek_s: float | None) -> Reading | None:
    container = open_container(name, config.limits)
    try:
        reading = _prepare(name, container, config, keyframes_only=keyframes_only, seek_s=seek_s)
    except BaseException:
        container.close()
        raise
    if reading is None:
        container.close()
    return reading


def _prepare(
    name: str, container: InputContainer, config: SourceConfig, *, keyframes_only: bool, seek_s: float | None
) -> Reading | None:
    """A reading that begins at or before `seek_s` (None: at the beginning); None where no seek can promise that."""
    stream = video_stream(container, name, config.limits)
    probed_size = (stream.codec_context.width, stream.codec_context.height)
    check_size(name, probed_size, max_pixels=config.max_pixels)
    _set_up_decoder(container, stream, config, keyframes_only=keyframes_only)
    start = container_start(container)
    time_base = stream.time_base or Fraction(1, 1_000_000)
    if seek_s is not None and not _seek(container, stream, Fraction(seek_s) + start):
        return None
    counts = SourceCounts()
    decoder = PacketDecoder(container, stream, counts)
    items = deinterlaced(decoder.frames(), config.deinterlace, time_base=time_base)
    first = next(items, None)
    if seek_s is not None and (first is None or first.pts is None or first.pts * time_base - start > config.start_s):
        return None
    if first is None:
        raise _nothing_decodes(name, stream, counts)
    rate = stream.average_rate or stream.guessed_rate
    step = max(1, round(1 / ((rate or _FALLBACK_RATE_HZ) * time_base)))
    return Reading(
        container=container,
        stream=stream,
        counts=counts,
        start=start,
        time_base=time_base,
        step=step,
        rate=rate,
        clock=StreamClock(time_base, start=start, default_step=step, end_s=declared_end(container, stream)[0]),
        decoder=decoder,
        probed_size=probed_size,
        first=first,
        items=chain([first], items),
        is_whole=seek_s is None,
        leaves_out=stream.codec_context.skip_frame in ("NONKEY", "NONREF"),
    )


def _set_up_decoder(
    container: InputContainer, stream: VideoStream, config: SourceConfig, *, keyframes_only: bool
) -> None:
    codec = stream.codec_context
    # Threads over slices, never over frames: those change what a damaged file decodes to, and lose its last frames.
    codec.thread_type = ThreadType.SLICE
    # What damage comes out as must not depend on the machine. H.264 patches it in another way with one thread than with
    # two, four or eight; the threads of MPEG-1 and MPEG-2 patch it with what another has done already, or has not.
    alone = codec.codec.canonical_name in _PATCHED_ALONE
    codec.thread_count = 1 if alone else max(2, config.threads or _SLICE_THREADS)
    if keyframes_only:
        codec.skip_frame = "NONKEY"
    elif config.discard == "nonref" and has_own_times(container):
        codec.skip_frame = "NONREF"


def _seek(container: InputContainer, stream: VideoStream, target: Fraction) -> bool:
    if container.format.flags & _AVFMT_TS_DISCONT or stream.time_base is None:
        return False
    try:
        container.seek(int(target / stream.time_base), stream=stream, backward=True)
    except FFmpegError:
        return False
    return True


def _nothing_decodes(name: str, stream: VideoStream, counts: SourceCounts) -> SourceError:
    failed = counts.decode_errors
    reason = f"{failed} packets failed" if failed else "its packets hold no picture"
    return SourceError(
        f"no picture of {name} can be decoded ({stream.codec_context.codec.canonical_name}, {reason}); "
        "expected a playable video: convert it, or fetch it anew"
    )
