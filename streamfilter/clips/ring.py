"""The newest packets of a feed: as many seconds as are wanted, in as many bytes as are allowed, from a key frame on."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from streamfilter.annotate.holding import holds
from streamfilter.annotate.mp4 import container_format

_IN_MP4 = frozenset({"h264", "hevc", "av1", "mpeg4", "vp9", "aac", "mp3", "opus", "ac3", "eac3"})


@dataclass(frozen=True, slots=True)
class Kept:
    """A packet's bytes and times. `time_s` is when it is shown, `coded_s` when it is decoded, both of stream time."""

    stream: int
    is_video: bool
    is_key: bool
    time_s: float
    coded_s: float
    duration_s: float
    data: bytes

    @classmethod
    def of(cls, packet: Packet[Stream], time_s: float) -> Kept:
        """A copy: the packet itself belongs to its container."""
        base = float(packet.time_base)
        ahead = packet.pts - packet.dts if packet.pts is not None and packet.dts is not None else 0
        is_video = isinstance(packet.stream, VideoStream)
        return cls(
            packet.stream.index,
            is_video,
            is_video and packet.is_keyframe,
            time_s,
            time_s - ahead * base,
            (packet.duration or 0) * base,
            bytes(packet),
        )


class Streams:
    """What the streams of a connection were, for writing them again when the connection is gone."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        # An output that is never begun keeps a copy of what describes the streams; this container takes any codec.
        self._copies = av.open(io.BytesIO(), "w", format="nut")
        self.suffix = suffix_for(streams)
        held = [stream for stream in streams if _holds(self.suffix, stream)]
        self.has_picture = any(isinstance(stream, VideoStream) for stream in held)
        self._kept = {stream.index: self._copies.add_stream_from_template(stream) for stream in held}
        self.bases = {stream.index: stream.time_base or Fraction(1, 1_000_000) for stream in held}

    def __iter__(self) -> Iterator[tuple[int, Stream]]:
        """Each by its index."""
        return iter(self._kept.items())


def suffix_for(streams: Sequence[Stream]) -> str:
    """The container for these streams: MP4; where a codec needs it Matroska, or QuickTime (for the A-law of cameras).

    Sound that none of them holds is left out.
    """
    contexts = [stream.codec_context for stream in streams]
    if all(one is not None and one.name in _IN_MP4 for one in contexts):
        return ".mp4"
    whole = (suffix for suffix in (".mkv", ".mov") if all(_holds(suffix, stream) for stream in streams))
    return next(whole, ".mkv")


def _holds(suffix: str, stream: Stream) -> bool:
    """Whether FFmpeg writes this stream to files of that kind."""
    return holds(container_format(Path(f"clip{suffix}")), stream)


class PacketRing:
    """Begins with a key frame, always. `keep_s` before the newest packet are kept, unless that takes `most_bytes`."""

    def __init__(self, keep_s: float, most_bytes: int) -> None:
        self._keep_s = keep_s
        self._most_bytes = most_bytes
        self._packets: deque[Kept] = deque()
        self._keys: deque[float] = deque()
        self.bytes = 0

    def clear(self) -> None:
        """Forget everything."""
        self._packets.clear()
        self._keys.clear()
        self.bytes = 0

    def add(self, packet: Kept) -> None:
        """The newest packet; what comes before the first key frame is of no use."""
        if packet.is_key:
            self._keys.append(packet.time_s)
        elif not self._keys:
            return
        self._packets.append(packet)
        self.bytes += len(packet.data)
        while len(self._keys) > 1 and (self.bytes > self._most_bytes or self._keys[1] <= packet.time_s - self._keep_s):
            self._drop_first()
        if self.bytes > self._most_bytes:
            self.clear()

    def since(self, time_s: float) -> list[Kept]:
        """The packets from the last key frame on that is shown at `time_s` or before; else from the first one."""
        before = [key_s for key_s in self._keys if key_s <= time_s]
        if not before:
            return list(self._packets)
        packets = list(self._packets)
        begin = max(n for n, one in enumerate(packets) if one.is_key and one.time_s <= time_s)
        return packets[begin:]

    def _drop_first(self) -> None:
        """Everything before the second key frame."""
        self._keys.popleft()
        self.bytes -= len(self._packets.popleft().data)
        while not self._packets[0].is_key:
            self.bytes -= len(self._packets.popleft().data)
