"""One connection to a feed: packets as they arrive, and the frames in them. It ends with a `FeedLostError`, always."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
from av import FFmpegError, Packet
from av.codec.context import ThreadType
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from streamfilter.config import LiveConfig, SourceConfig, SourceLimits
from streamfilter.errors import SourceError
from streamfilter.live.addresses import scheme_of
from streamfilter.live.backlog import Backlog
from streamfilter.live.bursts import bursts
from streamfilter.live.counters import FeedCounters
from streamfilter.live.faults import PATIENT, Cause, FeedLostError, broken_off, not_opened, silent
from streamfilter.source.deinterlacing import deinterlaced
from streamfilter.source.opening import video_stream
from streamfilter.source.packets import Decoded

_PACED = frozenset({"http", "https"})
"""Feeds that come in pieces of some seconds each: what comes early waits for its time."""

_RTMP = "rtmp,rtmps,rtmpt,rtmpts,rtmpe,rtmpte,tcp,tls,http,https,ffrtmpcrypt,ffrtmphttp"
_RTSP = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https"
_HTTP = "http,https,httpproxy,tcp,tls,crypto,data"
_PROTOCOLS = (
    {"v4l2": "file", "http": _HTTP, "https": _HTTP, "rtp": "rtp,udp"}
    | dict.fromkeys(("rtsp", "rtsps"), _RTSP)
    | dict.fromkeys(("rtmp", "rtmps", "rtmpt", "rtmpe"), _RTMP)
)
_FORMATS = ("rtsp", "rtp", "sdp", "hls", "flv", "mpegts", "video4linux2", "v4l2")

_AT_ONCE_S = 0.01
"""A packet that was read quicker than this had been waiting."""

_LONG_S = 1.0
"""What goes on coming at once for so long is a feed that is quicker than time."""

_MOST_TIMES = 256


@dataclass(frozen=True, slots=True)
class Arrived:
    """A decoded frame, its PTS in seconds (None: it has none), and when it reached this machine (monotonic)."""

    item: Decoded
    pts_s: float | None
    arrived_s: float


class Connection:
    """An open feed; a context manager. Opening it raises `FeedLostError`.

    `stream` is the video that is decoded, `streams` are those whose packets are seen, `rate_hz` is declared.
    `has_passed_over`: not all of it was decoded, since there was no time; whoever has told that sets it back.
    """

    def __init__(self, address: str, config: LiveConfig, source: SourceConfig, counters: FeedCounters) -> None:
        self._config = config
        self._source = source
        self._counters = counters
        self._began_s = time.monotonic()
        self.is_paced = scheme_of(address) in _PACED
        self._container = _open(address, config, source.limits)
        try:
            self.stream = _video_of(self._container, source.limits)
            self.streams: Sequence[Stream] = [self.stream, *self._container.streams.audio]
            self._refuse_recordings()
            # Threads of the decoder would be more than the cores with many feeds, and add frames of delay.
            self.stream.codec_context.thread_type = ThreadType.SLICE
            self.stream.codec_context.thread_count = source.threads or 1
        except BaseException:
            self._container.close()
            raise
        rate = self.stream.average_rate or self.stream.guessed_rate
        # Where nothing is known of it FFmpeg gives the rate of the clock.
        self.rate_hz = float(rate) if rate and rate <= source.limits.rate_hz else None
        self.time_base = self.stream.time_base or Fraction(1, 1_000_000)
        self._tick_s = float(self.time_base)
        self._index = self.stream.index
        self._times: dict[int, float] = {}
        self._backlog = Backlog(config.max_staleness_s)
        self.has_passed_over = False
        self._errors = 0
        self._is_damaged = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def container_name(self) -> str:
        """FFmpeg's name of the container or protocol."""
        return self._container.format.name

    @property
    def utc_of_zero_s(self) -> float | None:
        """UTC of PTS 0 by the camera's own clock, once an RTCP sender report has told it."""
        real = self._container.start_time_realtime
        return real / 1e6 if real else None

    def packets(self) -> Iterator[tuple[Packet[Stream], float]]:
        """Packets of `streams` with their arrival, until the feed is lost, which raises `FeedLostError`.

        What had been waiting when the connection began arrived earlier than it was read: by its distance to the newest.
        """
        read = self._read()
        if not self.is_paced:
            yield from self._waiting(read)
        yield from read

    def frames(
        self, packets: Iterator[tuple[Packet[Stream], float]], may_wait: Callable[[float, bool], bool]
    ) -> Iterator[Arrived]:
        """The pictures in these packets, in the order in which they are shown, deinterlaced as it is set.

        `may_wait` is asked whether a packet, by its PTS in seconds and whether it is a key picture, need not be decoded
        at once.
        """
        decoded = self._decoded(packets, may_wait)
        for item in deinterlaced(decoded, self._source.deinterlace, time_base=self.time_base):
            pts_s = None if item.pts is None else item.pts * self._tick_s
            arrived_s = self._last_s if item.pts is None else self._times.pop(item.pts, self._last_s)
            yield Arrived(item, pts_s, arrived_s)

    def _read(self) -> Iterator[tuple[Packet[Stream], float]]:
        patience_s = self._config.silence_s
        began_s = time.monotonic()
        try:
            for packet in self._container.demux(*self.streams):
                now_s = self._counters.alive_at_s = time.monotonic()
                if packet.size:
                    self._counters.packets += 1
                    yield packet, now_s
                if now_s - began_s >= PATIENT * patience_s:
                    # FFmpeg ran out of patience, but had kept a packet that it hands out first.
                    raise silent(now_s - began_s)
                began_s = time.monotonic()
        except FFmpegError as error:
            waited_s = time.monotonic() - began_s
            raise broken_off(error, waited_s=waited_s, patience_s=patience_s) from None
        except IndexError:
            pass  # PyAV 18 stumbles at the end of a feed in which damage made up a stream
        raise FeedLostError(Cause.ENDED, "the feed ended")

    def _waiting(self, read: Iterator[tuple[Packet[Stream], float]]) -> Iterator[tuple[Packet[Stream], float]]:
        """What had come before it was read first, and the first packet that had not."""
        waiting: list[tuple[Packet[Stream], float]] = []
        began_s = before_s = time.monotonic()
        for packet, now_s in read:
            waiting.append((packet, now_s))
            if now_s - before_s > _AT_ONCE_S or now_s - began_s > _LONG_S:
                break
            before_s = now_s
        arrivals = self._arrivals(waiting)
        for packet, read_s in waiting:
            is_video = packet.stream.index == self._index
            yield packet, max(self._began_s, next(arrivals)) if is_video else read_s

    def _arrivals(self, waiting: Sequence[tuple[Packet[Stream], float]]) -> Iterator[float]:
        """When each of these pictures came, if the last one came when it was read."""
        pictures = [(self._shown_s(packet), read_s) for packet, read_s in waiting if packet.stream.index == self._index]
        timed = [(shown_s, read_s) for shown_s, read_s in pictures if shown_s is not None]
        if not timed:
            yield from (read_s for _, read_s in pictures)
            return
        # The first packets often have no PTS: they came one after the other before those that have.
        step_s = 1 / self.rate_hz if self.rate_hz else 0.0
        untimed = next(index for index, (shown_s, _) in enumerate(pictures) if shown_s is not None)
        newest_s, newest_read_s = max(timed)
        for index, (shown_s, read_s) in enumerate(pictures):
            ago_s = newest_s - (timed[0][0] - step_s * max(0, untimed - index) if shown_s is None else shown_s)
            yield min(read_s, newest_read_s - ago_s)

    def _shown_s(self, packet: Packet[Stream]) -> float | None:
        is_video = packet.stream.index == self._index
        return packet.pts * self._tick_s if is_video and packet.pts is not None else None

    def _decoded(
        self, packets: Iterator[tuple[Packet[Stream], float]], may_wait: Callable[[float, bool], bool]
    ) -> Iterator[Decoded]:
        def waits(packet: Packet[Stream]) -> bool:
            return packet.pts is not None and may_wait(packet.pts * self._tick_s, packet.is_keyframe)

        self._last_s = self._picture_s = time.monotonic()
        for burst in bursts(self._in_time(packets), waits):
            for packet, arrived_s in burst:
                self._last_s = arrived_s
                if packet.pts is not None:
                    self._remember(packet.pts, arrived_s)
                self._is_damaged = self._is_damaged or packet.is_corrupt
                yield from self._decode(packet)

    def _in_time(self, packets: Iterator[tuple[Packet[Stream], float]]) -> Iterator[tuple[Packet[Stream], float]]:
        """Pictures that there is time to decode, each with its arrival."""
        for packet, read_s in packets:
            if packet.stream.index != self._index:
                continue
            shown_s = self._shown_s(packet)
            late_s = 0.0 if shown_s is None or self.is_paced else self._backlog.late_s(shown_s, read_s)
            if self._backlog.passes_over(late_s, read_s, is_key=packet.is_keyframe):
                self.has_passed_over = True
                self._counters.passed_over += 1
                self._picture_s = time.monotonic()
                continue
            yield packet, read_s - late_s

    def _decode(self, packet: Packet[Stream]) -> Iterator[Decoded]:
        try:
            frames = self.stream.decode(packet)
        except FFmpegError:
            self._counters.decode_errors += 1
            self._errors += 1
            frames = []
        now_s = time.monotonic()
        if frames:
            self._picture_s = now_s
        elif now_s - self._picture_s > self._config.picture_s:
            raise FeedLostError(Cause.DAMAGED, f"no picture could be decoded for {self._config.picture_s:g} s")
        for frame in frames:
            self._counters.damaged_frames += frame.is_corrupt
            errors, self._errors = self._errors, 0
            damaged, self._is_damaged = self._is_damaged or errors > 0, False
            yield Decoded(
                frame,
                is_key=frame.key_frame,
                pts=frame.pts,
                duration=frame.duration or None,
                is_timed=frame.pts is not None,
                errors=errors,
                is_after_loss=damaged,
            )

    def _remember(self, pts: int, arrived_s: float) -> None:
        self._times[pts] = arrived_s
        if len(self._times) > _MOST_TIMES:
            self._times.pop(next(iter(self._times)))

    def _refuse_recordings(self) -> None:
        if self.is_paced and self._container.duration:
            raise FeedLostError(Cause.UNSUPPORTED, "it is a recording and no live feed; fetch it and read the file")


