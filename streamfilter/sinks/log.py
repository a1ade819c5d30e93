"""`EventLog`: numbers records, writes each when it happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from streamfilter.errors import SinkError
from streamfilter.sinks.encoding import encode
from streamfilter.sinks.output import STDOUT, Output, open_output
from streamfilter.sinks.records import Record

LOG_VERSION = 1


class EventLog:
    """The log of one run, append-only; a context manager that opens and closes its output.

    `target` is a path, or `-` for stdout. An existing file is refused; with `force` it is replaced when the first
    record is written, not before. Every record gets `v`, `type`, `run_id`, `source` and `seq` and is handed to the
    operating system at once; after an `event_close` the file is synced to the disk. Raises `SinkError` where it cannot
    be opened (on entering) or written: the records before stay whole.
    """

    def __init__(self, target: str | Path, run_id: str, *, force: bool = False) -> None:
        self._target = str(target)
        self._run_id = run_id
        self._force = force
        self._seq = 0
        self._output: Output | None = None

    def __enter__(self) -> Self:
        self._output = open_output(self._target, force=self._force)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        output, self._output = self._output, None
        if output is not None:
            with self._refusals():
                output.close()

    def write(self, record: Record, *, source: str | None = None) -> None:
        """Write one record of `records`; `source` is the name of the source that it speaks of, None: of the run."""
        assert self._output is not None, "an event log is written inside its `with` block"
        envelope = {"v": LOG_VERSION, "type": record["type"], "run_id": self._run_id, "source": source}
        line = encode(envelope | {"seq": self._seq} | record)
        with self._refusals():
            self._output.write(line)
            if record["type"] == "event_close":
                self._output.sync()
        self._seq += 1

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What the operating system refuses, told to the user."""
        name = "stdout" if self._target == STDOUT else self._target
        try:
            yield
        except BrokenPipeError:
            raise SinkError(
                f"cannot write event log to {name}: its reader has gone; keep it reading to the end"
            ) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise SinkError(
                f"cannot write event log to {name}: {reason}; what was written so far is whole, make room and run again"
            ) from None
