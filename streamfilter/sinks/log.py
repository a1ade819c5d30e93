"""`EventLog`: numbers records, writes each when it happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from streamfilter.errors import SinkError
from streamfilter.sinks.encoding import encode
from streamfilter.sinks.output import STDOUT, OldFile, Output, open_output
from streamfilter.sinks.past import Line, Past, read_past
from streamfilter.sinks.records import Record

LOG_VERSION = 1

SYNCED = frozenset({"event_close", "checkpoint", "source_state", "run_end"})
"""After such a record the file is synced to the disk: a power cut costs no more than a crash."""


class EventLog:
    """The log of one run, append-only; a context manager that opens and closes its output.

    `target` is a path, or `-` for stdout. An existing file is refused; with `force` it is replaced when the first
    record is written, not before; with `resume` it is read into `past`, and nothing changes before `keep`. Every record
    gets `v`, `type`, `run_id`, `source` and `seq` and is handed to the operating system at once; the file is synced to
    the disk after those that `SYNCED` names. While it is open nobody else can write it. Raises `SinkError` where it
    cannot be opened (on entering) or written: the records before stay whole.

    `run_id` is that of the records: the given one, or the one that a resumed log has.
    """

    def __init__(self, target: str | Path, run_id: str, *, force: bool = False, resume: bool = False) -> None:
        self._target = str(target)
        self.run_id = run_id
        self._force = force
        self._resume = resume
        self._seq = 0
        self._output: Output | None = None
        self.past = Past((), lost=0)

    def __enter__(self) -> Self:
        self._output = open_output(self._target, force=self._force, resume=self._resume)
        if isinstance(self._output, OldFile):
            try:
                with self._refusals():
                    self.past = read_past(self._output.content(), self._target)
            except SinkError:
                self._output.close()
                raise
        if self.past.lines:
            self.run_id = self.past.records[0]["run_id"]
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
        envelope = {"v": LOG_VERSION, "type": record["type"], "run_id": self.run_id, "source": source}
        line = encode(envelope | {"seq": self._seq} | record)
        with self._refusals():
            self._output.write(line)
            if record["type"] in SYNCED:
                self._output.sync()
        self._seq += 1

    def keep(self, lines: Sequence[Line]) -> None:
        """Go on behind these lines of `past`, as the run that wrote them; forget the others."""
        assert isinstance(self._output, OldFile), "only a resumed log keeps lines"
        is_beginning = tuple(lines) == self.past.lines[: len(lines)]
        with self._refusals():
            if is_beginning:
                self._output.keep(sum(len(line.content) for line in lines))
            else:
                self._output.rewrite(b"".join(encode(line.record | {"seq": n}) for n, line in enumerate(lines)))
        self._seq = len(lines)

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
