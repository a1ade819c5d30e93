"""Values that whoever reads a feed or feeds a sink keeps, and that the metrics tell."""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

LATENCY_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram's buckets, in seconds; one without a bound follows."""

QUANTILES = (0.5, 0.95, 0.99)

_RECENT = 1000
"""Of so many latencies the quantiles are told."""


@dataclass(frozen=True, slots=True)
class LatencyNumbers:
    """Latencies so far, in seconds. `buckets`: how many were at most each of `LATENCY_BUCKETS_S`, and how many at all.

    `quantiles`: those of the last thousand, by share.
    """

    buckets: tuple[int, ...]
    sum_s: float
    quantiles: Mapping[float, float]


class Latencies:
    """Counts latencies, in seconds; may be asked from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(LATENCY_BUCKETS_S) + 1)
        self._sum_s = 0.0
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def add(self, latency_s: float) -> None:
        """One more; what comes from before its time, by clocks that differ, counts as 0."""
        value_s = max(0.0, latency_s)
        with self._lock:
            self._counts[bisect_left(LATENCY_BUCKETS_S, value_s)] += 1
            self._sum_s += value_s
            self._recent.append(value_s)

    def numbers(self) -> LatencyNumbers:
        """All so far."""
        with self._lock:
            buckets, sum_s, recent = tuple(accumulate(self._counts)), self._sum_s, sorted(self._recent)
        return LatencyNumbers(buckets, sum_s, {share: _quantile(recent, share) for share in QUANTILES if recent})


def _quantile(ascending: list[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed (nearest rank)."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


@dataclass(frozen=True, slots=True)
class FeedNumbers:
    """What one feed has met so far. Everything but `queued` only grows.

    `seen_at_s` is when its last picture came, by the monotonic clock, None before the first one. `is_expected`: the
    feed ought to be seen; a file that has ended is not. `dropped` are frames that were not looked at because something
    newer was there.
    """

    is_expected: bool
    seen_at_s: float | None = None
    frames: int = 0
    looks: int = 0
    still_looks: int = 0
    dropped: int = 0
    decode_errors: int = 0
    gaps: int = 0
    gap_s: float = 0.0
    reconnects: int = 0
    queued: int = 0
    events: Mapping[str, int] = field(default_factory=dict)
    rejections: Mapping[str, int] = field(default_factory=dict)
    latency: LatencyNumbers | None = None


@dataclass(frozen=True, slots=True)
class SinkNumbers:
    """What one sink beside the log has done so far. `backlog_bytes` of the log are not delivered yet.

    `refused` records were set aside, `failures` are attempts that will be repeated. `is_failing`: the last attempt was
    one of them.
    """

    delivered: int = 0
    refused: int = 0
    failures: int = 0
    backlog_bytes: int = 0
    is_failing: bool = False
