"""The review of a log: `event_amend` records in a file of its own beside it, only ever appended to.

The record is `event_amend` of the log's schema; of one event the last decision in the file counts. Two writers at once
are kept apart by a lock, and a line that a crash cut off is removed before the next one is written.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from streamfilter.errors import SinkError
from streamfilter.eventlog.lines import VERSION, RecordFile
from streamfilter.eventlog.parsing import parse_amendment
from streamfilter.eventlog.values import Amendment, Decision, Log, LoggedEvent
from streamfilter.sinks.encoding import encode

_WHAT = "review file"
_TAIL_BYTES = 1 << 16


def review_path(log: Path) -> Path:
    """Where the review of a log is kept: `events.review.jsonl` beside `events.jsonl`."""
    stem = log.name.removesuffix(".jsonl")
    return log.with_name(f"{stem}.review.jsonl")


def read_amendments(path: Path) -> tuple[Amendment, ...]:
    """All decisions of a review file, in their order; none where there is no file. Raises `SinkError`."""
    if not path.exists():
        return ()
    file = RecordFile(path, _WHAT)
    records = (record for record in file.records() if record["type"] == "event_amend")
    return tuple(file.parse(record, parse_amendment) for record in records)


def append_amendments(path: Path, amendments: Sequence[Amendment]) -> int:
    """Append decisions, all or none, and sync them to the disk; returns the `seq` of the first one.

    The file is made when it is not there. Safe with several writers, in threads or processes. Raises `SinkError`.
    """
    try:
        with _locked(path) as file:
            seq = _repair(file)
            start = file.seek(0, os.SEEK_END)
            try:
                for number, amendment in enumerate(amendments, start=seq):
                    file.write(encode(_record(amendment, number)))
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), start)
                raise
            return seq
    except OSError as error:
        raise SinkError(
            f"cannot write {_WHAT} {path}: {error.strerror}; what was decided before is safe, make room or check rights"
        ) from None


def amended(log: Log, amendments: Iterable[Amendment]) -> Log:
    """The log with these decisions applied, the last one of each event. `strays` counts those of unknown events."""
    kept = tuple(amendments)
    last = {one.event_id: one for one in kept}
    known = {event.event_id for event in log.events}
    events = tuple(_applied(event, last.get(event.event_id)) for event in log.events)
    return replace(log, events=events, amendments=kept, strays=len(last.keys() - known))


def _applied(event: LoggedEvent, amendment: Amendment | None) -> LoggedEvent:
    if amendment is None or amendment.decision is Decision.UNDONE:
        return event
    start_s = event.start_s if amendment.start_s is None else amendment.start_s
    end_s = event.end_s if amendment.end_s is None else amendment.end_s
    if end_s <= start_s:  # a correction that leaves nothing is none
        start_s, end_s = event.start_s, event.end_s
    label = amendment.label if amendment.label is not None else event.label
    return replace(event, label=label, start_s=start_s, end_s=end_s, decision=amendment.decision)


def _record(amendment: Amendment, seq: int) -> dict[str, Any]:
    return {
        "v": VERSION,
        "type": "event_amend",
        "run_id": amendment.run_id,
        "source": amendment.source,
        "seq": seq,
        "event_id": amendment.event_id,
        "decision": str(amendment.decision),
        "label": amendment.label,
        "start_s": amendment.start_s,
        "end_s": amendment.end_s,
        "at": amendment.at,
        "by": amendment.by,
        "note": amendment.note,
    }


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """The file, open for reading and writing, with nobody else writing it; never one that a link leads to elsewhere."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _repair(file: BinaryIO) -> int:
    """Remove a last line without an end; returns how many lines are left."""
    file.seek(0)
    lines, whole = 0, 0
    while block := file.read(_TAIL_BYTES):
        lines += block.count(b"\n")
        end = block.rfind(b"\n")
        whole = file.tell() - len(block) + end + 1 if end >= 0 else whole
    if whole < file.tell():
        file.truncate(whole)
    return lines
