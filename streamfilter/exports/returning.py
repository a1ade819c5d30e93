"""Corrections that people made in Label Studio or CVAT, as decisions of a review.

An event that came back with its label is accepted, with another one relabelled, and one that is gone was rejected.
Times are corrected when they moved by more than a frame. What was added there is counted and left out: an amendment
speaks of an event that the log has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any
from xml.etree import ElementTree

from streamfilter.errors import SinkError
from streamfilter.eventlog import Amendment, Decision, Log, LoggedEvent
from streamfilter.eventlog.fields import MOST_SECONDS, MOST_TEXT
from streamfilter.exports.labelling import EVENT_ID, keyframes
from streamfilter.exports.selection import Part, parts_of

MOST_BYTES = 1 << 28
LEAST_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Corrections:
    """What an import gives: decisions, and how many regions were drawn that belong to no event."""

    amendments: tuple[Amendment, ...]
    added: int


@dataclass(frozen=True, slots=True)
class _Region:
    """One region as it came back; frames from 0, `end` is the first one after it."""

    event_id: str | None
    label: str
    begin: int
    end: int


def corrections_from(path: Path, form: str, log: Log, *, source: str | None = None) -> Corrections:
    """The decisions in a file of `form` (`labelstudio` or `cvat`) about the events of `log`.

    `source` is for CVAT, whose file speaks of one video; None where the log has only one. Raises `SinkError` for a file
    that cannot be read or is not of this form.
    """
    text = _text(path)
    parts = parts_of(log)
    found = _labelstudio(text, path, parts) if form == "labelstudio" else _cvat(text, path, parts, source)
    amendments: list[Amendment] = []
    added = 0
    for part, regions in found:
        more, without = _decided(part, regions, form)
        amendments += more
        added += without
    return Corrections(tuple(amendments), added)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SinkError(f"{path} is larger than {MOST_BYTES >> 20} MiB; export fewer tasks at a time")
        return path.read_text("utf-8")
    except OSError as error:
        raise SinkError(f"cannot read {path}: {error.strerror}; check the path") from None
    except UnicodeDecodeError:
        raise SinkError(f"{path} is not UTF-8; expected an export of Label Studio (JSON) or CVAT (XML)") from None


def _decided(part: Part, regions: list[_Region], form: str) -> tuple[list[Amendment], int]:
    """A decision for every event of a source, and how many regions belong to none."""
    open_events = {event.event_id: event for event in part.events}
    pairs: list[tuple[LoggedEvent, _Region]] = []
    rest: list[_Region] = []
    for region in regions:
        event = open_events.pop(region.event_id or "", None)
        if event is not None:
            pairs.append((event, region))
        else:
            rest.append(region)
    added = 0
    for region in rest:
        event = _nearest(part, region, list(open_events.values()))
        if event is None:
            added += 1
        else:
            pairs.append((open_events.pop(event.event_id), region))
    decided = [_amendment(part, event, region, form) for event, region in pairs]
    gone = [_decision(event, Decision.REJECTED, form) for event in open_events.values()]
    return decided + gone, added


def _nearest(part: Part, region: _Region, events: list[LoggedEvent]) -> LoggedEvent | None:
    """The event whose time overlaps most with the region's: for tools that lose our ids."""

    def overlap(event: LoggedEvent) -> float:
        frames = [frame for frame, _ in keyframes(part, event)]
        begin, end = frames[0], frames[-1] + 1
        shared = min(end, region.end) - max(begin, region.begin)
        whole = max(end, region.end) - min(begin, region.begin)
        return (shared / whole if whole > 0 else 0.0) + (0.25 if event.label == region.label else 0.0)

    best = max(events, key=overlap, default=None)
    return best if best is not None and overlap(best) >= LEAST_OVERLAP else None


def _amendment(part: Part, event: LoggedEvent, region: _Region, form: str) -> Amendment:
    start_s, end_s = float(region.begin / part.rate), float(region.end / part.rate)
    frame_s = float(1 / part.rate)
    moved_start = round(start_s, 6) if abs(start_s - event.start_s) > frame_s else None
    moved_end = round(end_s, 6) if abs(end_s - event.end_s) > frame_s else None
    same = region.label == event.label
    return _decision(
        event,
        Decision.ACCEPTED if same else Decision.RELABELLED,
        form,
        label=None if same else region.label,
        start_s=moved_start,
        end_s=moved_end,
    )


