"""`Metrics`: the feeds and sinks of a process, as Prometheus families and as a state of health."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streamfilter import __version__
from streamfilter.metrics.numbers import LATENCY_BUCKETS_S, FeedNumbers, LatencyNumbers, SinkNumbers
from streamfilter.source.discovery import redacted

_FEED_COUNTERS = {
    "frames": "Frames that were decoded.",
    "looks": "Frames that were chosen to be looked at.",
    "still_looks": "Looks at a picture that had not changed.",
    "dropped": "Frames that were not looked at because something newer was there.",
    "decode_errors": "Packets that gave no picture.",
    "gaps": "Stretches of stream time in which frames were lost.",
    "reconnects": "Times that the feed was opened again.",
}
_SINK_COUNTERS = {
    "delivered": "Records that the receiver has taken.",
    "refused": "Records that the receiver will never take, set aside.",
    "failures": "Attempts at a delivery that failed and are repeated.",
}


@dataclass(frozen=True, slots=True)
class _Feed:
    read: Callable[[], FeedNumbers]
    since_s: float


class Metrics(Collector):
    """Which feeds and sinks there are, and what they say of themselves.

    `stale_s`: a feed that was not seen for so long is ill. `clock` gives monotonic seconds. Safe in threads; what is
    registered here is asked in the thread of whoever scrapes.
    """

    def __init__(self, *, stale_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stale_s = stale_s
        self._clock = clock
        self._lock = threading.Lock()
        self._feeds: dict[str, _Feed] = {}
        self._sinks: dict[str, Callable[[], SinkNumbers]] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def add_feed(self, name: str, read: Callable[[], FeedNumbers]) -> Callable[[], None]:
        """Tell of this feed from now on, until what is returned is called.

        Its name is redacted; a second one with that name gets a number.
        """
        with self._lock:
            distinct = _distinct(redacted(name), self._feeds)
            feed = self._feeds[distinct] = _Feed(read, self._clock())

        def forget() -> None:
            with self._lock:
                if self._feeds.get(distinct) is feed:
                    del self._feeds[distinct]

        return forget

    def add_sink(self, name: str, read: Callable[[], SinkNumbers]) -> None:
        """Tell of this sink from now on."""
        with self._lock:
            self._sinks[name] = read

    def health(self) -> dict[str, str]:
        """What is wrong with which feed, in words; empty when every feed that is expected has been seen lately."""
        now_s = self._clock()
        ill = {}
        for name, feed in self._copy()[0].items():
            numbers = feed.read()
            seen_s = feed.since_s if numbers.seen_at_s is None else numbers.seen_at_s
            if numbers.is_expected and now_s - seen_s > self._stale_s:
                never = "never seen, expected" if numbers.seen_at_s is None else "not seen"
                ill[name] = f"{never} for {now_s - seen_s:.0f} s"
        return ill

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: what there is depends on the feeds."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The families of all feeds and sinks."""
        feeds, sinks = self._copy()
        yield _info()
        yield from _feed_families({name: feed.read() for name, feed in feeds.items()}, self._clock())
        yield from _sink_families({name: read() for name, read in sinks.items()})

    def _copy(self) -> tuple[dict[str, _Feed], dict[str, Callable[[], SinkNumbers]]]:
        with self._lock:
            return dict(self._feeds), dict(self._sinks)


def _info() -> Metric:
    family = GaugeMetricFamily("streamfilter_build", "The program; always 1.", labels=("version",))
    family.add_metric((__version__,), 1)
    return family


def _feed_families(feeds: Mapping[str, FeedNumbers], now_s: float) -> Iterator[Metric]:
    for what, text in _FEED_COUNTERS.items():
        yield _family(CounterMetricFamily, what, text, {name: getattr(n, what) for name, n in feeds.items()})
    yield _family(CounterMetricFamily, "gap_seconds", "Stream time that was lost.", _each(feeds, lambda n: n.gap_s))
    yield _family(GaugeMetricFamily, "queued", "Looks that wait for the network.", _each(feeds, lambda n: n.queued))
    expected = _each(feeds, lambda n: float(n.is_expected))
    yield _family(GaugeMetricFamily, "expected", "1 while the feed ought to be seen.", expected)
    ago = {name: max(0.0, now_s - n.seen_at_s) for name, n in feeds.items() if n.seen_at_s is not None}
    yield _family(GaugeMetricFamily, "seen_ago_seconds", "Time since the last picture.", ago)
    yield _split("events", "Appearances that are over.", "label", _each(feeds, lambda n: n.events))
    yield _split("rejections", "Rejected sightings and appearances.", "reason", _each(feeds, lambda n: n.rejections))
    latencies = {name: n.latency for name, n in feeds.items() if n.latency is not None}
    yield _histogram(latencies)
    yield _quantiles(latencies)


def _sink_families(sinks: Mapping[str, SinkNumbers]) -> Iterator[Metric]:
    for what, text in _SINK_COUNTERS.items():
        values = {name: getattr(n, what) for name, n in sinks.items()}
        yield _family(CounterMetricFamily, f"sink_{what}", text, values, label="sink")
    backlog = {name: n.backlog_bytes for name, n in sinks.items()}
    yield _family(GaugeMetricFamily, "sink_backlog_bytes", "Bytes of the log before delivery.", backlog, label="sink")
    failing = {name: float(n.is_failing) for name, n in sinks.items()}
    yield _family(GaugeMetricFamily, "sink_failing", "1 while the last attempt has failed.", failing, label="sink")


def _each(feeds: Mapping[str, FeedNumbers], read: Callable[[FeedNumbers], Any]) -> dict[str, Any]:
    return {name: read(numbers) for name, numbers in feeds.items()}


def _family(
    kind: type[CounterMetricFamily] | type[GaugeMetricFamily],
    name: str,
    text: str,
    values: Mapping[str, float],
    *,
    label: str = "feed",
) -> Metric:
    family = kind(f"streamfilter_{name}", text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def _split(name: str, text: str, by: str, values: Mapping[str, Mapping[str, int]]) -> Metric:
    family = CounterMetricFamily(f"streamfilter_{name}", text, labels=("feed", by))
    for feed, counts in values.items():
        for key, count in counts.items():
            family.add_metric((feed, key), count)
    return family


def _histogram(latencies: Mapping[str, LatencyNumbers]) -> Metric:
    family = HistogramMetricFamily("streamfilter_latency_seconds", "From light to record.", labels=("feed",))
    bounds = [*(repr(bound) for bound in LATENCY_BUCKETS_S), "+Inf"]
    for feed, numbers in latencies.items():
        family.add_metric((feed,), list(zip(bounds, numbers.buckets, strict=True)), numbers.sum_s)
    return family


def _quantiles(latencies: Mapping[str, LatencyNumbers]) -> Metric:
    text = "The same, quantiles of the last thousand."
    family = GaugeMetricFamily("streamfilter_recent_latency_seconds", text, labels=("feed", "quantile"))
    for feed, numbers in latencies.items():
        for share, value_s in numbers.quantiles.items():
            family.add_metric((feed, repr(share)), value_s)
    return family


def _distinct(name: str, taken: Mapping[str, object]) -> str:
    number, distinct = 1, name
    while distinct in taken:
        number += 1
        distinct = f"{name} #{number}"
    return distinct
