"""Tells people how a run goes: a progress bar per source, notes, and with `-v` the reasons."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from streamfilter.cli.stopping import Stop
from streamfilter.console import Console, Progress, reason_text
from streamfilter.stages import SourceFacts
from streamfilter.summary import SourceResult
from streamfilter.types import Event
from streamfilter.watching import Watcher


class ConsoleWatcher(Watcher):
    """Shows a run on the console. `span_s`: start and end of what is read, the end None where the source ends."""

    def __init__(self, console: Console, stop: Stop, *, span_s: tuple[float, float | None], is_only: bool) -> None:
        self._console = console
        self._stop = stop
        self._span_s = span_s
        self._is_only = is_only
        self._open = ExitStack()
        self._progress: Progress | None = None

    def resumed(self, text: str) -> None:
        self._console.say(text)

    def opened(self, facts: SourceFacts) -> None:
        self._console.explain(describe_source(facts))
        start_s, end_s = self._span_s
        ends = [end for end in (end_s, facts.duration_s) if end is not None]
        total = max(0.0, min(ends) - start_s) if ends else None
        self._progress = self._open.enter_context(self._console.progress(Path(facts.name).name, total, unit="seconds"))

    def reached(self, time_s: float) -> None:
        if self._progress is not None:
            self._progress.reach(time_s - self._span_s[0])

    def found(self, event: Event) -> None:
        self._console.explain(explain_event(event))

    def closed(self, result: SourceResult) -> None:
        if self._progress is not None and result.error is None and not self._stop():
            self._progress.reach(result.seen_s + result.gap_s)
        self._open.close()
        self._progress = None
        for note in result.notes:
            self._console.warn(f"{result.name}: {note}")
        if result.error is not None and not self._is_only:
            self._console.warn(str(result.error))

    def should_stop(self) -> bool:
        return self._stop()


def describe_source(facts: SourceFacts) -> str:
    """A source in one line."""
    parts = [f"{facts.width}×{facts.height}", facts.codec, facts.container]
    if facts.rate_hz is not None:
        parts.append(f"{facts.rate_hz:.3g} frames per second")
    if facts.duration_s is not None:
        parts.append(f"{facts.duration_s:.1f} s")
    return f"{facts.name}: {', '.join(parts)}"


def explain_event(event: Event) -> str:
    """Why an event is one, in one line."""
    best, evidence = event.best, event.evidence
    parts = [
        f"{event.label} {event.start_s:.2f} to {event.end_s:.2f} s, score {event.score:.2f}: "
        f"{evidence.hits} of {evidence.looks} looks say so",
        f"at best {best.softmax:.2f} for it and {best.none_probability:.2f} for none",
        f"distance {best.distance:.1f} (percentile {best.distance_percentile:.0f} of its own pictures)",
    ]
    if best.runner_up is not None:
        parts.append(f"next {best.runner_up} with {best.runner_up_softmax:.2f}")
    parts += [f"{reason_text(reason)} × {count}" for reason, count in evidence.rejections.items()]
    return ", ".join(parts)
