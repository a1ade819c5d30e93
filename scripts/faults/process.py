"""`streamfilter` in processes that can be killed, sabotaged and starved.

Each is forked from this one, in which everything heavy is imported already: a trial then takes seconds. Nothing here
may compute with torch or decode before a fork, since their threads do not come along.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, or minus the signal; and what it said on stderr."""

    code: int
    said: str

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def errors(self) -> list[str]:
        """The lines that say what went wrong; a traceback counts line by line."""
        return [line for line in self.said.splitlines() if line.startswith(("error: ", "Traceback", "  File"))]


class Forked:
    """A function in a process of its own, from `start` to `ended`."""

    def __init__(self, work: Callable[[], int], *, said: Path) -> None:
        self._said = said
        self._pid = os.fork()
        if self._pid == 0:
            code = 70
            try:
                code = _in_child(work, said)
            finally:
                os._exit(code)

    def kill(self) -> None:
        """kill -9."""
        self.stop(signal.SIGKILL)

    def stop(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self._pid, number)

    def has_ended(self) -> bool:
        """Whether there is nobody left to kill."""
        return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def ended(self) -> Ended:
        """Wait for the end."""
        _, status = os.waitpid(self._pid, 0)
        return Ended(os.waitstatus_to_exitcode(status), self._said.read_text("utf-8", "replace"))


def streamfilter(arguments: Sequence[str], *, said: Path, before: Callable[[], None] = lambda: None) -> Forked:
    """The command line with these arguments; `before` is called in its process first."""

    def work() -> int:
        from streamfilter.cli.main import exit_code

        before()
        return exit_code(list(arguments))

    return Forked(work, said=said)


def _in_child(work: Callable[[], int], said: Path) -> int:
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        return work()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
