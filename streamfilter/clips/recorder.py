"""All clips of a run: feeds hand in their packets and are told of events, a thread of its own writes to the disk.

feed's thread    take ─► ring ─► recordings of the open events ─┐
run's thread     opened, closed: which recordings there are     ├─► clip thread: write, name, thumbnail, tidy up
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from av import Packet
from av.stream import Stream

from streamfilter.clips.extras import write_annotated, write_thumbnail
from streamfilter.clips.recording import Recording
from streamfilter.clips.ring import Kept, PacketRing, Streams
from streamfilter.clips.shelf import Shelf
from streamfilter.config import AnnotateConfig, ClipsConfig, SmootherConfig
from streamfilter.errors import StreamFilterError
from streamfilter.eventlog.names import safe_name
from streamfilter.files import part_of
from streamfilter.types import Event

_WRITE_EVERY_S = 0.5
_SPARE_S = 5.0
"""Beside the pre-roll and what the smoother waits for: what the network may be behind the feed."""


class ClipRecorder:
    """The clips of a run; a context manager that owns the writing thread. `warn` tells what could not be written.

    With `threaded` False nothing is written before `work_off`.
    """

    def __init__(
        self,
        shelf: Shelf,
        config: ClipsConfig,
        *,
        smoother: SmootherConfig,
        annotate: AnnotateConfig,
        warn: Callable[[str], None],
        threaded: bool = True,
    ) -> None:
        self.shelf = shelf
        self.config = config
        self.keep_s = config.pre_roll_s + smoother.onset_s + smoother.certain_s + smoother.bridge_s + _SPARE_S
        self._annotate = annotate
        self._warn = warn
        self._changed = threading.Condition()
        self._recordings: list[Recording] = []
        self._feeds: list[FeedClips] = []
        self._is_ending = False
        self._thread = threading.Thread(target=self._work, name="streamfilter-clips") if threaded else None

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every clip where it is. Annotated copies that were not begun are left out: they take too long."""
        for feed in self._feeds:
            feed.cut()
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self.work_off()

    def feed(self) -> FeedClips:
        """What one feed hands its packets to."""
        clips = FeedClips(self)
        self._feeds.append(clips)
        return clips

    def begin(self, recording: Recording) -> None:
        """Write this recording from now on."""
        with self._changed:
            self._recordings.append(recording)

    def work_off(self) -> None:
        """Write what is waiting, and finish what is complete."""
        with self._changed:
            recordings = list(self._recordings)
        for recording in recordings:
            if self._is_done_with(recording):
                self.shelf.settle(*_files_of(recording))
                with self._changed:
                    self._recordings.remove(recording)

    def _is_done_with(self, recording: Recording) -> bool:
        """Write what is waiting; finish it where nothing more comes. What cannot be written is told and given up."""
        is_last = recording.is_complete  # asked before writing: what came before that is written
        try:
            if not recording.is_whole:
                self._write(recording, is_last=is_last)
            return is_last and self._has_all(recording)
        except StreamFilterError as error:
            self._warn(str(error))
            return True
        except OSError as error:
            recording.give_up()
            self._warn(f"clips in {self.shelf.folder}: {error.strerror}; check the folder and its free space")
            return True

    def _work(self) -> None:
        while not self._is_ending:
            with self._changed:
                self._changed.wait(_WRITE_EVERY_S)
            self.work_off()

    def _write(self, recording: Recording, *, is_last: bool) -> None:
        if not recording.is_begun:
            self.shelf.announce(*_files_of(recording))
        recording.write()
        if is_last:
            recording.finish()
            if recording.is_cut:
                self._warn(f"clip {recording.path} ends early: the disk did not keep up with the feed")

    def _has_all(self, recording: Recording) -> bool:
        """Add what goes with a whole clip; False when its event, which may outlast it, is not over yet."""
        event = recording.event
        if event is None and (self.config.thumbnail or self.config.annotated) and not self._is_ending:
            return False
        if event is not None and self.config.thumbnail:
            write_thumbnail(recording.path, event, thumbnail_of(recording.path), begin_s=recording.begin_s)
        if event is not None and self.config.annotated and not self._is_ending:
            out = annotated_of(recording.path)
            write_annotated(recording.path, event, out, begin_s=recording.begin_s, config=self._annotate)
        self.shelf.settle(*_files_of(recording))
        self.shelf.tidy()
        return True


