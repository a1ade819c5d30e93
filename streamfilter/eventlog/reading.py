"""`read_event_log`: one file, line by line, with the review file beside it applied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from streamfilter.errors import SinkError
from streamfilter.eventlog import fields
from streamfilter.eventlog.fields import FieldError
from streamfilter.eventlog.lines import Record, RecordFile
from streamfilter.eventlog.parsing import parse_amendment, parse_event, parse_gap, parse_source
from streamfilter.eventlog.review import amended, read_amendments, review_path
from streamfilter.eventlog.values import Amendment, Log, LoggedEvent, LoggedGap, LoggedSource

KNOWN = frozenset(
    {"run_start", "event_open", "event_update", "event_close", "event_amend"}
    | {"gap", "source_state", "checkpoint", "run_end"}
)

REACHED = {
    "event_close": "end_s",
    "event_update": "seen_s",
    "gap": "end_s",
    "checkpoint": "time_s",
    "source_state": "time_s",
}
"""Where records say how far a source was seen."""


def read_event_log(path: Path, *, review: Path | None = None) -> Log:
    """The whole of a log, with the decisions of its review file (`review`, else the one beside it) applied.

    Decisions that stand in the log itself count too, before those of the review file. Raises `SinkError`, one line, for
    a file that cannot be read, that is no event log, or that holds a record with a value out of bounds. A torn last
    line is left out, a type of record that is not known yet is passed over.
    """
    file = RecordFile(path)
    found = _Found()
    for record in file.records():
        file.parse(record, found.take)
    if not found.is_log:
        raise SinkError(f"{path} holds no record of an event log; expected what `streamfilter run --events` writes")
    log = found.log(path, is_torn=file.is_torn)
    return amended(log, (*found.amendments, *read_amendments(review or review_path(path))))


def read_event_logs(paths: Iterable[Path]) -> list[Log]:
    """Several logs, each with its own review file. Raises `SinkError` when one path is given twice."""
    seen: set[Path] = set()
    logs = []
    for path in paths:
        if path.resolve() in seen:
            raise SinkError(f"event log {path} is given twice; its events would count twice")
        seen.add(path.resolve())
        logs.append(read_event_log(path))
    return logs


@dataclass(slots=True)
class _Found:
    """What has been read of a log so far; `sources` in the order in which they are first named."""

    is_log: bool = False
    run_id: str = ""
    labels: tuple[str, ...] = ()
    model_digest: str = ""
    look_s: float | None = None
    start_s: float = 0.0
    events: dict[str, LoggedEvent] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    gaps: list[LoggedGap] = field(default_factory=list)
    sources: dict[str, LoggedSource] = field(default_factory=dict)
    reached: dict[str, float] = field(default_factory=dict)
    amendments: list[Amendment] = field(default_factory=list)

    def take(self, record: Record) -> None:
        """Take in one record. Raises `FieldError`."""
        kind = record["type"]
        self.is_log |= kind in KNOWN
        self._reach(record)
        if kind == "event_close":
            event = parse_event(record)
            self.events[event.event_id] = event
            self._source(event.source)
        elif kind == "event_open":
            self.opened.add(fields.text(record, "event_id"))
        elif kind == "gap":
            gap = parse_gap(record)
            self.gaps.append(gap)
            self._source(gap.source)
        elif kind == "source_state":
            known = self._source(fields.optional_text(record, "source", most=10_000) or "")
            self.sources[known.name] = parse_source(record, known)
        elif kind == "run_start":
            self._start(record)
        elif kind == "event_amend":
            self.amendments.append(parse_amendment(record))

    def log(self, path: Path, *, is_torn: bool) -> Log:
        """All of it, nothing amended yet."""
        return Log(
            path=path,
            run_id=self.run_id,
            labels=self.labels,
            model_digest=self.model_digest,
            events=tuple(self.events.values()),
            gaps=tuple(self.gaps),
            sources=tuple(
                replace(self._ended(source), look_s=self.look_s, start_s=self.start_s)
                for source in self.sources.values()
            ),
            unfinished=len(self.opened - self.events.keys()),
            is_torn=is_torn,
        )

    def _source(self, name: str) -> LoggedSource:
        return self.sources.setdefault(name, LoggedSource(name))

    def _reach(self, record: Record) -> None:
        key = REACHED.get(record["type"])
        time_s = None if key is None else fields.optional_seconds(record, key)
        if time_s is not None:
            name = fields.optional_text(record, "source", most=10_000) or ""
            self.reached[name] = max(time_s, self.reached.get(name, time_s))

    def _ended(self, source: LoggedSource) -> LoggedSource:
        """A source whose end nobody wrote down, as its run goes on or was killed, was seen as far as the log goes."""
        is_told = source.state in ("", "finished") or source.end_s is not None
        return source if is_told else replace(source, end_s=self.reached.get(source.name))

    def _start(self, record: Record) -> None:
        model = fields.mapping(record, "model")
        self.run_id = fields.text(record, "run_id", "")
        self.model_digest = fields.text(model, "digest", "")
        labels = fields.sequence(model, "labels", most=100_000)
        if not all(isinstance(label, str) and len(label) <= fields.MOST_TEXT for label in labels):
            raise FieldError("model.labels holds something else than short texts")
        self.labels = tuple(labels)
        settings = fields.mapping(fields.mapping(record, "config"), "settings")
        self.start_s = fields.seconds(fields.mapping(settings, "source"), "start_s", 0.0)
        rate = fields.mapping(settings, "sampler").get("rate")
        is_rate = isinstance(rate, int | float) and not isinstance(rate, bool)
        self.look_s = 1 / fields.checked(rate, "sampler.rate", low=1e-6, high=1e6) if is_rate else None
