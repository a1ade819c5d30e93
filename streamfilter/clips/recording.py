"""One clip: takes packets in the thread of a feed, is written in another, and gets its name when it is whole."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av import FFmpegError, Packet
from av.container import OutputContainer
from av.stream import Stream

from streamfilter.annotate.mp4 import close_output, container_format, mux_options
from streamfilter.clips.ring import Kept, Streams
from streamfilter.errors import SinkError
from streamfilter.files import discard, sync
from streamfilter.types import Event

_STEP_S = Fraction(1, 1000)
"""At least so much lies between two packets of a stream."""


class Recording:
    """A clip under way at `path`. It begins with the key frame that is the first of `packets`, at `begin_s`.

    `most_bytes` may wait for being written: a disk that hangs must not fill the memory.
    """

    def __init__(self, path: Path, streams: Streams, packets: Sequence[Kept], *, end_s: float, most_bytes: int) -> None:
        self.path = path
        self.begin_s = packets[0].time_s
        self.event: Event | None = None
        self.is_complete = False
        self.is_cut = False
        self.is_whole = False
        self.has_failed = False
        self._end_s = end_s
        self._latest_s = max(packet.time_s for packet in packets if packet.is_video)
        self._streams = streams
        self._lock = threading.Lock()
        self._waiting = deque(packets)
        self._waiting_bytes = sum(len(packet.data) for packet in packets)
        self._most_bytes = most_bytes + self._waiting_bytes
        self._output: OutputContainer | None = None
        self._written: dict[int, Stream] = {}
        self._last: dict[int, int] = {}

    @property
    def partial(self) -> Path:
        """Where it is written."""
        return self.path.with_name(f".{self.path.name}.part")

    @property
    def is_begun(self) -> bool:
        """Whether anything was written."""
        return self._output is not None

    def end_at(self, time_s: float) -> None:
        """The clip goes on to this stream time, but no longer than was said at first."""
        self._end_s = min(self._end_s, time_s)

    def take(self, packet: Kept) -> None:
        """The next packet of the feed. Does not wait for the disk."""
        if self.is_complete:
            return
        if packet.is_video:
            # What is shown after all that came before refers to it at most: no picture before it is still to come.
            is_next = packet.time_s > self._latest_s
            if is_next and packet.coded_s >= self._end_s:
                self.is_complete = True
                return
            self._latest_s = max(self._latest_s, packet.time_s)
        with self._lock:
            self._waiting.append(packet)
            self._waiting_bytes += len(packet.data)
            if self._waiting_bytes > self._most_bytes:
                self.is_cut = self.is_complete = True

    def write(self) -> None:
        """Write what is waiting. Raises `SinkError`."""
        with self._lock:
            packets, self._waiting = self._waiting, deque()
            self._waiting_bytes = 0
        try:
            output = self._output or self._begun()
            for packet in packets:
                self._mux(output, packet)
        except (FFmpegError, OSError) as error:
            self.give_up()
            raise self._refused(error) from None

    def finish(self) -> None:
        """Close the file and give it its name. Raises `SinkError`, and leaves nothing then."""
        output, self._output = self._output, None
        assert output is not None, "a recording is written before it is finished"
        try:
            close_output(output)
            sync(self.partial)
            self.partial.replace(self.path)
            self.is_whole = True
        except (FFmpegError, OSError) as error:
            self.give_up()
            raise self._refused(error) from None

    def _begun(self) -> OutputContainer:
        output = av.open(str(self.partial), "w", format=container_format(self.path), options=mux_options(self.path))
        self._output = output
        self._written = {index: output.add_stream_from_template(stream) for index, stream in self._streams}
        return output

    def _mux(self, output: OutputContainer, kept: Kept) -> None:
        stream = self._written.get(kept.stream)
        if stream is None or kept.time_s < self.begin_s:
            return  # shown before the first key frame: what it is made of is not there
        base = self._streams.bases[kept.stream]
        packet = Packet(kept.data)
        packet.time_base = base
        packet.pts = round((kept.time_s - self.begin_s) / base)
        dts = round((kept.coded_s - self.begin_s) / base)
        # Clocks of feeds step back now and then, which no container takes, nor less than one of its own ticks.
        step = max(1, round(_STEP_S / base))
        packet.dts = max(dts, self._last.get(kept.stream, dts - step) + step)
        packet.pts = max(packet.pts, packet.dts)
        packet.duration = round(kept.duration_s / base)
        packet.is_keyframe = kept.is_key or not kept.is_video
        packet.stream = stream
        self._last[kept.stream] = packet.dts
        output.mux(packet)

    def give_up(self) -> None:
        """There will be no clip; nothing of it is left."""
        self.has_failed = self.is_complete = True
        with self._lock:
            self._waiting.clear()
        output, self._output = self._output, None
        if output is not None:
            with suppress(FFmpegError, OSError):
                close_output(output)
        discard(self.partial)

    def _refused(self, error: FFmpegError | OSError) -> SinkError:
        reason = error.strerror or type(error).__name__
        return SinkError(f"cannot write clip {self.path} ({reason}); check the folder and its free space")
