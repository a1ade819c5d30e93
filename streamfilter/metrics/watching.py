"""The feeds of a run over files: numbers that a watcher takes from it, now and then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from streamfilter.metrics.numbers import FeedNumbers
from streamfilter.metrics.registry import Metrics
from streamfilter.stages import SourceFacts
from streamfilter.summary import SourceResult
from streamfilter.watching import Watcher

_EVERY_S = 0.5


class MetricsWatcher(Watcher):
    """Adds each source of the run to `metrics` when it is opened, and keeps its numbers fresh."""

    def __init__(self, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._current: _FileFeed | None = None
        self._so_far: Callable[[], SourceResult] | None = None
        self._due_s = 0.0

    def opened(self, facts: SourceFacts) -> None:
        self._current = _FileFeed()
        self._metrics.add_feed(facts.name, self._current.read)
        self._due_s = self._clock()

    def counting(self, so_far: Callable[[], SourceResult]) -> None:
        self._so_far = so_far

    def reached(self, time_s: float) -> None:
        now_s = self._clock()
        if self._current is not None and self._so_far is not None and now_s >= self._due_s:
            self._current.numbers = _numbers(self._so_far(), seen_at_s=now_s, is_expected=True)
            self._due_s = now_s + _EVERY_S

    def closed(self, result: SourceResult) -> None:
        if self._current is not None:
            seen_at_s = self._current.numbers.seen_at_s
            self._current.numbers = _numbers(result, seen_at_s=seen_at_s, is_expected=False)
        self._current = self._so_far = None


class _FileFeed:
    """Holds the newest numbers: replaced in the thread of the run, read in that of whoever scrapes."""

    def __init__(self) -> None:
        self.numbers = FeedNumbers(is_expected=True)

    def read(self) -> FeedNumbers:
        return self.numbers


def _numbers(result: SourceResult, *, seen_at_s: float | None, is_expected: bool) -> FeedNumbers:
    return FeedNumbers(
        is_expected=is_expected,
        seen_at_s=seen_at_s,
        frames=result.frames,
        looks=result.looks,
        still_looks=result.still_looks,
        decode_errors=result.decode_errors,
        gaps=result.gaps,
        gap_s=result.gap_s,
        events=Counter(event.label for event in result.events),
        rejections=dict(result.rejections),
    )