def _decision(event: LoggedEvent, decision: Decision, form: str, **more: Any) -> Amendment:
    return Amendment(event.event_id, decision, source=event.source, run_id=event.run_id, by=form, **more)


def _labelstudio(text: str, path: Path, parts: list[Part]) -> list[tuple[Part, list[_Region]]]:
    try:
        tasks = json.loads(text)
    except (ValueError, RecursionError):
        tasks = None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise SinkError(f"{path} is no Label Studio export; expected its JSON, a list of tasks")
    found = []
    for task in tasks:
        part = _named(parts, _at(task, "data", "video"))
        results = _last_annotation(task)
        if part is None or results is None:  # another video, or a task that nobody has looked at
            continue
        try:
            found.append((part, list(_studio_regions(results))))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise SinkError(
                f"{path}: a region of {part.source.name!r} is not a video rectangle of Label Studio"
            ) from None
    return found


def _last_annotation(task: dict[str, Any]) -> list[Any] | None:
    """The newest annotation that was not cancelled; predictions are ours and no decision."""
    given = task.get("annotations")
    kept = (
        [one for one in given if isinstance(one, dict) and not one.get("was_cancelled")]
        if isinstance(given, list)
        else []
    )
    results = kept[-1].get("result") if kept else None
    return results if isinstance(results, list) else None


def _studio_regions(results: list[Any]) -> Iterator[_Region]:
    for result in results:
        if result["type"] != "videorectangle":
            continue
        value = result["value"]
        frames = sorted((_frame(one["frame"]), bool(one.get("enabled", True))) for one in value["sequence"])
        label = str((value.get("labels") or [""])[0])[:MOST_TEXT]
        known = _at(result, "meta", EVENT_ID) or result.get("id")
        yield _Region(known if isinstance(known, str) else None, label, frames[0][0] - 1, frames[-1][0])


def _cvat(text: str, path: Path, parts: list[Part], source: str | None) -> list[tuple[Part, list[_Region]]]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise SinkError(f"{path} declares entities, which CVAT never does; it is not read")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        root = ElementTree.Element("none")
    if root.tag != "annotations":
        raise SinkError(f"{path} is no CVAT export; expected `CVAT for video 1.1` XML (annotations.xml of the archive)")
    name = root.findtext("meta/source") or root.findtext("meta/task/source") or root.findtext("meta/task/name")
    chosen = [part for part in parts if source in (None, part.source.name)]
    part = chosen[0] if len(chosen) == 1 else _named(chosen, name)
    if part is None:
        raise SinkError(f"{path} does not say which of {len(parts)} sources it speaks of; name it (--source)")
    try:
        return [(part, [_cvat_region(track) for track in root.iter("track") if track.find("box") is not None])]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise SinkError(f"{path} holds a track without frames that can be read; was it edited?") from None


def _cvat_region(track: ElementTree.Element) -> _Region:
    boxes = sorted((_frame(box.attrib["frame"]), box.get("outside") == "1") for box in track.iter("box"))
    inside = [frame for frame, outside in boxes if not outside]
    if not inside:
        raise ValueError("a track that is never inside")
    after = [frame for frame, outside in boxes if outside and frame > inside[-1]]
    ids = [node.text for node in track.iter("attribute") if node.get("name") == EVENT_ID and node.text]
    return _Region(
        ids[0] if ids else None, track.attrib["label"][:MOST_TEXT], inside[0], after[0] if after else inside[-1] + 1
    )


def _frame(value: Any) -> int:
    number = float(value)
    if not math.isfinite(number) or abs(number) > MOST_SECONDS:
        raise ValueError("no frame number")
    return int(number)


def _named(parts: list[Part], name: object) -> Part | None:
    """The source with this name, else the only one with this file name (tools keep no folders, some add a prefix)."""
    if not isinstance(name, str):
        return parts[0] if len(parts) == 1 else None
    exact = [part for part in parts if part.source.name == name]
    last = PurePath(name).name
    alike = [part for part in parts if last.endswith(PurePath(part.source.name).name)]
    chosen = exact or alike
    return chosen[0] if len(chosen) == 1 else None


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
