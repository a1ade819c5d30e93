"""The engine of one machine: worker processes that each hold the model and take one file after the other.

A worker that dies, by a decoder that crashes or for want of memory, costs its own file one try; the second time that
file has failed. Logs are written in a folder of their own and moved to their place when they are whole.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streamfilter.batch.engine import Done, Ready
from streamfilter.batch.entries import Entry
from streamfilter.batch.placing import place
from streamfilter.config import RunConfig
from streamfilter.errors import ConfigError, ModelError, SinkError, SourceError, StreamFilterError
from streamfilter.machine import cores
from streamfilter.source.discovery import redacted

TRIES = 2
"""How often a file is given to a worker that dies of it."""
LISTEN_S = 0.2
"""How often somebody is asked whether to stop, while no worker says anything."""
_ERRORS = {kind.exit_code: kind for kind in (ConfigError, SourceError, ModelError, SinkError)}


class LocalEngine:
    """See `engine.Engine`. `unfinished` is the folder of logs that are being written, `out` that of whole ones."""

    def __init__(self, model: Path, config: RunConfig, *, out: Path, unfinished: Path, jobs: int) -> None:
        self._out, self._unfinished = out, unfinished
        self._jobs = jobs
        self._first = {
            "model": str(model.absolute()),
            "config": config.model_dump(mode="json"),
            "threads": max(1, cores() // jobs),
        }
        self._selector = selectors.DefaultSelector()
        self._workers: list[Worker] = []
        self._waiting: deque[Entry] = deque()
        self._tries: Counter[Entry] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end()
        self._selector.close()

    def ready(self) -> Ready:
        """See `engine.Engine`."""
        worker = self._started()
        while worker.ready is None:
            self._listen(worker)
        return worker.ready

    def done(
        self, todo: Sequence[Entry], *, stop: Callable[[], bool], reach: Callable[[float], None]
    ) -> Iterator[Done]:
        """See `engine.Engine`."""
        self._waiting.extend(todo)
        finished, is_stopping = 0, False
        while self._waiting or any(worker.entry for worker in self._workers):
            if stop() and not is_stopping:
                is_stopping = True
                self._stop()
            self._hand_out()
            for key, _ in self._selector.select(LISTEN_S):
                for one in self._listen(key.data):
                    finished += 1
                    yield one
            reach(finished + sum(worker.share for worker in self._workers))

    def _stop(self) -> None:
        self._waiting.clear()
        for worker in self._workers:
            worker.say(stop=True)

    def _hand_out(self) -> None:
        busy = sum(worker.entry is not None for worker in self._workers)
        while len(self._workers) < min(self._jobs, busy + len(self._waiting)):
            self._started()
        for worker in self._workers:
            if self._waiting and worker.ready is not None and worker.entry is None:
                worker.entry = self._waiting.popleft()
                worker.say(source=worker.entry.source, log=str(self._unfinished / worker.entry.log))

    def _started(self) -> Worker:
        worker = Worker(self._first)
        self._workers.append(worker)
        self._selector.register(worker.stdout, selectors.EVENT_READ, worker)
        return worker

    def _listen(self, worker: Worker) -> list[Done]:
        """What a worker has to say: the files that are done."""
        done = [one for told in worker.heard() if (one := self._take(worker, told))]
        return [*done, *self._bury(worker)] if worker.is_silent else done

    def _take(self, worker: Worker, told: dict[str, Any]) -> Done | None:
        if "error" in told:
            raise refusal(told["error"], told["exit_code"])
        if "digest" in told:
            worker.ready = Ready(**told)
        elif "share" in told:
            worker.share = told["share"]
        elif entry := worker.freed():
            if "bug" in told:
                return Done(
                    entry, f"{redacted(entry.source)}: {told['bug']}; this is a bug in streamfilter, please report it"
                )
            if told["is_whole"]:
                place(self._unfinished / entry.log, self._out / entry.log)
                return Done(entry)
        return None

    def _bury(self, worker: Worker) -> list[Done]:
        """A worker has died: its file is tried again, or has failed."""
        self._selector.unregister(worker.stdout)
        self._workers.remove(worker)
        how, entry = worker.end(), worker.freed()
        if entry is None:
            if worker.ready is None:
                raise StreamFilterError(
                    f"a worker {how} while it loaded the model; look for memory, or take fewer --jobs"
                )
            return []
        self._tries[entry] += 1
        if self._tries[entry] < TRIES:
            self._waiting.appendleft(entry)
            return []
        return [
            Done(
                entry,
                f"the worker of {redacted(entry.source)} {how}, {TRIES} times; look for memory, or convert the file",
            )
        ]


def refusal(text: str, exit_code: int) -> StreamFilterError:
    """An error that was met in another process, as it was."""
    return _ERRORS.get(exit_code, StreamFilterError)(text)


class Worker:
    """The process of `worker.py`. `entry` is the file that it is at, `share` how much of that it has looked at."""

    def __init__(self, first: dict[str, Any]) -> None:
        self.ready: Ready | None = None
        self.entry: Entry | None = None
        self.share = 0.0
        self.is_silent = False
        self._heard = bytearray()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamfilter.batch.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.stdout = self._process.stdout
        self.say(**first)

    def say(self, **told: Any) -> None:
        """Ask something of it."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died, which is noticed where its answer is read
            self._process.stdin.write(json.dumps(told).encode() + b"\n")
            self._process.stdin.flush()

    def heard(self) -> list[dict[str, Any]]:
        """What it says now; waits for it. It `is_silent` when it never will again."""
        content = os.read(self.stdout.fileno(), 1 << 16)
        self.is_silent = not content
        self._heard += content
        *lines, rest = self._heard.split(b"\n")
        self._heard = bytearray(rest)
        return [json.loads(line) for line in lines]

    def freed(self) -> Entry | None:
        """The file that it was at; from now on it is at none."""
        entry, self.entry, self.share = self.entry, None, 0.0
        return entry

    def end(self) -> str:
        """Whatever it is at; how it ended, in words."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self.stdout.close()
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
