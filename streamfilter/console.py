"""What people see, on stderr: progress, tables, warnings, explanations. Results never come through here.

`-q` is verbosity -1 (nothing but errors), `-v` is 1 (explains). On a terminal progress is a bar that moves; elsewhere
it is a line now and then, so that a log file stays readable.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal, Protocol, TextIO

from rich.console import Console as RichConsole
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from streamfilter.summary import RunSummary
from streamfilter.types import Rejection

Unit = Literal["steps", "seconds"]

LINE_EVERY_S = 10.0

REASONS = {
    Rejection.NONE_CLASS: "looks like none of the labels",
    Rejection.LOW_SOFTMAX: "not sure enough which label it is",
    Rejection.FAR: "too unlike the pictures its label was taught with",
    Rejection.TAKEN: "an older label was found there",
    Rejection.UNSTABLE: "seen too briefly to count",
}


class Progress(Protocol):
    """How far something has come."""

    def advance(self, amount: float = 1.0) -> None:
        """`amount` more is done."""

    def reach(self, done: float) -> None:
        """`done` is done by now, of the total."""


class Console:
    """Everything that is said to people. `as_json`: a JSON object a line, for programs. `clock`: monotonic seconds."""

    def __init__(
        self,
        verbosity: int = 0,
        *,
        stream: TextIO | None = None,
        live: bool = True,
        as_json: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.verbosity = verbosity
        self._as_json = as_json
        self._clock = clock
        self._rich = RichConsole(file=stream or sys.stderr, highlight=False, markup=False, emoji=False)
        self._live = live and not as_json and self._rich.is_terminal

    def say(self, text: str) -> None:
        """One line, unless quiet."""
        if self.verbosity >= 0:
            self._line("info", text)

    def explain(self, text: str) -> None:
        """One line for those who asked why (`-v`)."""
        if self.verbosity > 0:
            self._line("debug", text, style="dim")

    def warn(self, text: str) -> None:
        """One line that says something went wrong but work goes on, unless quiet."""
        if self.verbosity >= 0:
            self._line("warning", text, style="yellow")

    def error(self, text: str) -> None:
        """One line that says why work stopped: always."""
        self._line("error", text, style="red")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table, unless quiet; the first column is text, the others are numbers."""
        if self.verbosity < 0:
            return
        if self._as_json:
            for row in rows:
                self._line("info", ", ".join(f"{name} {cell}" for name, cell in zip(columns, row, strict=True)))
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for index, name in enumerate(columns):
            table.add_column(name, justify="left" if index == 0 else "right")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._rich.print(table)

    def summary(self, summary: RunSummary) -> None:
        """What a run found per label, and what it rejected and why."""
        if totals := summary.labels:
            rows = [(t.label, str(t.appearances), f"{t.seconds_s:.1f}", f"{t.best_score:.2f}") for t in totals]
            self.table(("label", "appearances", "seconds", "best score"), rows)
        else:
            self.say("found none of the labels")
        if summary.rejections:
            self.table(("rejected", "times"), [(reason_text(k), str(n)) for k, n in summary.rejections.items()])
        self.say(_looked_at(summary))

    @contextmanager
    def progress(self, description: str, total: float | None, *, unit: Unit = "steps") -> Iterator[Progress]:
        """Shows how far something has come while the block runs; `total` None when nobody knows.

        `unit` "seconds" is stream time: shown as times, with the speed as a multiple of real time.
        """
        pace = _Pace(total, unit=unit, clock=self._clock)
        if self.verbosity < 0:
            yield pace
        elif self._live:
            with _bar(self._rich) as bar:
                yield _LiveProgress(bar, description, pace)
        else:
            sparse = _SparseProgress(self, description, pace)
            yield sparse
            sparse.close()

    def _line(self, level: str, text: str, *, style: str | None = None) -> None:
        if self._as_json:
            self._rich.out(json_line(level, text), highlight=False)
            return
        prefix = f"{level}: " if level in ("warning", "error") else ""
        self._rich.print(f"{prefix}{text}", style=style, soft_wrap=True)


