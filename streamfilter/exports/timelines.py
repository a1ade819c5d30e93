"""Formats of editing and playing: EDL (CMX 3600 and Comskip), OpenTimelineIO, FFmetadata chapters, WebVTT."""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from streamfilter.errors import SinkError
from streamfilter.eventlog import Log, LoggedEvent, shown
from streamfilter.exports.selection import Part, only_part, parts_of, timecode
from streamfilter.intervals import union

MOST_EDL_EVENTS = 999
_MILLI = 1000


def to_edl(log: Log, source: str | None = None) -> str:
    """CMX 3600: every event a cut of the source, one after the other in the record timeline. Times in whole frames."""
    part = only_part(log, source)
    if len(part.events) > MOST_EDL_EVENTS:
        raise SinkError(f"CMX 3600 counts to {MOST_EDL_EVENTS}, and there are {len(part.events)} events; use otio")
    rate = part.rate
    lines = [f"TITLE: {_ascii(PurePath(part.source.name).stem)}", "FCM: NON-DROP FRAME", ""]
    at = 0
    for number, event in enumerate(part.events, start=1):
        begin = part.frame(event.start_s)
        length = max(1, part.frame(event.end_s) - begin)
        codes = " ".join(timecode(frame, rate) for frame in (begin, begin + length, at, at + length))
        lines.append(f"{number:03d}  AX       V     C        {codes}")
        lines.append(f"* FROM CLIP NAME: {_ascii(event.label or '')}")
        lines.append(f"* COMMENT: event {_ascii(event.event_id)} score {event.score:.5f}")
        at += length
    return "\n".join(lines) + "\n"


def to_comskip(log: Log, source: str | None = None) -> str:
    """Comskip's EDL, which players skip by: start and end in seconds and 0 (cut), events that overlap as one."""
    events = only_part(log, source).events
    spans = union((event.start_s, event.end_s) for event in events)
    return "".join(f"{max(0.0, start_s):.3f}\t{max(0.0, end_s):.3f}\t0\n" for start_s, end_s in spans)


def to_otio(log: Log, source: str | None = None) -> str:
    """An OpenTimelineIO timeline: one track per source, in it the whole video as a clip with a marker per event."""
    parts = [part for part in parts_of(log) if source in (None, part.source.name)]
    tracks = {"OTIO_SCHEMA": "Stack.1", "name": "tracks", "metadata": {}, "children": [_track(part) for part in parts]}
    timeline = {
        "OTIO_SCHEMA": "Timeline.1",
        "name": shown(log.path.stem),
        "metadata": {"streamfilter": {"run_id": log.run_id}},
        "global_start_time": None,
        "tracks": tracks,
    }
    return json.dumps(timeline, indent=1, ensure_ascii=True)


def to_ffmetadata(log: Log, source: str | None = None) -> str:
    """FFmpeg's metadata file with a chapter per event, in milliseconds."""
    lines = [";FFMETADATA1"]
    for event in only_part(log, source).events:
        begin, end = _millis(event.start_s), _millis(event.end_s)
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={begin}", f"END={max(begin + 1, end)}"]
        lines.append(f"title={_escaped(shown(event.label or ''))}")
    return "\n".join(lines) + "\n"


def to_webvtt(log: Log, source: str | None = None) -> str:
    """WebVTT: a cue per event, its id the event's."""
    blocks = ["WEBVTT"]
    for event in only_part(log, source).events:
        begin = _millis(event.start_s)
        times = f"{_clock(begin)} --> {_clock(max(begin + 1, _millis(event.end_s)))}"
        blocks.append(f"{_cue_id(event)}\n{times}\n{_cue_text(shown(event.label or ''))}")
    return "\n\n".join(blocks) + "\n"


def _track(part: Part) -> dict[str, Any]:
    clip = {
        "OTIO_SCHEMA": "Clip.2",
        "name": shown(PurePath(part.source.name).name),
        "metadata": {},
        "source_range": _range(0.0, part.end_s),
        "effects": [],
        "enabled": True,
        "markers": [_marker(event) for event in part.events],
        "active_media_reference_key": "DEFAULT_MEDIA",
        "media_references": {
            "DEFAULT_MEDIA": {
                "OTIO_SCHEMA": "ExternalReference.1",
                "name": "",
                "metadata": {},
                "available_range": _range(0.0, part.end_s),
                "target_url": quote(part.source.name, safe="/", errors="replace"),
            }
        },
    }
    return {
        "OTIO_SCHEMA": "Track.1",
        "name": shown(PurePath(part.source.name).stem),
        "kind": "Video",
        "metadata": {},
        "source_range": None,
        "effects": [],
        "markers": [],
        "enabled": True,
        "children": [clip],
    }


def _marker(event: LoggedEvent) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "Marker.2",
        "name": shown(event.label or ""),
        "color": "YELLOW",
        "comment": "",
        "marked_range": _range(event.start_s, event.duration_s),
        "metadata": {"streamfilter": {"event_id": event.event_id, "label": event.label, "score": event.score}},
    }


def _range(start_s: float, duration_s: float) -> dict[str, Any]:
    """A time range in milliseconds: rational times count in something, and sources differ in their frame rates."""
    begin = _millis(start_s)
    return {
        "OTIO_SCHEMA": "TimeRange.1",
        "start_time": {"OTIO_SCHEMA": "RationalTime.1", "rate": float(_MILLI), "value": float(begin)},
        "duration": {
            "OTIO_SCHEMA": "RationalTime.1",
            "rate": float(_MILLI),
            "value": float(_millis(start_s + duration_s) - begin),
        },
    }


def _millis(time_s: float) -> int:
    return max(0, round(time_s * _MILLI))


def _clock(millis: int) -> str:
    seconds, rest = divmod(millis, _MILLI)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def _ascii(text: str) -> str:
    """A text for a line of an EDL: printable ASCII, what is not becomes a question mark."""
    return re.sub(r"[^ -~]", "?", shown(text, 60))


def _escaped(text: str) -> str:
    """A value of FFmetadata. Its reader takes any backslash at a line's end for a line that goes on."""
    return re.sub(r"([=;#\\\n])", r"\\\1", text) + (" " if text.endswith("\\") else "")


def _cue_id(event: LoggedEvent) -> str:
    return shown(event.event_id).replace("-->", "→")


def _cue_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
