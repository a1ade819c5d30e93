"""Who follows a run: the console, the metrics, a test. A watcher hears of things and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamfilter.stages import SourceFacts
from streamfilter.summary import SourceResult
from streamfilter.types import Event


class Watcher:
    """Somebody who follows a run. Does nothing: override what is of interest."""

    def resumed(self, text: str) -> None:
        """What a resumed run goes on from, in words."""

    def opened(self, facts: SourceFacts) -> None:
        """A source is being read."""

    def counting(self, so_far: Callable[[], SourceResult]) -> None:
        """`so_far` tells what the source that was opened has met until then; to be asked from within a watcher."""

    def reached(self, time_s: float) -> None:
        """Everything before this stream time of the source was looked at."""

    def found(self, event: Event) -> None:
        """An event is in the log."""

    def closed(self, result: SourceResult) -> None:
        """A source has ended, well or with an error."""

    def should_stop(self) -> bool:
        """Whether the run should end early; asked between looks."""
        return False


class Watchers(Watcher):
    """Several watchers, told of everything in their order; the run stops when one of them says so."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = tuple(watchers)

    def resumed(self, text: str) -> None:
        for watcher in self._watchers:
            watcher.resumed(text)

    def opened(self, facts: SourceFacts) -> None:
        for watcher in self._watchers:
            watcher.opened(facts)

    def counting(self, so_far: Callable[[], SourceResult]) -> None:
        for watcher in self._watchers:
            watcher.counting(so_far)

    def reached(self, time_s: float) -> None:
        for watcher in self._watchers:
            watcher.reached(time_s)

    def found(self, event: Event) -> None:
        for watcher in self._watchers:
            watcher.found(event)

    def closed(self, result: SourceResult) -> None:
        for watcher in self._watchers:
            watcher.closed(result)

    def should_stop(self) -> bool:
        return any(watcher.should_stop() for watcher in self._watchers)
