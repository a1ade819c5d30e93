"""Ctrl-C and SIGTERM end a run between two looks, with everything closed; a second one ends it at once.

SIGHUP has the list of feeds read again.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT


class Stop:
    """Whether somebody asked to stop, and the exit code that this gives."""

    def __init__(self) -> None:
        self._signal: int | None = None

    def __call__(self) -> bool:
        return self._signal is not None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C; 0 after SIGTERM, which is how a service is told to finish."""
        return INTERRUPTED if self._signal == signal.SIGINT else 0

    def note(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = number


@contextmanager
def stopping() -> Iterator[Stop]:
    """Catch SIGINT and SIGTERM while the block runs. Only in the main thread."""
    stop = Stop()
    before = {number: signal.signal(number, stop.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class HangUp:
    """Whether somebody sent SIGHUP since it was last asked for."""

    def __init__(self) -> None:
        self._is_due = False

    def taken(self) -> bool:
        """Whether it is due; from then on it is not."""
        is_due, self._is_due = self._is_due, False
        return is_due

    def note(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        self._is_due = True


@contextmanager
def hanging_up() -> Iterator[HangUp]:
    """Catch SIGHUP while the block runs. Only in the main thread."""
    hangup = HangUp()
    before = signal.signal(signal.SIGHUP, hangup.note)
    try:
        yield hangup
    finally:
        signal.signal(signal.SIGHUP, before)
