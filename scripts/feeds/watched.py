"""A process under watch: what it logged, and what it cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PROGRAM = Path(__file__).resolve().parent / "program.py"


class Watched:
    """`streamfilter run` over feeds, with the stand-in or with a model; its log is `folder/live.jsonl`."""

    def __init__(
        self, folder: Path, feeds: Sequence[str], settings: Sequence[str], *, model: Path | None, resume: bool = False
    ) -> None:
        self.log = folder / "live.jsonl"
        command = [str(_PROGRAM)] if model is None else ["-m", "streamfilter"]
        options = [word for setting in settings for word in ("--set", setting)]
        arguments = ["run", *feeds, "--model", str(model or "none"), "--events", str(self.log), *options]
        with (folder / "stderr").open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, *command, *arguments, *(["--resume"] if resume else [])], stderr=said
            )

    def records(self) -> list[dict[str, Any]]:
        """The whole lines of the log."""
        lines = self.log.read_bytes().split(b"\n")[:-1] if self.log.exists() else []
        return [json.loads(line) for line in lines]

    def wait_for(self, kind: str, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Until so many such records are there; returns them. `RuntimeError` after five minutes, or where it ends."""
        until_s = time.monotonic() + 300
        while time.monotonic() < until_s and self.process.poll() is None:
            found = [r for r in self.records() if r["type"] == kind and fields.items() <= r.items()]
            if len(found) >= count:
                return found
            time.sleep(0.05)
        raise RuntimeError(f"no {kind} {fields} came")

    def memory_mib(self) -> float:
        """Resident memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def threads(self) -> int:
        """How many there are now."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def files(self) -> int:
        """How many it has open now."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; exit code and seconds until the end."""
        began_s = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(60), time.monotonic() - began_s


def cpu_s(pid: int) -> float:
    """CPU time that a process took so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S