def _open(address: str, config: LiveConfig, limits: SourceLimits) -> InputContainer:
    began_s = time.monotonic()
    scheme = scheme_of(address)
    try:
        return av.open(
            address,
            "r",
            format="v4l2" if scheme == "v4l2" else None,
            container_options=_options(scheme, config, limits),
            metadata_errors="replace",
            timeout=(config.connect_s, config.silence_s),
        )
    except FFmpegError as error:
        waited_s = time.monotonic() - began_s
        raise not_opened(error, waited_s=waited_s, patience_s=config.connect_s) from None
    except (UnicodeError, ValueError):
        raise FeedLostError(Cause.UNSUPPORTED, "FFmpeg does not read such an address; check it") from None


def _options(scheme: str, config: LiveConfig, limits: SourceLimits) -> dict[str, str]:
    """Whatever a feed says, it leads to no file and no other kind of address, and only known decoders read it.

    It is looked at no longer than is needed to decode it: what comes meanwhile is late already.
    """
    options = {
        "protocol_whitelist": _PROTOCOLS.get(scheme, scheme),
        "format_whitelist": ",".join((*limits.formats, *_FORMATS)),
        "codec_whitelist": ",".join(limits.codecs),
        "max_streams": str(limits.streams),
        "fpsprobesize": "0",
    }
    if scheme in ("rtsp", "rtsps"):
        options |= {"rtsp_transport": config.rtsp_transport, "analyzeduration": "200000"}
    return options


def _video_of(container: InputContainer, limits: SourceLimits) -> VideoStream:
    try:
        return video_stream(container, "it", limits)
    except SourceError as error:
        raise FeedLostError(Cause.UNSUPPORTED, str(error)) from None
