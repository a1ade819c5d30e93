"""What the log of a run that was stopped says of its feeds: how far each was seen, and what was open."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from streamfilter.config import RunConfig
from streamfilter.errors import SinkError
from streamfilter.live.clock import LiveMark
from streamfilter.live.feed import TIME_BASE
from streamfilter.resume import check_settings
from streamfilter.sinks import ModelFacts
from streamfilter.sinks.past import Past
from streamfilter.sinks.records import STATE_VERSION, Record
from streamfilter.stages import SourceFacts


@dataclass(slots=True)
class PastFeed:
    """One feed of an earlier run: seen until `time_s` of stream time, which was `utc_s`.

    `smoother` is its state at the last checkpoint, as far as its version is known here.
    """

    fingerprint: str = ""
    time_s: float = 0.0
    utc_s: float | None = None
    smoother: Any = None
    open_ids: set[str] = field(default_factory=set)
    closed_ids: set[str] = field(default_factory=set)

    def facts(self, name: str) -> SourceFacts:
        """What the identity of its events rests on."""
        return SourceFacts(name, self.fingerprint, "", "", 0, 0, None, None, TIME_BASE, has_audio=False, is_live=True)

    def mark(self) -> LiveMark | None:
        """Where its stream time goes on; the time in between has passed by the clock of this machine."""
        if self.utc_s is None:
            return None
        passed_s = max(0.0, time.time() - self.utc_s)
        return LiveMark(self.time_s, self.time_s, time.monotonic() - passed_s)


def past_feeds(past: Past, *, config: RunConfig, model: ModelFacts) -> dict[str, PastFeed]:
    """The feeds that a log tells of, by name. Raises `SinkError` for another run, one over files, a damaged log."""
    start = past.lines[0].record
    try:
        check_settings(start, config, model)
        if "live" not in start["config"]["settings"]:
            raise SinkError(
                "cannot resume: the event log is that of a run over files; give another name for the feeds'"
            )
        return _gathered(past.records)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SinkError(
            f"cannot resume: the event log was changed ({type(error).__name__}: {error}); begin anew with --force"
        ) from None


def _gathered(records: Iterable[Record]) -> dict[str, PastFeed]:
    feeds: dict[str, PastFeed] = {}
    for record in records:
        if record["source"] is not None:
            _learn(feeds.setdefault(record["source"], PastFeed()), record)
    return feeds


def _learn(feed: PastFeed, record: Record) -> None:
    kind = record["type"]
    if kind == "source_state" and record["state"] == "opened":
        feed.fingerprint = record["facts"]["fingerprint"]
    if kind == "checkpoint":
        state = record["resume"]
        feed.smoother = state["smoother"] if state["v"] == STATE_VERSION else None
        feed.closed_ids = set()
    elif kind == "event_open":
        feed.open_ids.add(record["event_id"])
    elif kind == "event_close":
        feed.open_ids.discard(record["event_id"])
        feed.closed_ids.add(record["event_id"])
    elif kind == "source_state" and record["state"] in ("interrupted", "finished", "resumed"):
        feed.smoother, feed.closed_ids, feed.open_ids = None, set(), set()
    _see(feed, record)


def _see(feed: PastFeed, record: Record) -> None:
    """How far the feed was seen, for all that this record says."""
    utc = record.get("utc", {})
    for name in ("seen", "end", "at", "start"):
        time_s = record.get("time_s" if name == "at" else f"{name}_s", record.get("end_s") if name == "at" else None)
        if name in utc and isinstance(time_s, int | float) and (feed.utc_s is None or time_s >= feed.time_s):
            feed.time_s = float(time_s)
            feed.utc_s = datetime.fromisoformat(utc[name]).timestamp()
