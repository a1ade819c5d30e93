"""What the commands that read event logs share: the log of one video, and a place for one result."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamfilter.cli.outputs import refuse_to_overwrite_inputs
from streamfilter.console import Console
from streamfilter.errors import SinkError
from streamfilter.eventlog import Log, LoggedEvent, LoggedSource, match_source, read_event_log
from streamfilter.files import write_file
from streamfilter.source.opening import fingerprint


@dataclass(frozen=True, slots=True)
class VideoLog:
    """What a log says of one video. `events` are those that count: with a label, and not rejected in review."""

    log: Log
    source: LoggedSource
    events: tuple[LoggedEvent, ...]


def read_video_log(video: str, events: Path, console: Console) -> VideoLog:
    """The log `events`, as far as it speaks of the file `video`; a doubt whether it does is a warning."""
    log = read_event_log(events)
    match = match_source(log, video, fingerprint(video))
    if match.doubt is not None:
        console.warn(match.doubt)
    warn_of_log(log, console)
    return VideoLog(log, match.source, tuple(event for event in log.kept if event.source == match.source.name))


def warn_of_log(log: Log, console: Console) -> None:
    """Say what is odd about a log: a torn end, decisions about events that it does not have."""
    if log.is_torn:
        console.warn(f"{log.path}: the last line was cut off and is left out")
    if log.strays:
        console.warn(f"{log.path}: its review speaks of {log.strays} events that the log does not have")


def prepare_result(path: Path, inputs: Iterable[Path], *, force: bool) -> None:
    """Make room for one result. Raises `SinkError` where it cannot be written, or would take another file's place."""
    refuse_to_overwrite_inputs([path], inputs)
    if path.is_dir():
        raise SinkError(f"{path} is a folder: expected the name of a file")
    if path.exists() and not force:
        raise SinkError(f"{path} exists: give another name, or --force to replace it")
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise SinkError(f"cannot write {path}: {folder} is no folder that can be written; make it first")


def write_text(out: str, text: str) -> None:
    """Write a whole text to a file, or to stdout for `-`. Raises `SinkError`; a file is there whole or not at all."""
    data = text.encode("utf-8", "backslashreplace")
    if out == "-":
        sys.stdout.buffer.write(data)
        return
    try:
        write_file(Path(out), data)
    except OSError as error:
        raise SinkError(f"cannot write {out}: {error.strerror}; check the folder and its free space") from None
