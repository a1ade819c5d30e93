"""Packets of one video stream through its decoder, one by one: a bad packet is counted and skipped, never the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from av import FFmpegError, Packet, VideoFrame
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from streamfilter.source.demuxing import demuxed
from streamfilter.stages import SourceCounts

# So many packets in a row without a picture, and the rest of the file is given up.
_MOST_PACKETS_IN_VAIN = 5000


@dataclass(frozen=True, slots=True)
class Decoded:
    """A frame as it leaves the decoder.

    `is_timed`: its PTS is the container's own word. `errors`: packets that failed since the frame before it.
    `is_after_loss`: a packet was damaged or failed since then.
    """

    frame: VideoFrame
    is_key: bool
    pts: int | None
    duration: int | None
    is_timed: bool
    errors: int
    is_after_loss: bool


def has_own_times(container: InputContainer) -> bool:
    """Whether a container says when each picture is shown, so that some may be left out."""
    return container.format.name != "avi"


class PacketDecoder:
    """Decodes one stream of an open container, which its opener closes.

    `first_pts` and `end_pts` bound the video packets met so far, `container_end_s` the packets of every stream
    (in the container's own clock).
    """

    def __init__(self, container: InputContainer, stream: VideoStream, counts: SourceCounts) -> None:
        self._container = container
        self._stream = stream
        self._counts = counts
        self._errors = 0
        self._damaged = False
        self._in_vain = 0
        # AVI knows no PTS, and what FFmpeg makes up for it is wrong beside B-frames. But pictures are shown at the same
        # times at which they are decoded, only in another order: the earliest time left is the next frame's.
        self._has_pts = has_own_times(container)
        self._decode_times: list[int] = []
        self._keys_only = stream.codec_context.skip_frame == "NONKEY"
        self.first_pts: int | None = None
        self.end_pts: int | None = None
        self.container_end_s: float | None = None

    def frames(self) -> Iterator[Decoded]:
        """Every picture that can be decoded, the decoder's own store at the end included."""
        packets: Iterator[Packet[Stream]] = demuxed(self._container, bad_read=lambda error: self._count_error())
        for packet in packets:
            # An empty packet is the demuxer's end mark or a picture that AVI leaves out; a decoder would end at both.
            if not packet.size:
                continue
            self._see(packet)
            if packet.stream.index != self._stream.index or (self._keys_only and not packet.is_keyframe):
                continue
            yield from self._decode(packet)
            if self._in_vain > _MOST_PACKETS_IN_VAIN:
                return
        yield from self._decode(None)

    def _see(self, packet: Packet[Stream]) -> None:
        self._counts.packets += 1
        pts = packet.pts if self._has_pts else packet.dts
        if pts is None or packet.is_discard:
            return
        end = pts + (packet.duration or 0)
        end_s = float(end * packet.time_base)
        self.container_end_s = end_s if self.container_end_s is None else max(self.container_end_s, end_s)
        if packet.stream.index == self._stream.index:
            self.first_pts = pts if self.first_pts is None else min(self.first_pts, pts)
            self.end_pts = end if self.end_pts is None else max(self.end_pts, end)
            self._damaged = self._damaged or packet.is_corrupt

    def _decode(self, packet: Packet[Stream] | None) -> Iterator[Decoded]:
        self._in_vain += 1
        try:
            frames = self._stream.decode(packet)
        except FFmpegError:
            self._count_error()
            return
        if packet is not None and packet.dts is not None:
            heappush(self._decode_times, packet.dts)
        for frame in frames:
            self._in_vain = 0
            self._counts.damaged_frames += frame.is_corrupt
            yield self._decoded(frame)

    def _decoded(self, frame: VideoFrame) -> Decoded:
        errors, self._errors = self._errors, 0
        damaged, self._damaged = self._damaged or errors > 0, False
        earliest = heappop(self._decode_times) if self._decode_times else None
        return Decoded(
            frame,
            is_key=frame.key_frame,
            pts=frame.pts if self._has_pts else earliest,
            duration=frame.duration or None,
            is_timed=self._has_pts and frame.pts is not None,
            errors=errors,
            is_after_loss=damaged,
        )

    def _count_error(self) -> None:
        self._counts.decode_errors += 1
        self._errors += 1
