"""Decisions: appended to the review files beside the logs, and followed there, whoever writes them.

What stands in the files is the only truth. A decision made here is appended first and read back like one of another
window, another server or another program; so all of them show the same.
"""

from __future__ import annotations

import json
import secrets
from collections import ChainMap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from streamfilter.eventlog import Amendment, Decision, append_amendments
from streamfilter.eventlog.fields import FieldError
from streamfilter.eventlog.parsing import parse_amendment
from streamfilter.review.library import Library, event_key

AUTHOR = "review"
STATES = (Decision.UNDONE, Decision.ACCEPTED, Decision.REJECTED, Decision.RELABELLED, Decision.SKIPPED)
"""Decisions by the number that the page uses; `undone` is an event that is open."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What was last decided about an event; `label` exactly with `relabelled`."""

    decision: Decision = Decision.UNDONE
    label: str | None = None

    def __post_init__(self) -> None:
        if (self.label is not None) != (self.decision is Decision.RELABELLED):
            raise ValueError(f"decision {self.decision} with label {self.label!r}: a label comes with relabelled only")


OPEN = Standing()


@dataclass(frozen=True, slots=True)
class Change:
    """A decision that the page asks for. With `expected` it holds only where the event still stands like that."""

    key: str
    standing: Standing
    expected: Standing | None = None


class Decisions:
    """How every event of a library stands. Safe to use from many threads and beside other processes.

    `session` names this object: `news` counts changes from its beginning.
    """

    def __init__(self, library: Library, amendments: Iterable[Amendment] = ()) -> None:
        self.session = secrets.token_hex(8)
        self._library = library
        self._files = [library.review_file(log) for log in range(len(library.paths))]
        self._read = [0] * len(self._files)
        self._last: dict[str, Amendment] = {}
        self._news: list[str] = []
        self._lock = Lock()
        for amendment in amendments:
            self._apply(amendment)
        self.follow()

    def standing(self, key: str) -> Standing:
        """How an event stands."""
        return _standing(self._last.get(key))

    def last(self, key: str) -> Amendment | None:
        """The last decision about an event, taken back or not."""
        return self._last.get(key)

    def current(self) -> Library:
        """The library with the labels and decisions that stand now."""
        entries = list(self._library.entries)
        with self._lock:
            for key, last in self._last.items():
                entry = entries[self._library.rows[key]]
                is_open = last.decision is Decision.UNDONE
                label = last.label if last.decision is Decision.RELABELLED else entry.event.logged_label
                event = replace(entry.event, label=label, decision=None if is_open else last.decision)
                entries[self._library.rows[key]] = replace(entry, event=event)
        return replace(self._library, entries=tuple(entries))

    @property
    def revision(self) -> int:
        """How many changes there have been."""
        return len(self._news)

    def news(self, after: int) -> tuple[int, dict[str, Standing]]:
        """The revision, and how the events stand that have changed since revision `after`."""
        with self._lock:
            return len(self._news), {key: self.standing(key) for key in self._news[max(0, after) :]}

    def follow(self) -> None:
        """Take in what was written to the review files since the last time. Raises `OSError`."""
        with self._lock:
            self._follow()

    def decide(self, changes: Sequence[Change]) -> int:
        """Write decisions to the disk; returns how many held. Raises `SinkError`, with nothing of a file written.

        They are taken one after the other: what one expects may be what one before it does.
        """
        with self._lock:
            self._follow()
            wanted: list[list[Amendment]] = [[] for _ in self._files]
            last: ChainMap[str, Amendment] = ChainMap({}, self._last)
            for change in changes:
                if change.expected is None or change.expected == _standing(last.get(change.key)):
                    log, amendment = self._amendment(change, last.get(change.key))
                    wanted[log].append(amendment)
                    last[change.key] = amendment
            for log, amendments in enumerate(wanted):
                if amendments:
                    append_amendments(self._files[log], amendments)
            self._follow()
            return sum(map(len, wanted))

    def _amendment(self, change: Change, last: Amendment | None) -> tuple[int, Amendment]:
        """A correction of an event's times, from whatever program, outlives a decision about its label."""
        entry = self._library.entries[self._library.rows[change.key]]
        corrected = None if last is None or last.decision is Decision.UNDONE else last
        return entry.log, Amendment(
            event_id=entry.event.event_id,
            decision=change.standing.decision,
            label=change.standing.label,
            start_s=None if corrected is None else corrected.start_s,
            end_s=None if corrected is None else corrected.end_s,
            source=entry.event.source,
            run_id=entry.event.run_id,
            at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            by=AUTHOR,
        )

    def _follow(self) -> None:
        for log, path in enumerate(self._files):
            amendments, self._read[log] = _tail(path, self._read[log])
            for amendment in amendments:
                self._apply(amendment)

    def _apply(self, amendment: Amendment) -> None:
        key = event_key(amendment.event_id)
        if key in self._library.rows:
            self._last[key] = amendment
            self._news.append(key)


def _standing(last: Amendment | None) -> Standing:
    return OPEN if last is None else Standing(last.decision, last.label)


def _tail(path: Path, offset: int) -> tuple[list[Amendment], int]:
    """The whole lines of a review file from `offset` on, and where they end; from its start if it was replaced."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return [], 0
    if size == offset:
        return [], offset
    with path.open("rb") as file:
        offset = offset if size > offset else 0
        file.seek(offset)
        text, _, _ = file.read().rpartition(b"\n")
    amendments = [one for line in text.split(b"\n") if (one := _parsed(line)) is not None]
    return amendments, offset + len(text) + bool(text)


def _parsed(line: bytes) -> Amendment | None:
    """A line that is no decision was checked when the library was read, or was damaged since: it decides nothing."""
    try:
        record = json.loads(line)
        return parse_amendment(record) if isinstance(record, dict) and record.get("type") == "event_amend" else None
    except (FieldError, ValueError, RecursionError):
        return None
