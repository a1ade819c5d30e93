"""What a run tells a monitoring system: counters per feed and per sink over HTTP, and whether all feeds are alive.

    numbers.py      what one feed and one sink have met so far, and how latencies are counted
    registry.py     `Metrics`: which feeds and sinks there are, as Prometheus families and as a state of health
    server.py       `/metrics` and `/healthz` in a thread of their own
    watching.py     the feeds of a run over files, followed by a watcher

Nothing here counts by itself: whoever reads a feed keeps its numbers, and they are asked for when somebody scrapes. So
a scrape costs the run nothing but a look at them. No name is told that was not redacted.
"""

from streamfilter.metrics.numbers import FeedNumbers, Latencies, LatencyNumbers, SinkNumbers
from streamfilter.metrics.registry import Metrics
from streamfilter.metrics.server import serve_metrics
from streamfilter.metrics.watching import MetricsWatcher

__all__ = ["FeedNumbers", "Latencies", "LatencyNumbers", "Metrics", "MetricsWatcher", "SinkNumbers", "serve_metrics"]
