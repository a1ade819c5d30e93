"""The packets of a video stream, read without decoding: when each picture is shown, and which ones open a group."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from av import FFmpegError
from av.container import InputContainer
from av.video.stream import VideoStream

from streamfilter.cutting.kits import length_size, opens_group
from streamfilter.source.demuxing import demuxed
from streamfilter.source.opening import container_start, open_container, video_stream

_LONGEST_PAUSE_S = 10


@dataclass(frozen=True, slots=True)
class IndexedPacket:
    """One packet; `pts` and `duration` in units of the time base. `opens`: what follows needs nothing from before it.

    `is_shown` is False for a picture that an edit list leaves out.
    """

    pts: int
    duration: int
    opens: bool
    is_shown: bool


@dataclass(frozen=True, slots=True)
class PacketIndex:
    """All packets of a video stream in decoding order. `fault`: why their times cannot be trusted, None: they can."""

    packets: tuple[IndexedPacket, ...]
    time_base: Fraction
    start: Fraction
    codec: str
    fault: str | None

    def seconds(self, pts: int) -> float:
        """Stream time of a PTS."""
        return float(pts * self.time_base - self.start)

    @property
    def shown(self) -> list[IndexedPacket]:
        """The packets whose pictures are shown, in the order in which they are."""
        return sorted((packet for packet in self.packets if packet.is_shown), key=lambda packet: packet.pts)

    @property
    def is_intra(self) -> bool:
        """Whether every picture can be decoded on its own."""
        return all(packet.opens for packet in self.packets)

    @property
    def groups(self) -> list[range]:
        """Runs of packets that can be decoded, shown and copied on their own (closed groups of pictures)."""
        firsts = self._closed_openings()
        return [range(a, b) for a, b in zip(firsts, [*firsts[1:], len(self.packets)], strict=True)]

    def _closed_openings(self) -> list[int]:
        """Where a group begins: nothing before it is shown after it, nothing after it before it."""
        latest_before: list[int] = []
        latest = -(1 << 62)
        for packet in self.packets:
            latest_before.append(latest)
            latest = max(latest, packet.pts)
        firsts, earliest = [], 1 << 62
        for at in range(len(self.packets) - 1, -1, -1):
            packet = self.packets[at]
            earliest = min(earliest, packet.pts)
            if at == 0 or (packet.opens and packet.pts == earliest and latest_before[at] < packet.pts):
                firsts.append(at)
        return firsts[::-1]


def read_index(name: str) -> PacketIndex:
    """Read all packets of a file's video stream. Raises `SourceError` where it cannot be opened or holds no video."""
    with open_container(name) as container:
        stream = video_stream(container, name)
        time_base = stream.time_base or Fraction(1, 90_000)
        start = container_start(container)
        codec = stream.codec_context.codec.canonical_name
        size = length_size(codec, stream.codec_context.extradata)
        packets, fault = _read(container, stream, codec=codec, nal_length=size)
    return PacketIndex(tuple(packets), time_base, start, codec, fault or _order_fault(packets, time_base))


def _read(
    container: InputContainer, stream: VideoStream, *, codec: str, nal_length: int
) -> tuple[list[IndexedPacket], str | None]:
    rate = stream.average_rate or stream.guessed_rate or 25
    step = max(1, round(1 / (rate * (stream.time_base or Fraction(1, 90_000)))))
    packets: list[IndexedPacket] = []
    faults: list[FFmpegError] = []
    for packet in demuxed(container, stream, bad_read=faults.append):
        if faults:
            break
        if packet.size == 0:
            continue
        if packet.pts is None or packet.is_corrupt:
            return packets, "packets without a time" if packet.pts is None else "damaged packets"
        opens = opens_group(codec, packet, nal_length)
        packets.append(IndexedPacket(packet.pts, packet.duration or step, opens, not packet.is_discard))
    return packets, "damaged data" if faults else None


def _order_fault(packets: list[IndexedPacket], time_base: Fraction) -> str | None:
    times = sorted(packet.pts for packet in packets)
    if not packets or not any(packet.is_shown for packet in packets):
        return "no packets"
    if any(b == a for a, b in pairwise(times)):
        return "two pictures at one time"
    if any((b - a) * time_base > _LONGEST_PAUSE_S for a, b in pairwise(times)):
        return "a clock that jumps"
    return None
