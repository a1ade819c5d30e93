"""`index.jsonl`: every file of an archive with its log and what came of it, one a line.

All of it follows from the logs, but for why a file has none; so it is the same however often a batch was stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from streamfilter.batch.entries import Entry
from streamfilter.batch.placing import write_whole
from streamfilter.batch.told import Made, Told
from streamfilter.sinks.encoding import encode
from streamfilter.source.discovery import redacted

INDEX = "index.jsonl"

State = Literal["waiting", "finished", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file. `events` by label; `end_s` is where it ends in seconds, None where nobody knows."""

    state: State = "waiting"
    events: Mapping[str, int] = field(default_factory=dict)
    end_s: float | None = None
    error: str | None = None
    has_log: bool = False


def outcome_of(told: Told) -> Outcome:
    """What a whole log says came of its source."""
    state: State = "finished" if told.error is None else "failed"
    return Outcome(state, told.events, told.end_s, told.error, has_log=True)


def write_index(folder: Path, made: Made, outcomes: Iterable[tuple[Entry, Outcome]], *, unfinished: Path) -> None:
    """Write it whole, in the order of the sources. Raises `SinkError`."""
    lines: list[dict[str, Any]] = [_head(made)]
    lines += [_line(entry, outcome) for entry, outcome in outcomes]
    write_whole(folder / INDEX, b"".join(map(encode, lines)), folder=unfinished)


def _head(made: Made) -> dict[str, Any]:
    return {
        "type": "batch",
        "program": {"name": "streamfilter", "version": made.program},
        "config": {"digest": made.config},
        "model": {"digest": made.model, "runtime": made.runtime},
    }


def _line(entry: Entry, outcome: Outcome) -> dict[str, Any]:
    return {
        "type": "source",
        "source": redacted(entry.source),
        "log": entry.log if outcome.has_log else None,
        "state": outcome.state,
        "events": dict(sorted(outcome.events.items())),
        "end_s": outcome.end_s,
        "error": outcome.error,
    }