class FeedClips:
    """The clips of one feed. `begin`, `take` and `end` are for the thread that reads it, the rest for the run's.

    A reader that hung and was replaced may come back: only the thread that called `begin` last is listened to.
    """

    def __init__(self, recorder: ClipRecorder) -> None:
        self._recorder = recorder
        self._config = recorder.config
        self._lock = threading.Lock()
        self._ring = PacketRing(recorder.keep_s, self._config.max_ring_bytes)
        self._streams: Streams | None = None
        self._reader: int | None = None
        self._open: dict[str, Recording] = {}

    def begin(self, streams: Sequence[Stream]) -> None:
        """A connection begins; what an earlier one has left ends."""
        known = Streams(streams)
        with self._lock:
            self._cut()
            self._streams, self._reader = known, threading.get_ident()

    def take(self, packet: Packet[Stream], time_s: float) -> None:
        """A packet of the connection, which is shown at `time_s` of stream time."""
        kept = Kept.of(packet, time_s)
        with self._lock:
            if self._reader != threading.get_ident():
                return
            self._ring.add(kept)
            for event_id, recording in list(self._open.items()):
                recording.take(kept)
                if recording.is_complete and recording.event is not None:
                    del self._open[event_id]

    def end(self) -> None:
        """The connection is over, and with it every clip."""
        with self._lock:
            if self._reader == threading.get_ident():
                self._cut()

    def cut(self) -> None:
        """The same, from any thread."""
        with self._lock:
            self._cut()

    def _cut(self) -> None:
        for recording in self._open.values():
            recording.is_complete = True
        self._ring.clear()
        self._streams = self._reader = None

    def opened(self, event_id: str, label: str, start_s: float) -> None:
        """An event has begun: its clip begins `pre_roll_s` before it, as far as packets are left from then."""
        with self._lock:
            packets = self._ring.since(start_s - self._config.pre_roll_s)
            if self._streams is None or not self._streams.has_picture or not packets or event_id in self._open:
                return
            path = self._recorder.shelf.folder / clip_name(label, event_id, self._streams.suffix)
            longest_s = packets[0].time_s + self._config.max_length_s
            recording = Recording(path, self._streams, packets, end_s=longest_s, most_bytes=self._config.max_ring_bytes)
            self._open[event_id] = recording
        self._recorder.begin(recording)

    def closed(self, event_id: str, event: Event) -> dict[str, str] | None:
        """The event is over: its clip goes on for `post_roll_s`. Returns the names of its files; None: it has none.

        The files are there when that time has passed.
        """
        with self._lock:
            recording = self._open.get(event_id)
            if recording is None or recording.has_failed:
                self._open.pop(event_id, None)
                return None
            recording.event = event
            recording.end_at(event.end_s + self._config.post_roll_s)
            if recording.is_complete:
                del self._open[event_id]
        return media(recording.path, self._config)


def _files_of(recording: Recording) -> tuple[Path, ...]:
    """All that may be written for a clip, also what a run leaves that is killed meanwhile."""
    path = recording.path
    extras = thumbnail_of(path), annotated_of(path)
    return recording.partial, path, *extras, *(part_of(extra) for extra in extras)


def clip_name(label: str, event_id: str, suffix: str) -> str:
    """The name of an event's clip."""
    return f"{safe_name(label)}-{event_id}{suffix}"


def media(path: Path, config: ClipsConfig) -> dict[str, str]:
    """The names of the files that belong to the clip `path`, as the log tells them."""
    named = {"clip": path.name}
    if config.thumbnail:
        named["thumbnail"] = thumbnail_of(path).name
    if config.annotated:
        named["annotated"] = annotated_of(path).name
    return named


def thumbnail_of(clip: Path) -> Path:
    """Where the thumbnail of a clip goes."""
    return clip.with_suffix(".jpg")


def annotated_of(clip: Path) -> Path:
    """Where the annotated copy of a clip goes."""
    return clip.with_name(f"{clip.stem}-annotated.mp4")
