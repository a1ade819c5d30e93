"""Formats of data sets and services: FiftyOne temporal detections, COCO, Google's logo recognition. All are JSON."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import PurePath
from typing import Any

from streamfilter.errors import SinkError
from streamfilter.eventlog import Log, LoggedEvent, shown
from streamfilter.exports.labelling import keyframes
from streamfilter.exports.selection import Part, parts_of


def to_fiftyone(log: Log, source: str | None = None) -> str:
    """`labels.json` of a FiftyOneTemporalDetectionDataset; a video is known by its file name without suffix.

    Raises `SinkError` where two sources have one name.
    """
    parts = _chosen(log, source)
    stems = [PurePath(part.source.name).stem for part in parts]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise SinkError(f"two sources are called {shown(twice, 80)}, which FiftyOne cannot tell apart; use --source")
    labels = {stem: [_temporal(event) for event in part.events] for stem, part in zip(stems, parts, strict=True)}
    return _json({"classes": _labels(parts), "labels": labels})


def to_coco(log: Log, source: str | None = None) -> str:
    """COCO object detection: the frames at which a track has a point are the images, boxes in pixels.

    `file_name` is SOURCE/FRAME.jpg, frames counted from 0; `track_id` and `event_id` tell which event it is.
    """
    parts = _chosen(log, source)
    categories = {label: number for number, label in enumerate(_labels(parts), start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    track_id = 0
    for part in parts:
        known = _images(part, len(images))
        images += known.values()
        for event in part.events:
            track_id += 1
            for frame, box in keyframes(part, event):
                width, height = part.size
                bbox = [box.x * width, box.y * height, box.width * width, box.height * height]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": known[frame]["id"],
                        "category_id": categories[event.label or ""],
                        "bbox": [round(value, 3) for value in bbox],
                        "area": round(bbox[2] * bbox[3], 3),
                        "iscrowd": 0,
                        "segmentation": [],
                        "score": event.score,
                        "track_id": track_id,
                        "event_id": event.event_id,
                    }
                )
    named = [{"id": number, "name": label, "supercategory": "logo"} for label, number in categories.items()]
    info = {"description": "streamfilter events", "version": "1.0"}
    return _json({"info": info, "licenses": [], "images": images, "annotations": annotations, "categories": named})


def to_google(log: Log, source: str | None = None) -> str:
    """The shape of Google's Video Intelligence `AnnotateVideoResponse` with `logoRecognitionAnnotations`.

    An entity per label, a track per event; `entityId` is empty, as labels are not Google's.
    """
    return _json({"annotationResults": [_result(part) for part in _chosen(log, source)]})


def _chosen(log: Log, source: str | None) -> list[Part]:
    return [part for part in parts_of(log) if source in (None, part.source.name)]


def _labels(parts: list[Part]) -> list[str]:
    return sorted({event.label or "" for part in parts for event in part.events})


def _temporal(event: LoggedEvent) -> dict[str, Any]:
    return {
        "label": event.label,
        "timestamps": [event.start_s, event.end_s],
        "confidence": event.score,
        "attributes": {"event_id": event.event_id},
    }


def _images(part: Part, before: int) -> dict[int, dict[str, Any]]:
    """The frames of a source that something is said of, by number; ids go on after `before` others."""
    frames = sorted({frame for event in part.events for frame, _ in keyframes(part, event)})
    return {
        frame: {
            "id": before + number,
            "file_name": f"{PurePath(part.source.name).stem}/{frame:08d}.jpg",
            "width": part.size[0],
            "height": part.size[1],
            "frame": frame,
            "time_s": round(float(frame / part.rate), 6),
        }
        for number, frame in enumerate(frames, start=1)
    }


def _result(part: Part) -> dict[str, Any]:
    by_label = sorted(part.events, key=lambda event: event.label or "")
    return {
        "inputUri": part.source.name,
        "segment": _segment(0.0, part.end_s),
        "logoRecognitionAnnotations": [
            _annotation(label or "", list(events)) for label, events in groupby(by_label, key=lambda event: event.label)
        ],
    }


def _annotation(label: str, events: list[LoggedEvent]) -> dict[str, Any]:
    return {
        "entity": {"entityId": "", "description": label, "languageCode": "en-US"},
        "tracks": [_track(event) for event in events],
        "segments": [_segment(event.start_s, event.end_s) for event in events],
    }


def _track(event: LoggedEvent) -> dict[str, Any]:
    return {
        "segment": _segment(event.start_s, event.end_s),
        "confidence": event.score,
        "attributes": [{"name": "event_id", "value": event.event_id}],
        "timestampedObjects": [
            {
                "timeOffset": _offset(point.time_s),
                "normalizedBoundingBox": {
                    "left": point.box.x,
                    "top": point.box.y,
                    "right": round(point.box.x + point.box.width, 6),
                    "bottom": round(point.box.y + point.box.height, 6),
                },
            }
            for point in event.track
        ],
    }


def _segment(start_s: float, end_s: float) -> dict[str, str]:
    return {"startTimeOffset": _offset(start_s), "endTimeOffset": _offset(end_s)}


def _offset(time_s: float) -> str:
    """A protobuf duration in JSON: seconds with up to six decimals."""
    return f"{time_s:.6f}".rstrip("0").rstrip(".") + "s"


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=True)
