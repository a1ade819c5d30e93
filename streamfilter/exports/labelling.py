"""Formats of labelling tools: Label Studio's video rectangles and CVAT's XML for videos.

Both count frames; `returning.py` reads what people made of it.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree  # written only; what comes back is read in returning.py
from pathlib import PurePath
from typing import Any

from streamfilter.annotate.track import box_at
from streamfilter.eventlog import Log, LoggedEvent, shown
from streamfilter.exports.selection import Part, only_part, parts_of
from streamfilter.types import Box, TrackPoint

EVENT_ID = "event_id"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def keyframes(part: Part, event: LoggedEvent) -> list[tuple[int, Box]]:
    """Boxes of an event at frames: first, last, and wherever its track has a point between them; each frame once."""
    track = event.track or (TrackPoint(event.start_s, event.as_event().best.box, event.score),)
    first = part.frame(event.start_s)
    last = max(first, part.frame(event.end_s) - 1)
    frames = {first, last, *(min(last, max(first, part.frame(point.time_s))) for point in track)}
    return [(frame, box_at(track, float(frame / part.rate))) for frame in sorted(frames)]


def to_labelstudio(log: Log, source: str | None = None) -> str:
    """Label Studio tasks, one per source, whose predictions are the events.

    They fit a labelling interface with `<Video name="video" value="$video"/>`, `<VideoRectangle name="box"
    toName="video"/>` and `<Labels name="label" toName="video">`. `data.video` is the name of the source.
    """
    parts = [part for part in parts_of(log) if source in (None, part.source.name)]
    return json.dumps([_task(part, log) for part in parts], indent=1, ensure_ascii=True)


def to_cvat(log: Log, source: str | None = None) -> str:
    """CVAT for video 1.1: a track per event. The labels in it carry an attribute that keeps the event's id."""
    part = only_part(log, source)
    width, height = part.size
    root = ElementTree.Element("annotations")
    _leaf(root, "version", "1.1")
    root.append(_meta(part, sorted({event.label or "" for event in part.events})))
    for number, event in enumerate(part.events):
        track = ElementTree.SubElement(root, "track", id=str(number), label=_xml(event.label or ""), source="auto")
        frames = keyframes(part, event)
        for frame, box in frames:
            _box(track, frame, box, event=event, size=(width, height), outside=False)
        _box(track, frames[-1][0] + 1, frames[-1][1], event=event, size=(width, height), outside=True)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _task(part: Part, log: Log) -> dict[str, Any]:
    count = part.frame(part.end_s)
    results = []
    for event in part.events:
        sequence = [_keyframe(part, frame, box) for frame, box in keyframes(part, event)]
        sequence[-1]["enabled"] = False
        value = {"framesCount": count, "duration": part.end_s, "sequence": sequence, "labels": [event.label]}
        results.append(
            {
                "id": event.event_id,
                "type": "videorectangle",
                "from_name": "box",
                "to_name": "video",
                "origin": "prediction",
                "score": event.score,
                "value": value,
                "meta": {EVENT_ID: event.event_id},
            }
        )
    prediction = {"model_version": f"streamfilter {log.run_id}", "result": results}
    data = {"video": part.source.name, "rate_hz": float(part.rate), "run_id": log.run_id}
    return {"data": data, "predictions": [prediction]}


def _keyframe(part: Part, frame: int, box: Box) -> dict[str, Any]:
    """Frames count from 1, boxes in percent; `enabled` says that it is there until the next key frame."""
    percent = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
    return {
        "frame": frame + 1,
        "enabled": True,
        "rotation": 0,
        "time": round(float(frame / part.rate), 6),
        **{name: round(value * 100, 4) for name, value in percent.items()},
    }


def _meta(part: Part, labels: list[str]) -> ElementTree.Element:
    width, height = part.size
    meta = ElementTree.Element("meta")
    task = ElementTree.SubElement(meta, "task")
    count = part.frame(part.end_s)
    _leaf(task, "name", shown(PurePath(part.source.name).name))
    _leaf(task, "size", str(count))
    _leaf(task, "mode", "interpolation")
    _leaf(task, "start_frame", "0")
    _leaf(task, "stop_frame", str(max(0, count - 1)))
    holder = ElementTree.SubElement(task, "labels")
    for name in labels:
        label = ElementTree.SubElement(holder, "label")
        _leaf(label, "name", name)
        attribute = ElementTree.SubElement(ElementTree.SubElement(label, "attributes"), "attribute")
        for key, value in (("name", EVENT_ID), ("mutable", "False"), ("input_type", "text"), ("default_value", "")):
            _leaf(attribute, key, value)
        _leaf(attribute, "values", "")
    size = ElementTree.SubElement(task, "original_size")
    _leaf(size, "width", str(width))
    _leaf(size, "height", str(height))
    _leaf(meta, "source", shown(part.source.name))
    return meta


def _box(
    track: ElementTree.Element, frame: int, box: Box, *, event: LoggedEvent, size: tuple[int, int], outside: bool
) -> None:
    corners = {"xtl": box.x, "ytl": box.y, "xbr": box.x + box.width, "ybr": box.y + box.height}
    pixels = {name: f"{value * size[name[0] == 'y']:.2f}" for name, value in corners.items()}
    how = {"frame": str(frame), "keyframe": "1", "outside": str(int(outside)), "occluded": "0", "z_order": "0"}
    node = ElementTree.SubElement(track, "box", how | pixels)
    attribute = ElementTree.SubElement(node, "attribute", name=EVENT_ID)
    attribute.text = _xml(event.event_id)


def _leaf(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = _xml(text)


def _xml(text: str) -> str:
    """What XML 1.0 can hold of a text: controls and lone surrogates become a replacement character."""
    return _NOT_XML.sub("\ufffd", text)
