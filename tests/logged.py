"""Event logs of any content, written for tests that read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from streamfilter.eventlog import Log, LoggedEvent, read_event_log

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=cmd|' /C calc'!A0",
    "a\nb\r\nc",
    "evil‮gpj.exe",
    "../../etc/passwd",
    "--> ]]> &amp; ;#=\\",
    "\x00\x1b[31m",
    "Ünïcode 漢字 عربي",
    "x" * 900,
)
"""Labels and names that somebody may have put into a log."""


def closed(
    label: str | None = "Solari", start_s: float = 1.0, end_s: float = 2.0, *, source: str = "clip.mp4", **other: Any
) -> dict[str, Any]:
    """An `event_close` with a track of two points that moves to the right; `other` replaces its fields."""
    middle_s = (start_s + end_s) / 2
    return {
        "v": 1,
        "type": "event_close",
        "source": source,
        "event_id": f"{source}-{label}-{start_s:g}",
        "label": label,
        "start_s": start_s,
        "end_s": end_s,
        "score": 0.9,
        "exposure": {
            "visible_s": end_s - start_s,
            "alone_s": 0.0,
            "mean_share": 0.05,
            "largest_share": 0.1,
            "x": 0.3,
            "y": 0.35,
            "sharpness": 120.0,
        },
        "track": [
            {"time_s": start_s, "box": [0.1, 0.2, 0.2, 0.25], "score": 0.8},
            {"time_s": middle_s, "box": [0.3, 0.2, 0.2, 0.25], "score": 0.9},
        ],
    } | other


def opened(source: str = "clip.mp4", **facts: Any) -> dict[str, Any]:
    """The record of a source that was opened: 320 × 240 at 25 Hz, ten seconds."""
    known = {"fingerprint": "", "width": 320, "height": 240, "duration_s": 10.0, "rate_hz": 25.0, "has_audio": False}
    return {"v": 1, "type": "source_state", "state": "opened", "source": source, "facts": known | facts}


def finished(source: str = "clip.mp4", end_s: float = 10.0, **other: Any) -> dict[str, Any]:
    """The record of a source that was read to its end."""
    return {"v": 1, "type": "source_state", "state": "finished", "source": source, "end_s": end_s} | other


def gap(start_s: float, end_s: float, source: str = "clip.mp4") -> dict[str, Any]:
    """Lost stream time."""
    return {"v": 1, "type": "gap", "source": source, "start_s": start_s, "end_s": end_s, "cause": "decode_error"}


def write_log(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write records as they are."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def log_of(path: Path, records: Iterable[Mapping[str, Any]]) -> Log:
    """Write records and read them back."""
    return read_event_log(write_log(path, records))


def spans_of(events: Iterable[LoggedEvent]) -> list[tuple[str | None, float, float]]:
    """Label, start and end of each."""
    return [(event.label, event.start_s, event.end_s) for event in events]
