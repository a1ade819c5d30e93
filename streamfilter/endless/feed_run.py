"""One feed behind the network: its verdicts, its smoother, its records in the log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from streamfilter.clips import FeedClips
from streamfilter.config import RunConfig
from streamfilter.endless.past import PastFeed
from streamfilter.endless.summary import FeedResult, Totals
from streamfilter.endless.watching import LiveWatcher
from streamfilter.freshest import FreshLook
from streamfilter.likeness import Leaders, decode_likeness
from streamfilter.live import Feed, LiveFeed
from streamfilter.live.feed import TIME_BASE, Lost, Opened
from streamfilter.live.wallclock import WallClock, utc_text
from streamfilter.metrics import FeedNumbers, Latencies
from streamfilter.pipeline import Network
from streamfilter.probability import with_probability
from streamfilter.resume import STATE_BYTES_PER_S, packed_size
from streamfilter.sinks import EventLog, Origin, records
from streamfilter.sinks.records import Record
from streamfilter.smoother import make_smoother
from streamfilter.stages import SourceCounts, SourceFacts
from streamfilter.types import Candidate, Event, Gap, Happening, Opening, Sighting, Unknown, Verdict

Told = Gap | Opened | Lost


class FeedRun:
    """What becomes of one feed's looks. Everything here happens in the thread of the run."""

    def __init__(
        self,
        feed: Feed,
        live: LiveFeed,
        network: Network,
        *,
        config: RunConfig,
        log: EventLog,
        leaders: Leaders,
        watcher: LiveWatcher,
        clips: FeedClips | None,
    ) -> None:
        self.feed = feed
        self.live = live
        self.clips = clips
        self._network = network
        self._config = config
        self._log = log
        self._leaders = leaders
        self._watcher = watcher
        self._origin = Origin(_nothing_known(feed.name, live.fingerprint), config.digest(), network.facts.digest)
        self._smoother = make_smoother(config.smoother)
        self._sightings: tuple[Sighting, ...] = ()
        self._gap: Gap | None = None
        self._last: Verdict | None = None
        self._seen_s = 0.0
        self._judged = self._looked = 0
        self._updated_s = self._due_s = 0.0
        self._totals = Totals()
        self.latencies = Latencies()

    def take(self, item: FreshLook | Told, candidates: Sequence[Candidate] | None) -> None:
        """The next thing of this feed; `candidates` are None where the network was not asked."""
        if isinstance(item, Gap):
            self._take_gap(item)
        elif isinstance(item, FreshLook):
            self._write_gap()
            self._take_look(item, candidates)
        elif isinstance(item, Opened):
            self._write_gap()
            self._origin = Origin(item.facts, self._origin.config_digest, self._origin.model_digest)
            self._write(records.source_opened(item.facts) | {"time_s": round(item.time_s, 6)}, item.time_s)
        else:
            lost = records.source_lost(item.cause, item.reason, time_s=item.time_s, retry_s=item.retry_s)
            self._write(lost, item.time_s)

    def failed(self, error: BaseException) -> None:
        """Something went wrong with this feed that nobody had thought of: it begins anew, and what was open ends."""
        self.end(state=None)
        self._smoother = make_smoother(self._config.smoother)
        self._sightings, self._last = (), None
        reason = f"an error in its stages ({type(error).__name__})"
        self._write(records.source_lost("broken", reason, time_s=self._seen_s, retry_s=0.0), self._seen_s)

    def end(self, *, state: str | None) -> None:
        """Close what is open where the feed was seen last. `state`: `interrupted`, `finished`, or None: it goes on."""
        self._record(self._smoother.flush(self._seen_s))
        self._write_gap()
        if state is None:
            return
        counters = self.live.counters
        met = SourceCounts(
            frames=counters.frames,
            decode_errors=counters.decode_errors,
            damaged_frames=counters.damaged_frames,
            frames_without_pts=counters.frames_without_pts,
        )
        record = records.source_finished(
            met,
            end_s=self._seen_s,
            looks=counters.looks,
            rejections=self._smoother.rejections,
            interrupted=state == "interrupted",
        )
        latency = self.latencies.numbers().quantiles
        record["live"] = {
            "dropped": counters.dropped,
            "passed_over": counters.passed_over,
            "reconnects": counters.reconnects,
            "failures": counters.failures,
            "gap_s": round(counters.gap_s, 6),
            "latency_s": {str(share): round(value_s, 5) for share, value_s in latency.items()},
        }
        self._write(record, self._seen_s)

    def numbers(self) -> FeedNumbers:
        """What is told to a monitoring system; asked from its thread."""
        counters = self.live.counters
        return FeedNumbers(
            is_expected=True,
            seen_at_s=counters.seen_at_s,
            frames=counters.frames,
            looks=counters.looks,
            still_looks=counters.still_looks,
            dropped=counters.dropped,
            decode_errors=counters.decode_errors,
            gaps=counters.gaps,
            gap_s=counters.gap_s,
            reconnects=counters.reconnects,
            queued=counters.queued,
            events=dict(counters.events),
            rejections=self._smoother.rejections,
            latency=self.latencies.numbers(),
        )

    def result(self) -> FeedResult:
        """All so far."""
        return FeedResult(
            self.feed.name,
            self.live.counters,
            max(0.0, self._seen_s - self.live.counters.gap_s),
            self._totals.totals(),
            self._smoother.rejections,
            self.latencies.numbers(),
        )

    def restore(self, past: PastFeed) -> None:
        """Close what was open when the run before was killed, where it was known last, and say what is lost."""
        self._seen_s = past.time_s
        self._origin = Origin(past.facts(self.feed.name), self._origin.config_digest, self._origin.model_digest)
        left = set(past.open_ids)
        if past.smoother is not None:
            try:
                self._smoother.restore(past.smoother)
            except ValueError:
                past.smoother = None
        for told in self._smoother.flush(past.time_s):
            known_id = None if isinstance(told, Unknown) else records.event_id(told, self._origin)
            if known_id in past.closed_ids or (isinstance(told, Opening) and known_id in past.open_ids):
                continue
            self._record([told])
            left.discard(known_id or "")
        self._smoother = make_smoother(self._config.smoother)
        self._write(records.source_resumed(past.time_s, lost_events=sorted(left)), past.time_s)

    def _take_look(self, look: FreshLook, candidates: Sequence[Candidate] | None) -> None:
        self._seen_s = look.time_s
        self._looked += 1
        if candidates is not None:
            self._judged += 1
            self._sightings = self._network.rejector.judge(candidates)
        self._last = Verdict(look.time_s, look.pts, self._sightings, look.cuts_s, look.drops)
        self._record(self._smoother.update(self._last))
        self._tell_of_open()
        light_s, _ = self.live.wall.utc(look.time_s)
        self.latencies.add(time.time() - light_s)

    def _take_gap(self, gap: Gap) -> None:
        """A gap comes again and again while it grows: its record is written when it is whole."""
        if self._gap is not None and gap.start_s != self._gap.start_s:
            self._write_gap()
        self._gap = gap
        self._record(self._smoother.gap(gap))

    def _write_gap(self) -> None:
        gap, self._gap = self._gap, None
        if gap is None:
            return
        self._seen_s = max(self._seen_s, gap.end_s)
        self.live.counters.gaps += 1
        self.live.counters.gap_s += gap.end_s - gap.start_s
        self._write(records.gap(gap) | self._utc(start=gap.start_s, end=gap.end_s))

    def _tell_of_open(self) -> None:
        """Every `update_s` what is open, and now and then how far the feed was seen."""
        last = self._last
        if last is None:
            return
        if last.time_s - self._updated_s >= self._config.live.update_s:
            self._updated_s = last.time_s
            for event in self._smoother.ongoing():
                told = with_probability(event, self._network.probability)
                assert isinstance(told, Event)
                utc = self._utc(start=told.start_s, seen=told.end_s)
                self._write(_with_drops(records.event_update(told, self._origin), told) | utc)
        if last.time_s >= self._due_s:
            self._write_checkpoint(last)

    def _write_checkpoint(self, last: Verdict) -> None:
        state = self._smoother.state()
        is_open = bool(self._smoother.ongoing())
        record = records.checkpoint(
            last.time_s, pts=last.pts, looks=self._looked, judged=max(1, self._judged), smoother=state
        )
        self._write(record, last.time_s)
        live = self._config.live
        spacing_s = max(live.update_s if is_open else live.checkpoint_s, packed_size(state) / STATE_BYTES_PER_S)
        self._due_s = last.time_s + spacing_s

    def _record(self, happened: Iterable[Happening]) -> None:
        happened = list(happened)
        if self._last is not None and any(isinstance(told, Opening) for told in happened):
            self._write_checkpoint(self._last)  # first: whatever is told to be open can be closed after a crash
        for told in happened:
            item = with_probability(told, self._network.probability)
            if isinstance(item, Opening):
                if self.clips is not None:
                    self.clips.opened(records.event_id(item, self._origin), item.label, item.start_s)
                self._write(records.event_open(item, self._origin) | self._utc(start=item.start_s))
            elif isinstance(item, Unknown):
                own_id = records.unknown_id(item, self._origin)
                cluster = self._leaders.join(own_id, decode_likeness(item.likeness))
                self._write_event(records.unknown_close(item, self._origin, cluster), item.event)
            else:
                own_id = records.event_id(item, self._origin)
                media = None if self.clips is None else self.clips.closed(own_id, item)
                self._write_event(records.event_close(item, self._origin, media), item)
                self.live.counters.events[item.label] += 1
                self._totals.add(item.label, item.end_s - item.start_s, item.score)
                self._watcher.found(self.feed.name, item)

    def _write_event(self, record: Record, event: Event) -> None:
        self._write(_with_drops(record, event) | self._utc(start=event.start_s, end=event.end_s))

    def _utc(self, **times_s: float) -> dict[str, Any]:
        """The UTC of these stream times, and whose word it is; nothing where that is not known."""
        try:
            told = {name: self.live.wall.utc(time_s) for name, time_s in times_s.items()}
        except LookupError:
            return {}
        clock = next(iter(told.values()))[1]
        return {"utc": {**{name: utc_text(utc_s) for name, (utc_s, _) in told.items()}, "clock": clock}}

    def _write(self, record: Record, at_s: float | None = None) -> None:
        self._log.write(record | ({} if at_s is None else self._utc(at=at_s)), source=self.feed.name)


def _with_drops(record: Record, event: Event) -> Record:
    return record | {"evidence": record["evidence"] | {"drops": event.evidence.drops}}


def _nothing_known(name: str, fingerprint: str) -> SourceFacts:
    return SourceFacts(name, fingerprint, "", "", 0, 0, None, None, TIME_BASE, has_audio=False, is_live=True)


def wall_of(past: PastFeed | None) -> WallClock:
    """The UTC of a feed as an earlier run knew it."""
    wall = WallClock()
    if past is not None and past.utc_s is not None:
        wall.arrived(past.time_s, past.utc_s)
    return wall
