"""The loop that all feeds share: it batches their looks for the network, and it outlives each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby

import numpy as np

from streamfilter.clips import FeedClips
from streamfilter.config import RunConfig
from streamfilter.endless.feed_run import FeedRun, Told, wall_of
from streamfilter.endless.looking import depth_of, fastest_period_s, looks_of
from streamfilter.endless.past import PastFeed, past_feeds
from streamfilter.endless.summary import FeedResult, LiveSummary
from streamfilter.endless.watching import LiveWatcher
from streamfilter.errors import StreamFilterError
from streamfilter.freshest import Freshest, FreshLook
from streamfilter.gathering import Ended, Gathering
from streamfilter.likeness import Leaders
from streamfilter.live import Feed, FeedCounters, LiveFeed
from streamfilter.live.clock import LiveMark
from streamfilter.live.feed import Lost, Opened
from streamfilter.live.wallclock import WallClock, utc_text
from streamfilter.metrics import Metrics
from streamfilter.pipeline import Network
from streamfilter.sinks import EventLog, records, run_digest
from streamfilter.types import Candidate

Reload = Callable[[], Sequence[Feed] | None]
"""The feeds to watch from now on; None while nobody asked for a change."""

ASK_EVERY_S = 0.1
"""How often a run that waits for looks asks whether it should stop."""

JOIN_S = 1.0
"""How long the end of a run waits for feeds that are in the middle of a read."""

_GRACE_S = 10.0
_USUAL_SIZE = (1280, 720)
_Taken = FreshLook | Told | Ended


def live_run_id(feeds: Sequence[Feed], *, config: RunConfig, model_digest: str) -> str:
    """The identity of a run over these feeds that begins now: no two are the same."""
    return run_digest(config.digest(), model_digest, tuple(fingerprint_of(feed, began_s=time.time()) for feed in feeds))


def fingerprint_of(feed: Feed, *, began_s: float) -> str:
    """What tells this feed in this run from all others, as a digest: its name, and when it began to be watched."""
    return run_digest("feed", feed.name, (utc_text(began_s),))


def run_feeds(
    feeds: Sequence[Feed],
    network: Network,
    *,
    config: RunConfig,
    log: EventLog,
    watcher: LiveWatcher | None = None,
    metrics: Metrics | None = None,
    reload: Reload = lambda: None,
    clips_of: Callable[[], FeedClips | None] = lambda: None,
) -> LiveSummary:
    """Watch the feeds until the watcher says stop, and write all that is found into the log; go on where its past ends.

    `clips_of` makes what cuts the clips of one more feed. No fault of a feed ends the run. Raises
    `SinkError` and `ModelError`, which do.
    """
    began_s = time.monotonic()
    run = _Run(network, config=config, log=log, watcher=watcher or LiveWatcher(), metrics=metrics, clips_of=clips_of)
    hung = run.watch(feeds, reload)
    results = run.finish()
    return LiveSummary(results, wall_s=time.monotonic() - began_s, hung=hung)


class _Run:
    """All feeds of a run, and what has become of those that were removed."""

    def __init__(
        self,
        network: Network,
        *,
        config: RunConfig,
        log: EventLog,
        watcher: LiveWatcher,
        metrics: Metrics | None,
        clips_of: Callable[[], FeedClips | None],
    ) -> None:
        self._network = network
        self._config = config
        self._log = log
        self._watcher = watcher
        self._metrics = metrics
        self._clips_of = clips_of
        self._leaders = Leaders()
        self._feeds: dict[str, FeedRun] = {}
        self._again_s: dict[str, float] = {}
        self._forget: dict[str, Callable[[], None]] = {}
        self._removed: list[FeedResult] = []
        queues: Freshest[Told | Ended] = Freshest(
            depth=depth_of(config),
            batch=config.classifier.batch,
            wait_s=fastest_period_s(config) / 2,
            stale_s=config.live.max_staleness_s,
        )
        self._gathering: Gathering[Told] = Gathering(queues, join_s=JOIN_S)

    def watch(self, feeds: Sequence[Feed], reload: Reload) -> int:
        """Until the watcher says stop; returns how many threads hung."""
        past = self._go_on()
        self._warm_up()
        with self._gathering:
            for feed in feeds:
                self._add(feed, past.get(feed.name))
            while not self._watcher.should_stop():
                self._take(self._gathering.take(ASK_EVERY_S))
                self._look_after()
                if (wanted := reload()) is not None:
                    self._reload(wanted)
            for run in self._feeds.values():
                run.live.stop()
        return self._gathering.left_behind

    def finish(self) -> tuple[FeedResult, ...]:
        """Close everything; the records of all that was seen are in the log then."""
        for run in self._feeds.values():
            run.end(state="interrupted")
        results = (*self._removed, *(run.result() for run in self._feeds.values()))
        rejections: dict[str, int] = {}
        events: dict[str, int] = {}
        for result in results:
            for reason, count in result.rejections.items():
                rejections[reason] = rejections.get(reason, 0) + count
            for total in result.totals:
                events[total.label] = events.get(total.label, 0) + total.appearances
        record = records.run_end(sources=len(results), failed=0, events=events, rejections=rejections, interrupted=True)
        self._log.write(record)
        return results

    def _warm_up(self) -> None:
        """The first pass of a network may take seconds: not while feeds wait for it."""
        width, height = self._network.classifier.analysis_size(*_USUAL_SIZE)
        picture = np.zeros((height, width, 3), np.uint8)
        self._network.classifier.classify([picture])
        if self._network.runtime is not None:  # the classifier may have been content with half the size
            self._network.runtime.dense([picture])

    def _go_on(self) -> dict[str, PastFeed]:
        """Begin the log, or end what an earlier run left open in it."""
        past = self._log.past
        if past.lost:
            self._watcher.resumed("the event log's end was cut off or damaged and is repaired")
        if not past.lines:
            if past.lost:
                self._log.keep(())
            start = records.run_start(self._config, self._network.facts)
            start["config"]["settings"]["live"] = self._config.live.model_dump(mode="json")
            self._log.write(start)
            return {}
        known = past_feeds(past, config=self._config, model=self._network.facts)
        self._log.keep(past.lines)
        for name, feed in known.items():
            self._made(Feed(name, ""), feed).restore(feed)
        self._watcher.resumed(f"going on with the log of {len(known)} feeds; since then they were not seen")
        return known

    def _add(self, feed: Feed, past: PastFeed | None = None) -> None:
        run = self._feeds[feed.name] = self._made(feed, past)
        if self._metrics is not None:
            self._forget[feed.name] = self._metrics.add_feed(feed.name, run.numbers)
        self._start(run)

    def _made(self, feed: Feed, past: PastFeed | None) -> FeedRun:
        fingerprint = past.fingerprint if past is not None else ""
        fingerprint = fingerprint or fingerprint_of(feed, began_s=time.time())
        mark = past.mark() if past is not None else None
        clips = self._clips_of() if feed.address else None
        live = self._live(feed, fingerprint, mark=mark, counters=FeedCounters(), wall=wall_of(past), clips=clips)
        return FeedRun(
            feed,
            live,
            self._network,
            config=self._config,
            log=self._log,
            leaders=self._leaders,
            watcher=self._watcher,
            clips=clips,
        )

    def _live(
        self,
        feed: Feed,
        fingerprint: str,
        *,
        mark: LiveMark | None,
        counters: FeedCounters,
        wall: WallClock,
        clips: FeedClips | None,
    ) -> LiveFeed:
        return LiveFeed(
            feed,
            self._config,
            fingerprint=fingerprint,
            tap=clips,
            mark=mark,
            counters=counters,
            wall=wall,
        )

    def _start(self, run: FeedRun) -> None:
        live = run.live
        live.counters.alive_at_s = time.monotonic()

        def items(put: Callable[[Told], bool]) -> Iterable[FreshLook | Told]:
            live.tell = partial(_put_news, put)
            return looks_of(live, self._network.classifier, self._config)

        self._gathering.start(run.feed.name, items)

    def _again(self, run: FeedRun) -> None:
        """A reader of its own for a feed that has lost it: all that is known of the feed goes on."""
        old = run.live
        old.stop()
        run.live = self._live(
            run.feed, old.fingerprint, mark=old.mark, counters=old.counters, wall=old.wall, clips=run.clips
        )
        self._start(run)

    def _take(self, taken: Sequence[tuple[str, _Taken]]) -> None:
        found = self._candidates([item for _, item in taken])
        for (name, item), candidates in zip(taken, found, strict=True):
            run = self._feeds.get(name)
            if run is None or name in self._again_s:
                continue
            try:
                self._hand_on(run, item, candidates)
            except StreamFilterError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is one feed's, and the others go on
                self._fail(run, error)
        for name, run in self._feeds.items():
            run.live.counters.queued, run.live.counters.dropped = self._gathering.queued(name)

    def _hand_on(self, run: FeedRun, item: _Taken, candidates: Sequence[Candidate] | None) -> None:
        if isinstance(item, Ended):
            if item.error is not None:
                self._fail(run, item.error)
            return
        if isinstance(item, Opened | Lost):
            self._watcher.told(run.feed.name, item)
        run.take(item, candidates)

    def _fail(self, run: FeedRun, error: BaseException) -> None:
        self._watcher.troubled(run.feed.name, f"an error in its stages ({type(error).__name__}: {error})")
        self._gathering.leave(run.feed.name)
        run.live.stop()
        run.failed(error)
        self._again_s[run.feed.name] = time.monotonic() + self._config.live.retry_most_s

    def _candidates(self, items: Sequence[_Taken]) -> Iterator[list[Candidate] | None]:
        """What the network finds in those that need it: pictures of one size in one pass, of whichever feed."""
        asked = [n for n, item in enumerate(items) if isinstance(item, FreshLook) and not item.is_still]
        pictures = {n: item.pixels() for n in asked if isinstance(item := items[n], FreshLook)}
        asked.sort(key=lambda n: (pictures[n].shape, n))
        found: dict[int, list[Candidate]] = {}
        began_s = time.monotonic()
        for _, alike in groupby(asked, key=lambda n: pictures[n].shape):
            numbers = list(alike)
            candidates = self._network.classifier.classify([pictures[n] for n in numbers])
            found |= dict(zip(numbers, candidates, strict=True))
        if asked:
            self._gathering.paced((time.monotonic() - began_s) / len(asked))
        return (found.get(n) for n in range(len(items)))

    def _look_after(self) -> None:
        """Read again what has failed, and what hangs: nothing can end such a read, so it is left behind."""
        now_s = time.monotonic()
        for name in [name for name, at_s in self._again_s.items() if at_s <= now_s]:
            del self._again_s[name]
            self._again(self._feeds[name])
        for name, run in self._feeds.items():
            counters = run.live.counters
            silent_s = now_s - counters.alive_at_s
            if name not in self._again_s and silent_s > self._patience_s() * 2**counters.left_behind:
                self._watcher.troubled(name, f"its reader hangs for {silent_s:.0f} s and is left behind")
                self._gathering.leave(name)
                counters.left_behind += 1
                self._again(run)

    def _patience_s(self) -> float:
        """A reader that says nothing for so long will not: every wait of its own ends before."""
        live = self._config.live
        return 2 * live.connect_s + live.silence_s + _GRACE_S

    def _reload(self, wanted: Sequence[Feed]) -> None:
        kept = {feed.name: feed for feed in wanted}
        gone = [run for name, run in self._feeds.items() if kept.get(name) != run.feed]
        for run in gone:
            run.live.stop()
            self._again_s.pop(run.feed.name, None)
            self._gathering.leave(run.feed.name)
            run.end(state="finished")
            self._removed.append(run.result())
            del self._feeds[run.feed.name]
            if run.feed.name in self._forget:
                self._forget.pop(run.feed.name)()
        added = [feed for feed in wanted if feed.name not in self._feeds]
        for feed in added:
            self._add(feed)
        self._watcher.reloaded(len(added), len(gone))


def _put_news(put: Callable[[Told], bool], news: Opened | Lost) -> None:
    put(news)
