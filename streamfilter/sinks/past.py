"""The log of a stopped run, read so that it can go on: every line up to the first that is not as it was written."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass

from streamfilter.errors import SinkError
from streamfilter.sinks.records import Record

_HEAD = b'{"v":1,"type":"run_start","run_id":"'
"""How every log begins."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record with its bytes in the file, line end included."""

    content: bytes
    record: Record


@dataclass(frozen=True, slots=True)
class Past:
    """What is there of a log. `lost`: bytes behind the last good line, cut off or damaged when the run was stopped."""

    lines: tuple[Line, ...]
    lost: int

    @property
    def records(self) -> tuple[Record, ...]:
        """The records, in order."""
        return tuple(line.record for line in self.lines)


def read_past(content: bytes, name: str) -> Past:
    """The good lines of a log. Raises `SinkError` for a file that is no event log; `name` is for that error.

    After a power cut any part may be missing that had not been synced. What stands behind the first damaged line is
    given up as well: a resumed run finds it again.
    """
    lines = tuple(_good_lines(content))
    lost = len(content) - sum(len(line.content) for line in lines)
    if not lines and not _may_be_ours(content):
        raise SinkError(f"{name} is no event log: it begins with {content[:40]!r}; give the log of the stopped run")
    return Past(lines, lost)


def _may_be_ours(content: bytes) -> bool:
    """Whether this can be the first line of a log, cut off or, after a power cut, never written."""
    return content[: len(_HEAD)] == _HEAD[: len(content)] or not content.strip(b"\0")


def _good_lines(content: bytes) -> Iterator[Line]:
    begin = 0
    run_id = None
    for number in itertools.count():
        end = content.find(b"\n", begin) + 1
        record = _record(content[begin:end])
        if number == 0 and record.get("type") == "run_start":
            run_id = record.get("run_id")
        if not isinstance(run_id, str) or (record.get("run_id"), record.get("seq")) != (run_id, number):
            return
        yield Line(content[begin:end], record)
        begin = end


def _record(line: bytes) -> Record:
    """An empty one where the line is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("type"), str) else {}
