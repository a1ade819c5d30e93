"""What a whole log says of its one source, read from its first and its last lines."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from streamfilter.errors import SinkError

_MOST_LINE = 1 << 24
_TAIL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Made:
    """By what a log was made: `program` is its version, the others are digests, and the runtime's name."""

    program: str
    config: str
    model: str
    runtime: str

    def differs(self, mine: Made) -> str:
        """What of it is another than mine, in words; empty when nothing is."""
        if self.program != mine.program:
            return f"streamfilter {self.program}"
        if self.config != mine.config:
            return "other settings"
        if self.model != mine.model:
            return "another model"
        return f"runtime {self.runtime}" if self.runtime != mine.runtime else ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a log says: which run it is, by what it was made, its events by label, and why its source failed."""

    run_id: str
    made: Made
    events: Mapping[str, int]
    end_s: float | None
    error: str | None


def read_told(path: Path) -> Told | None:
    """What the log at `path` says; None where there is none. Raises `SinkError` for a file that is no whole log."""
    try:
        with path.open("rb") as file:
            start = _record(file.readline(_MOST_LINE))
            state, end = _last(file)
        if (start["type"], state["type"], end["type"]) != ("run_start", "source_state", "run_end") or end[
            "interrupted"
        ]:
            raise ValueError
        made = Made(
            start["program"]["version"], start["config"]["digest"], start["model"]["digest"], start["model"]["runtime"]
        )
        return Told(start["run_id"], made, end["events"], state.get("end_s"), state.get("error"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SinkError(f"cannot read {path}: {error.strerror}; check the folder and its rights") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SinkError(f"{path} is no whole event log of one source: move it, or name another --out") from None


def begun_as(path: Path) -> str | None:
    """The id of the run that began the log at `path`; None where there is none, or nothing of it can be read."""
    try:
        with path.open("rb") as file:
            return str(_record(file.readline(_MOST_LINE))["run_id"])
    except (OSError, ValueError, KeyError, RecursionError):
        return None


def _last(file: BinaryIO) -> tuple[dict[str, Any], dict[str, Any]]:
    """The last two records."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    *_, state, end = file.read(_TAIL_BYTES).removesuffix(b"\n").split(b"\n")
    return _record(state), _record(end)


def _record(line: bytes) -> dict[str, Any]:
    record = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError
    return record
