"""Clips of a source that is a file: its packets once more, handed in as a feed would."""

from __future__ import annotations

from collections.abc import Sequence

from av import FFmpegError

from streamfilter.clips.recorder import ClipRecorder
from streamfilter.clips.ring import suffix_for
from streamfilter.config import SourceLimits
from streamfilter.errors import SourceError
from streamfilter.source.demuxing import demuxed
from streamfilter.source.opening import container_start, open_container, video_stream
from streamfilter.types import Event


def suffix_of(name: str) -> str:
    """What the names of its clips end in. Raises `SourceError`."""
    with open_container(name) as container:
        return suffix_for([video_stream(container, name), *container.streams.audio])


def clip_file(
    name: str, events: Sequence[tuple[str, Event]], recorder: ClipRecorder, *, limits: SourceLimits | None = None
) -> None:
    """Write the clips of `events` (each with its id) of the file `name`. Raises `SourceError`."""
    if not events:
        return
    waiting = sorted(events, key=lambda one: one[1].start_s, reverse=True)
    clips = recorder.feed()
    with open_container(name, limits or SourceLimits()) as container:
        video = video_stream(container, name)
        streams = [video, *container.streams.audio]
        begin_s = float(container_start(container))
        clips.begin(streams)
        try:
            for packet in demuxed(container, *streams):
                ticks = packet.pts if packet.pts is not None else packet.dts
                if not packet.size or ticks is None:
                    continue
                time_s = float(ticks * packet.time_base) - begin_s
                clips.take(packet, time_s)
                while packet.stream is video and waiting and waiting[-1][1].start_s <= time_s:
                    event_id, event = waiting.pop()
                    clips.opened(event_id, event.label, event.start_s)
                    clips.closed(event_id, event)
                recorder.work_off()
        except FFmpegError as error:
            raise SourceError(f"cannot read {name} for its clips: {error.strerror}; check the file") from None
        finally:
            clips.end()
            recorder.work_off()
