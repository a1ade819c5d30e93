"""What `streamfilter run` does with live feeds. Imports the heavy modules: only for the command to call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from streamfilter.cli.measuring import measuring
from streamfilter.cli.outputs import refuse_to_overwrite_inputs
from streamfilter.cli.stopping import HangUp, Stop, hanging_up, stopping
from streamfilter.cli.watching import explain_event
from streamfilter.clips import ClipRecorder, FeedClips, Shelf
from streamfilter.config import RunConfig
from streamfilter.console import Console, clock_text
from streamfilter.delivery import delivering
from streamfilter.endless import FeedResult, LiveSummary, LiveWatcher, live_run_id, run_feeds
from streamfilter.endless.summary import Totals
from streamfilter.errors import ConfigError, StreamFilterError
from streamfilter.live import Feed, find_feeds, is_live
from streamfilter.live.feed import Lost, Opened
from streamfilter.live.roster import is_roster
from streamfilter.pipeline import Network
from streamfilter.sinks import EventLog
from streamfilter.source.discovery import redacted
from streamfilter.types import Event


def are_feeds(sources: Sequence[str]) -> bool:
    """Whether these sources are live. Raises `ConfigError` when some are and some are not."""
    live = [is_live(name) or is_roster(name) for name in sources]
    if any(live) and not all(live):
        other = redacted(sources[live.index(False)])
        raise ConfigError(f"{other} is no live feed, but others here are: give files and feeds to a run each")
    return any(live)


def run_live(
    sources: Sequence[str],
    load: Callable[[], Network],
    settings: RunConfig,
    console: Console,
    *,
    events: str,
    inputs: Sequence[Path],
    force: bool,
    resume: bool,
) -> int:
    """Watch these feeds until somebody says stop; returns the exit code. Raises `StreamFilterError`.

    `load` makes the network, once everything else has been tried. `inputs` are files that must not be written.
    """
    if settings.source.start_s or settings.source.end_s is not None:
        raise ConfigError("a live feed has no beginning and no end: leave out --start and --end")
    feeds = find_feeds(sources)
    rosters = [Path(name) for name in sources if is_roster(name)]
    refuse_to_overwrite_inputs([Path(events)] if events != "-" else [], [*inputs, *rosters])
    with ExitStack() as open_:
        stop, hangup = open_.enter_context(stopping()), open_.enter_context(hanging_up())
        metrics = open_.enter_context(measuring(settings.metrics, console))
        network = load()
        run_id = live_run_id(feeds, config=settings, model_digest=network.facts.digest)
        log = open_.enter_context(EventLog(events, run_id, force=force, resume=resume))
        for deliverer in open_.enter_context(delivering(Path(events), settings.sinks, console)):
            metrics.add_sink(deliverer.name, deliverer.numbers)
        summary = run_feeds(
            feeds,
            network,
            config=settings,
            log=log,
            watcher=ConsoleLiveWatcher(console, stop),
            metrics=metrics,
            reload=lambda: _read_again(sources, hangup, console),
            clips_of=open_.enter_context(_clipping(settings, console)),
        )
    _tell(summary, console)
    return stop.exit_code


@contextmanager
def _clipping(settings: RunConfig, console: Console) -> Iterator[Callable[[], FeedClips | None]]:
    """What makes the clips of a feed, each time for one more."""
    if settings.clips.folder is None:
        yield lambda: None
        return
    shelf = Shelf(settings.clips.folder, settings.clips)
    with ClipRecorder(
        shelf, settings.clips, smoother=settings.smoother, annotate=settings.annotate, warn=console.warn
    ) as recorder:
        yield recorder.feed


def _read_again(sources: Sequence[str], hangup: HangUp, console: Console) -> Sequence[Feed] | None:
    """The feeds as the files tell of them now, when that was asked for; a mistake in them changes nothing."""
    if not hangup.taken():
        return None
    try:
        return find_feeds(sources)
    except StreamFilterError as error:
        console.warn(f"{error}; the feeds stay as they were")
        return None


def _tell(summary: LiveSummary, console: Console) -> None:
    """What the run met, feed by feed, and what it found."""
    found = Totals()
    for feed in summary.feeds:
        for total in feed.totals:
            found.merge(total)
    rows = [(t.label, str(t.appearances), f"{t.seconds_s:.1f}", f"{t.best_score:.2f}") for t in found.totals()]
    if rows:
        console.table(("label", "appearances", "seconds", "best score"), rows)
    columns = ("feed", "seen", "frames", "looks", "dropped", "reconnects", "lost", "latency p50", "p95")
    console.table(columns, [_row(feed) for feed in summary.feeds])
    hung = f"; {summary.hung} readers hung and were left behind" if summary.hung else ""
    console.say(f"watched {len(summary.feeds)} feeds for {clock_text(summary.wall_s)}{hung}")


def _row(feed: FeedResult) -> list[str]:
    counters, quantiles = feed.counters, feed.latency.quantiles
    p50, p95 = (f"{quantiles[share]:.2f} s" if share in quantiles else "-" for share in (0.5, 0.95))
    numbers = [counters.frames, counters.looks, counters.dropped, counters.reconnects]
    return [feed.name, clock_text(feed.seen_s), *map(str, numbers), clock_text(counters.gap_s), p50, p95]


class ConsoleLiveWatcher(LiveWatcher):
    """Tells people what becomes of each feed."""

    def __init__(self, console: Console, stop: Stop) -> None:
        self._console = console
        self._stop = stop

    def resumed(self, text: str) -> None:
        self._console.say(text)

    def told(self, feed: str, news: Opened | Lost) -> None:
        if isinstance(news, Opened):
            facts = news.facts
            self._console.say(f"{feed}: open, {facts.width}×{facts.height} {facts.codec}")
        else:
            self._console.warn(f"{feed}: lost ({news.cause}): {news.reason}; trying again in {news.retry_s:.1f} s")

    def found(self, feed: str, event: Event) -> None:
        self._console.explain(f"{feed}: {explain_event(event)}")

    def troubled(self, feed: str, text: str) -> None:
        self._console.warn(f"{feed}: {text}")

    def reloaded(self, added: int, removed: int) -> None:
        self._console.say(f"the list of feeds was read again: {added} begun, {removed} ended")

    def should_stop(self) -> bool:
        return self._stop()
