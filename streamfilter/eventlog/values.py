"""What a log holds, as typed values. Times are float seconds of stream time; intervals are half-open.

A minimal log has only the top level of its events (id, label, start, end, score): everything else may be None or empty.
"""

from __future__ import annotations

import enum
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from streamfilter.types import Box, Candidate, Event, Evidence, Exposure, TrackPoint

POINT = 6
"""Numbers per point of a packed track: time_s, x, y, width, height, score."""


class Decision(enum.StrEnum):
    """What a reviewer said of an event. `undone` takes back what was said before: the event is open again."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RELABELLED = "relabelled"
    SKIPPED = "skipped"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Amendment:
    """One `event_amend` record: a decision about one event.

    `label` is the right label, given exactly with `relabelled`. `start_s` and `end_s` correct the event's times; None
    leaves them. `at` is a UTC time (ISO 8601) and `by` names who or what decided; both are for people.
    """

    event_id: str
    decision: Decision
    label: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    source: str | None = None
    run_id: str = ""
    at: str | None = None
    by: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if (self.label is not None) != (self.decision is Decision.RELABELLED):
            raise ValueError(f"decision {self.decision} with label {self.label!r}: a label comes with relabelled only")


@dataclass(frozen=True, slots=True)
class Peak:
    """The network's evidence where the score was highest. `percentile` is 0 to 100."""

    box: Box
    max_softmax: float
    none_probability: float
    distance: float | None
    percentile: float | None
    runner_up: str | None = None
    runner_up_softmax: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class LoggedEvent:
    """One `event_close`, with the last decision of the review applied.

    `label`, `start_s`, `end_s` are what holds now, `logged_label` what the log says. `label` is None for a rejected but
    stable region (`cluster` names its cluster, when it has one, `likeness` is how it looks to the network). `decision`
    is None while nobody decided.
    """

    event_id: str
    source: str
    label: str | None
    start_s: float
    end_s: float
    score: float
    logged_label: str | None
    run_id: str = ""
    ordinal: int = 0
    pts: tuple[int, int] | None = None
    time_base: Fraction | None = None
    peak: Peak | None = None
    evidence: Evidence | None = None
    exposure: Exposure | None = None
    cluster: str | None = None
    likeness: str = ""
    decision: Decision | None = None
    packed_track: array[float] = field(default_factory=lambda: array("d"))

    @property
    def duration_s(self) -> float:
        """From start to end, absences that were bridged included."""
        return self.end_s - self.start_s

    @property
    def is_rejected(self) -> bool:
        """Whether the review said that this is no appearance."""
        return self.decision is Decision.REJECTED

    @property
    def track(self) -> tuple[TrackPoint, ...]:
        """Time, box and score in time order; made anew at each call, since a log holds very many. May be empty."""
        numbers = self.packed_track
        return tuple(
            TrackPoint(numbers[at], Box(*numbers[at + 1 : at + 5]), numbers[at + 5])
            for at in range(0, len(numbers), POINT)
        )

    def as_event(self) -> Event:
        """The event as `annotate` draws it; what the log left out is filled with zeros.

        One without a track stays in its peak's box; without either, it is the whole picture.
        """
        whole = Box(0.0, 0.0, 1.0, 1.0)
        track = self.track
        peak = self.peak or Peak(track[0].box if track else whole, self.score, 0.0, None, None)
        label = self.label or "unknown"
        best = Candidate(
            peak.box, label, peak.max_softmax, peak.none_probability, peak.distance or 0.0, peak.percentile or 0.0
        )
        return Event(
            label,
            self.start_s,
            self.end_s,
            *(self.pts or (0, 0)),
            self.ordinal,
            self.score,
            best,
            self.evidence or Evidence(1, 1, {}, 0.0, 1.0),
            self.exposure or Exposure(self.duration_s, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0),
            track,
        )


@dataclass(frozen=True, slots=True)
class LoggedGap:
    """Stream time of one source in which frames were lost."""

    source: str
    start_s: float
    end_s: float
    cause: str


@dataclass(frozen=True, slots=True)
class LoggedSource:
    """One source of a log. What the log does not say is None or empty.

    `state` is `opened`, `finished`, `interrupted`, `failed`, what a live feed met last, or "" for a source that only
    its events name. Reading was to begin at `start_s` and stopped, or was last told of, at `end_s`; `duration_s` is
    what the container declares, `ended_early_s` how much of that was missing, `look_s` the usual time between two
    looks (None where it is not a fixed rate), `dropped` how many of a feed nobody had time for. `rejections` are by
    reason.
    """

    name: str
    state: str = ""
    fingerprint: str = ""
    codec: str = ""
    width: int = 0
    height: int = 0
    duration_s: float | None = None
    rate_hz: float | None = None
    time_base: Fraction | None = None
    has_audio: bool = False
    start_s: float = 0.0
    end_s: float | None = None
    ended_early_s: float = 0.0
    look_s: float | None = None
    dropped: int = 0
    rejections: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """One event log with its review applied.

    `events` are in the order of the log, each id once (the last record of it counts), rejected ones included: see
    `kept`. `unfinished` counts events that were opened and never closed. `is_torn`: the last line was cut off.
    `strays` are amendments of events that this log does not hold.
    """

    path: Path
    run_id: str
    labels: tuple[str, ...]
    model_digest: str
    events: tuple[LoggedEvent, ...]
    gaps: tuple[LoggedGap, ...]
    sources: tuple[LoggedSource, ...]
    amendments: tuple[Amendment, ...] = ()
    strays: int = 0
    unfinished: int = 0
    is_torn: bool = False

    @property
    def kept(self) -> tuple[LoggedEvent, ...]:
        """The events with a label that the review has not rejected: what counts as seen."""
        return tuple(event for event in self.events if event.label is not None and not event.is_rejected)

    def of_source(self, name: str) -> Iterator[LoggedEvent]:
        """The events of one source, rejected ones included."""
        return (event for event in self.events if event.source == name)