def json_line(level: str, text: str) -> str:
    """What is said as one JSON object: when in UTC, how grave (`debug`, `info`, `warning`, `error`), and what."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": now, "level": level, "message": text})


class _Pace:
    """Counts what is done and reckons speed and time left; alone, it is the progress that nobody sees."""

    def __init__(self, total: float | None, *, unit: Unit, clock: Callable[[], float]) -> None:
        self.total = total
        self.done = 0.0
        self._unit = unit
        self._clock = clock
        self.began_s = clock()

    def advance(self, amount: float = 1.0) -> None:
        self.done += amount

    def reach(self, done: float) -> None:
        self.done = done

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self.began_s

    def amount(self) -> str:
        """`0:12 of 1:00`, `3 of 40`."""
        shown = clock_text if self._unit == "seconds" else "{:.0f}".format
        return shown(self.done) if self.total is None else f"{shown(self.done)} of {shown(self.total)}"

    def pace(self) -> str:
        """`3.4 × real time, 0:14 left`; empty until there is something to reckon from."""
        elapsed_s = self.elapsed_s
        if self.done <= 0 or elapsed_s <= 0:
            return ""
        parts = [f"{self.done / elapsed_s:.1f} × real time"] if self._unit == "seconds" else []
        if self.total is not None:
            left_s = max(0.0, self.total - self.done) * elapsed_s / self.done
            parts.append(f"{clock_text(left_s)} left")
        return ", ".join(parts)


class _LiveProgress:
    """A bar on a terminal."""

    def __init__(self, bar: RichProgress, description: str, pace: _Pace) -> None:
        self._bar = bar
        self._pace = pace
        self._task = bar.add_task(description, total=pace.total, amount=pace.amount(), pace="")

    def advance(self, amount: float = 1.0) -> None:
        self.reach(self._pace.done + amount)

    def reach(self, done: float) -> None:
        self._pace.reach(done)
        self._bar.update(self._task, completed=done, amount=self._pace.amount(), pace=self._pace.pace())


class _SparseProgress:
    """A line now and then, where there is no terminal."""

    def __init__(self, console: Console, description: str, pace: _Pace) -> None:
        self._console = console
        self._description = description
        self._pace = pace
        self._said_s = 0.0

    def advance(self, amount: float = 1.0) -> None:
        self.reach(self._pace.done + amount)

    def reach(self, done: float) -> None:
        self._pace.reach(done)
        if self._pace.elapsed_s - self._said_s >= LINE_EVERY_S:
            self._said_s = self._pace.elapsed_s
            pace = self._pace.pace()
            self._console.say(f"{self._description}: {self._pace.amount()}{', ' if pace else ''}{pace}")

    def close(self) -> None:
        self._console.say(f"{self._description}: {self._pace.amount()} in {clock_text(self._pace.elapsed_s)}")


def _bar(console: RichConsole) -> RichProgress:
    return RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[amount]}", markup=False),
        TextColumn("{task.fields[pace]}", markup=False),
        console=console,
        expand=True,
        transient=True,
    )


def clock_text(seconds: float) -> str:
    """`0:07`, `12:34`, `1:02:03`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def reason_text(reason: str) -> str:
    """A reason of the rejector or smoother in plain words."""
    known = {str(key): words for key, words in REASONS.items()}
    return known.get(reason, reason)


def _looked_at(summary: RunSummary) -> str:
    looks, still = summary.count("looks"), summary.count("still_looks")
    parts = [f"{clock_text(summary.seen_s)} of video in {clock_text(summary.wall_s)}"]
    if summary.wall_s > 0 and summary.seen_s > 0 and not summary.is_resumed:
        parts[0] += f" ({summary.seen_s / summary.wall_s:.1f} × real time)"
    parts.append(f"{summary.count('frames')} frames, {looks} looks ({still} of them without the network)")
    for what, word in (("decode_errors", "decode error"), ("damaged_frames", "damaged frame"), ("gaps", "gap")):
        if count := summary.count(what):
            parts.append(f"{count} {word}{'' if count == 1 else 's'}")
    return ", ".join(parts)
