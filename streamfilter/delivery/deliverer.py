"""One sink beside the log: hands over record after record, repeats what fails, sets aside what is refused."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from streamfilter.config import SinkConfig
from streamfilter.delivery.cursor import load_cursor, save_cursor
from streamfilter.delivery.following import Follower, Line
from streamfilter.errors import RefusedError, UndeliveredError
from streamfilter.metrics import SinkNumbers
from streamfilter.sinks.encoding import encode
from streamfilter.stages import Sink

POLL_S = 0.2
"""How often a log is asked for more."""

LONGEST_RETRY_AFTER_S = 3600.0
"""A receiver that asks for more patience than this does not get it."""


class Tell(Protocol):
    """Where people are told how it goes; `Console` is one."""

    def say(self, text: str) -> None:
        """Something is well again."""

    def warn(self, text: str) -> None:
        """Something went wrong, but work goes on."""


@dataclass(frozen=True, slots=True)
class Trail:
    """A file of records that is delivered, and where the cursor in it is kept."""

    path: Path
    cursor: Path


def retry_delay_s(failures: int, config: SinkConfig, chance: random.Random) -> float:
    """How long to wait after so many failures in a row: doubled each time, and up to half of it less by chance."""
    longest_s = min(config.longest_retry_s, config.first_retry_s * 2.0 ** min(failures - 1, 60))
    return longest_s * chance.uniform(0.5, 1.0)


def key_of(record: dict[str, Any]) -> str:
    """The same for the same record whenever it comes: an event is opened once and closed once."""
    kind = record["type"]
    if kind in ("event_open", "event_close"):
        return f"{record.get('event_id')}:{kind}"
    return f"{record.get('event_id') or record.get('run_id')}:{kind}:{record.get('seq')}"


class Deliverer:
    """Delivers `trails` to a sink. `work` is what its thread does, from `start` to `finish`; see `delivering`.

    `refused` is the file for what the receiver refuses. `clock` gives monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        config: SinkConfig,
        *,
        trails: Sequence[Trail],
        refused: Path,
        tell: Tell,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._sink = sink
        self._config = config
        self._trails = {trail: Follower(trail.path, load_cursor(trail.cursor)) for trail in trails}
        self._refused = refused
        self._tell = tell
        self._clock = clock
        self._chance = random.Random()
        self._changed = threading.Condition()
        self._end_s: float | None = None
        self._delivered = self._set_aside = self._failures = 0
        self._in_a_row = 0
        self.failing_since_s: float | None = None
        self.is_idle = False
        self._thread = threading.Thread(target=self.work, name=f"streamfilter-sink-{name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self, drain_s: float) -> None:
        """Deliver what is there, for at most `drain_s`, and end."""
        with self._changed:
            self._end_s = self._clock() + drain_s
            self._changed.notify_all()

    def join(self) -> bool:
        """Wait for the end that `stop` has set; False when the receiver holds the thread longer than that.

        Then it is left behind: nothing can end a receiver's silence, and what it is at will be delivered again.
        """
        assert self._end_s is not None
        self._thread.join(max(0.0, self._end_s - self._clock()) + POLL_S)
        return not self._thread.is_alive()

    def numbers(self) -> SinkNumbers:
        """What was done so far."""
        backlog = sum(follower.backlog_bytes for follower in self._trails.values())
        return SinkNumbers(self._delivered, self._set_aside, self._failures, backlog, self._in_a_row > 0)

    def waiting(self) -> int:
        """How many records are not delivered yet. Reads what is left of the log; for when the thread has ended."""
        count = 0
        for trail in self._trails:
            follower = Follower(trail.path, load_cursor(trail.cursor))
            while (line := follower.next()) is not None:
                count += self._is_wanted(line)
                follower.done()
            follower.close()
        return count

    def work(self) -> None:
        """Deliver until the end that `stop` sets."""
        try:
            with ExitStack() as opened:
                self._open(opened)
                self._deliver_all()
        except Exception as error:  # noqa: BLE001 - what a sink of one's own raises when it is closed
            self._tell.warn(f"sink {self.name}: ended with {_reason(error)}")
        finally:
            for follower in self._trails.values():
                follower.close()

    def _deliver_all(self) -> None:
        while not self._is_over():
            is_last_look = self._end_s is not None
            if self._step():
                continue
            if is_last_look:
                return
            self._wait_for_more()

    def _open(self, opened: ExitStack) -> None:
        while not self._is_over() and not self._tried(lambda: opened.enter_context(self._sink)):
            pass

    def _step(self) -> bool:
        """Deliver one record. False when there is none."""
        for trail, follower in self._trails.items():
            while (line := self._next(follower)) is not None:
                if self._is_wanted(line):
                    self.is_idle = False
                    self._hand_over(trail, follower, line)
                    return True
                follower.done()
        self.is_idle = True
        return False

    def _next(self, follower: Follower) -> Line | None:
        try:
            return follower.next()
        except OSError as error:
            self._tell.warn(f"sink {self.name}: cannot read the log on: {error.strerror}")
            return None

    def _is_wanted(self, line: Line) -> bool:
        return line.type in self._config.types

    def _hand_over(self, trail: Trail, follower: Follower, line: Line) -> None:
        record = line.record
        assert record is not None
        while not self._tried(lambda: self._deliver(record)):
            if self._is_over():
                return
        follower.done()
        self._save(trail, follower)

    def _deliver(self, record: dict[str, Any]) -> None:
        try:
            self._sink.deliver(record, key=key_of(record))
        except RefusedError as error:
            self._set_record_aside(record, str(error))
        else:
            self._delivered += 1

    def _tried(self, attempt: Callable[[], object]) -> bool:
        """Whether it went well; after a failure time is let pass."""
        try:
            attempt()
        except Exception as error:  # noqa: BLE001 - a sink of one's own may raise anything, and nothing may be lost
            self._note_failure(error)
            return False
        if self._in_a_row:
            self._tell.say(f"sink {self.name}: delivers again")
        self._in_a_row, self.failing_since_s = 0, None
        return True

    def _note_failure(self, error: Exception) -> None:
        self._failures += 1
        self._in_a_row += 1
        if self._in_a_row == 1:
            self.failing_since_s = self._clock()
            self._tell.warn(f"sink {self.name}: {_reason(error)}; nothing is lost, it is tried again until it works")
        asked_s = error.retry_after_s if isinstance(error, UndeliveredError) else 0.0
        delay_s = retry_delay_s(self._in_a_row, self._config, self._chance)
        self._pause(max(delay_s, min(asked_s, LONGEST_RETRY_AFTER_S)))

    def _set_record_aside(self, record: dict[str, Any], reason: str) -> None:
        line = encode({"at": datetime.now(UTC).isoformat(timespec="seconds"), "reason": reason, "record": record})
        append_line(self._refused, line)
        self._set_aside += 1
        self._tell.warn(f"sink {self.name}: {reason}; the record is set aside in {self._refused}")

    def _save(self, trail: Trail, follower: Follower) -> None:
        try:
            save_cursor(trail.cursor, follower.cursor)
        except OSError as error:
            self._tell.warn(
                f"sink {self.name}: cannot write {trail.cursor}: {error.strerror}; "
                "what was delivered since will come again after the next start"
            )

    def _wait_for_more(self) -> None:
        with self._changed:
            if self._end_s is None:
                self._changed.wait(POLL_S)

    def _pause(self, delay_s: float) -> None:
        """Wait; the end is waited for, too, but what is under way may be tried until then."""
        until_s = self._clock() + delay_s
        with self._changed:
            while (left_s := self._left_s(until_s)) > 0:
                self._changed.wait(left_s)

    def _left_s(self, until_s: float) -> float:
        return (until_s if self._end_s is None else min(until_s, self._end_s)) - self._clock()

    def _is_over(self) -> bool:
        return self._end_s is not None and self._clock() >= self._end_s


def append_line(path: Path, line: bytes) -> None:
    """Append a line and bring it to the disk. Raises `OSError`."""
    with path.open("ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _reason(error: Exception) -> str:
    if isinstance(error, UndeliveredError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
