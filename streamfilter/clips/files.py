"""Clips of a source that is a file: its packets once more, handed in as a feed would."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import TypeAlias

from av import Packet
from av.container import InputContainer
from av.stream import Stream

from streamfilter.clips.recorder import ClipRecorder
from streamfilter.clips.ring import suffix_for
from streamfilter.config import SourceLimits
from streamfilter.errors import SourceError
from streamfilter.source.demuxing import demuxed
from streamfilter.source.guarded import Guarded
from streamfilter.source.opening import container_start, open_container, video_stream
from streamfilter.source.patience import patiently
from streamfilter.stages import SourceCounts
from streamfilter.types import Event

_Timed: TypeAlias = "tuple[Packet[Stream], float]"


def suffix_of(name: str) -> str:
    """What the names of its clips end in. Raises `SourceError`."""
    with open_container(name) as container:
        return suffix_for([video_stream(container, name), *container.streams.audio])


def clip_file(
    name: str, events: Sequence[tuple[str, Event]], recorder: ClipRecorder, *, limits: SourceLimits | None = None
) -> None:
    """Write the clips of `events` (each with its id) of the file `name`. Raises `SourceError`, also where it hangs."""
    if not events:
        return
    limits = limits or SourceLimits()
    container = open_container(name, limits)
    try:
        video = video_stream(container, name)
    except SourceError:
        container.close()
        raise
    streams = [video, *container.streams.audio]
    counts = SourceCounts()
    with (
        closing(Guarded(_timed(container, streams, counts), container.close)) as packets,
        patiently(packets, counts, limits, name=name) as read,
    ):
        _hand_in(read, video, streams, events, recorder)


def _timed(container: InputContainer, streams: Sequence[Stream], counts: SourceCounts) -> Generator[_Timed]:
    """The packets that have a time, each with it in stream time."""
    begin_s = float(container_start(container))
    for packet in demuxed(container, *streams):
        counts.packets += 1
        ticks = packet.pts if packet.pts is not None else packet.dts
        if packet.size and ticks is not None:
            yield packet, float(ticks * packet.time_base) - begin_s


def _hand_in(
    packets: Iterator[_Timed],
    video: Stream,
    streams: Sequence[Stream],
    events: Sequence[tuple[str, Event]],
    recorder: ClipRecorder,
) -> None:
    waiting = sorted(events, key=lambda one: one[1].start_s, reverse=True)
    clips = recorder.feed()
    clips.begin(streams)
    try:
        for packet, time_s in packets:
            clips.take(packet, time_s)
            while packet.stream is video and waiting and waiting[-1][1].start_s <= time_s:
                event_id, event = waiting.pop()
                clips.opened(event_id, event.label, event.start_s)
                clips.closed(event_id, event)
            recorder.work_off()
    finally:
        clips.end()
        recorder.work_off()
