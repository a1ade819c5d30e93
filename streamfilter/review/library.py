"""The events of the given logs, in order, and as columns for the page."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamfilter.eventlog import Log, LoggedEvent, LoggedGap, LoggedSource, read_event_logs, review_path

_PLAIN_ID = re.compile("[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in the library: `source` counts the library's sources, `log` its logs."""

    event: LoggedEvent
    log: int
    source: int


@dataclass(frozen=True, slots=True)
class LibrarySource:
    """One source of one log, with the seconds that were lost in it."""

    facts: LoggedSource
    log: int
    gaps: tuple[LoggedGap, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """What is reviewed. `entries` are ordered by source and time; `rows` finds one by its key.

    `models` are the digests of the models that wrote the logs. `key` names the library: the same for the same logs,
    however often the server starts.
    """

    paths: tuple[Path, ...]
    models: tuple[str, ...]
    sources: tuple[LibrarySource, ...]
    entries: tuple[Entry, ...]
    rows: dict[str, int]
    labels: tuple[str, ...]
    key: str

    def review_file(self, log: int) -> Path:
        """Where the decisions about the events of a log are written."""
        return review_path(self.paths[log])


def read_library(paths: Sequence[Path]) -> Library:
    """Read logs. An event that several of them hold counts once, as the first of them has it. Raises `SinkError`."""
    logs = read_event_logs(list(paths))
    sources: list[LibrarySource] = []
    entries: dict[str, Entry] = {}
    for number, log in enumerate(logs):
        names = {source.name: len(sources) + i for i, source in enumerate(log.sources)}
        sources += [LibrarySource(facts, number, _gaps_of(facts, log)) for facts in log.sources]
        for event in log.events:
            entries.setdefault(event_key(event.event_id), Entry(event, number, names[event.source]))
    ordered = sorted(entries.items(), key=lambda item: (item[1].source, item[1].event.start_s, item[1].event.end_s))
    known = {e.event.logged_label for e in entries.values()} | {label for log in logs for label in log.labels}
    return Library(
        paths=tuple(paths),
        models=tuple(log.model_digest for log in logs),
        sources=tuple(sources),
        entries=tuple(entry for _, entry in ordered),
        rows={key: row for row, (key, _) in enumerate(ordered)},
        labels=tuple(sorted(label for label in known if label is not None)),
        key=_digest("\0".join(os.path.realpath(path) for path in paths)),
    )


def log_of(path: Path) -> Path:
    """The log that a path stands for: itself, or for a review file the log that it lies beside."""
    stem = path.name.removesuffix(".review.jsonl")
    return path if stem == path.name else path.with_name(f"{stem}.jsonl")


def event_key(event_id: str) -> str:
    """24 hexadecimal digits that stand for an event: its id, or a hash of one that is no such thing."""
    return event_id if _PLAIN_ID.fullmatch(event_id) else _digest(event_id)


def columns(library: Library) -> bytes:
    """All events as the page reads them: one array after the other, little-endian.

    start_s and end_s float64, score float32, number of the label (0: none) and of the source uint32, then 12 bytes of
    key each.
    """
    number = {label: i for i, label in enumerate(library.labels, start=1)}
    events = [entry.event for entry in library.entries]
    parts: list[Any] = [
        np.array([event.start_s for event in events], "<f8"),
        np.array([event.end_s for event in events], "<f8"),
        np.array([event.score for event in events], "<f4"),
        np.array([number.get(event.logged_label or "", 0) for event in events], "<u4"),
        np.array([entry.source for entry in library.entries], "<u4"),
    ]
    return b"".join([*(part.tobytes() for part in parts), bytes.fromhex("".join(library.rows))])


def _gaps_of(source: LoggedSource, log: Log) -> tuple[LoggedGap, ...]:
    return tuple(gap for gap in log.gaps if gap.source == source.name)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]
