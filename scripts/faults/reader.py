"""A process that does one command after the other with a network that costs nothing, and what becomes of it.

It is replaced when it crashes or hangs.
"""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from faults.stand_in import load_stand_in
from faults.tally import Tally

DEADLINE_S = 600.0
"""A file that takes longer hangs. Generous: the machine may be busy."""

GROWTH_MIB = 64
"""By how much memory may grow once the process is warm."""

_SETTINGS = (
    *("smoother.onset_s=0.2", "smoother.min_duration_s=0.1", "gate.enabled=false", "annotate.preset=ultrafast"),
    "source.limits.patience_s=60",
)


@dataclass(frozen=True)
class Outcome:
    """What one input came to. `rss_mib`, `threads` and `files` are those of the process afterwards."""

    code: int
    said: str
    log: bytes
    is_decodable: bool
    rss_mib: float
    threads: int
    files: int


class Reader:
    """The process that reads, and how its memory, threads and files develop."""

    def __init__(self, folder: Path, *, warm_up: int) -> None:
        self._folder = folder
        self._warm_up = warm_up
        self._since = 0
        self._first: Outcome | None = None
        self._last: Outcome | None = None

    def __enter__(self) -> Reader:
        self._begin()
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    @property
    def log(self) -> Path:
        """Where the log of what is read goes."""
        return self._folder / "log.jsonl"

    def read(self, path: Path, *, annotate: bool) -> Outcome | str:
        """A whole run over one file: the outcome, or in a word what became of the process."""
        more = [f"--annotate={self._folder / 'annotated.mp4'}"] if annotate else []
        return self.call([*self.run_arguments(path), *more], path)

    def run_arguments(self, path: Path) -> list[str]:
        """The command of a plain run over one file."""
        from streamfilter.demo.runner import MODEL

        settings = [f"--set={setting}" for setting in _SETTINGS]
        return ["run", str(path), "--model", str(MODEL), "--events", str(self.log), "--force", "-q", *settings]

    def call(self, arguments: list[str], path: Path) -> Outcome | str:
        """Any command about `path`: the outcome, or in a word what became of the process."""
        self._since += 1
        word = "hangs"
        try:
            self._mine.send((arguments, str(path)))
            if self._mine.poll(DEADLINE_S):
                self._last = self._mine.recv()
                return self._last
            word = f"hangs: {self._stacks()}"
        except (EOFError, ConnectionError):
            self._process.join()
            word = f"crash with exit code {self._process.exitcode}"
        self._end()
        self._begin()
        return word

    def grown(self, outcome: Outcome) -> Iterator[str]:
        """What has grown since the process was warm; told once per process."""
        if self._since == self._warm_up:
            self._first = outcome
        if self._first is None:
            return
        if outcome.rss_mib - self._first.rss_mib > GROWTH_MIB:
            yield f"memory grew from {self._first.rss_mib:.0f} to {outcome.rss_mib:.0f} MiB"
            self._first = None
        elif outcome.threads > self._first.threads + 2 or outcome.files > self._first.files + 4:
            yield f"{outcome.threads} threads and {outcome.files} files after {self._first}"
            self._first = None

    def tell(self, tally: Tally) -> None:
        """Memory at the beginning and at the end of the last process."""
        if self._first is not None and self._last is not None:
            tally.counts[f"MiB after {self._warm_up} inputs"] = round(self._first.rss_mib)
            tally.counts[f"MiB after {self._since} inputs"] = round(self._last.rss_mib)

    def _stacks(self) -> str:
        """Where every thread of the process is."""
        os.kill(self._process.pid or 0, signal.SIGUSR1)
        time.sleep(1)
        return (self._folder / "said.txt").read_text("utf-8", "replace")[-3000:]

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._mine, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, self._folder), daemon=True)
        self._process.start()
        theirs.close()
        self._first, self._since = None, 0

    def _end(self) -> None:
        self._process.kill()
        self._process.join()
        self._mine.close()


def _work(pipe: Connection, folder: Path) -> None:
    from streamfilter.cli import job

    setattr(job, "load_network", load_stand_in)  # noqa: B010 - it is not this module's to give away
    said = os.open(folder / "said.txt", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    faulthandler.register(signal.SIGUSR1, said)
    while True:
        try:
            arguments, path = pipe.recv()
        except EOFError:
            return
        os.ftruncate(said, 0)
        os.lseek(said, 0, os.SEEK_SET)
        pipe.send(_done(arguments, Path(path), folder / "log.jsonl", said))


def _done(arguments: list[str], path: Path, log: Path, said: int) -> Outcome:
    from streamfilter.cli.main import exit_code

    code = exit_code(arguments)
    os.lseek(said, 0, os.SEEK_SET)
    text = os.read(said, 1 << 20).decode("utf-8", "replace")
    content = log.read_bytes() if log.exists() else b""
    return Outcome(code, text, content, _is_decodable(path), _rss_mib(), threading.active_count(), _open_files())


def _is_decodable(path: Path) -> bool:
    """Whether PyAV alone gets a picture out of it."""
    import av

    with suppress(Exception), av.open(str(path)) as container:
        for packet in container.demux(video=0):
            with suppress(av.FFmpegError):
                if packet.decode():
                    return True
    return False


def _rss_mib() -> float:
    """Memory that is held, without what the allocator keeps ready after a single large picture."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
