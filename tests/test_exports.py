"""Every export, read back by the tool's own library or held against its published form."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from logged import HOSTILE, closed, finished, log_of, opened, write_log

from streamfilter.cli.export import FORMATS as OFFERED
from streamfilter.cli.main import streamfilter_command
from streamfilter.errors import SinkError
from streamfilter.eventlog import Decision, Log, read_event_log
from streamfilter.exports import FORMATS, corrections_from, export_text
from streamfilter.exports.selection import exact_rate, timecode
from streamfilter.exports.tables import safe_cell

TRUTH = [("Solari", 1.0, 2.0), ("Trivane", 1.52, 4.4), ("Solari", 6.0, 7.04)]
FRAME_S = 0.04


@pytest.fixture
def log(tmp_path: Path) -> Log:
    records = [opened(), *(closed(label, start_s, end_s) for label, start_s, end_s in TRUTH), finished()]
    return log_of(tmp_path / "events.jsonl", records)


def hostile_log(tmp_path: Path) -> Log:
    records = [opened(HOSTILE[1]), *(closed(label, n, n + 1, source=HOSTILE[1]) for n, label in enumerate(HOSTILE))]
    return log_of(tmp_path / "hostile.jsonl", records)


def test_the_command_offers_every_format() -> None:
    assert set(OFFERED) == set(FORMATS)


def test_a_table_has_every_event(log: Log) -> None:
    rows = list(csv.DictReader(io.StringIO(export_text(log, "csv"), newline="")))
    assert [(row["label"], float(row["start_s"]), float(row["end_s"])) for row in rows] == TRUTH
    assert float(rows[0]["sharpness"]) == 120.0


def test_no_cell_of_a_table_is_a_formula(tmp_path: Path) -> None:
    rows = list(csv.reader(io.StringIO(export_text(hostile_log(tmp_path), "csv"), newline="")))
    assert len(rows) == len(HOSTILE) + 1
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@", "\t", "\r"))]
    assert [row[2] for row in rows[1:]] == [safe_cell(label) for label in HOSTILE]


@pytest.mark.parametrize("form", ["edl", "edl-comskip", "ffmetadata", "webvtt", "cvat"])
def test_formats_of_one_video_ask_which_one(tmp_path: Path, form: str) -> None:
    log = log_of(tmp_path / "e.jsonl", [opened("a.mp4"), opened("b.mp4"), closed(source="b.mp4")])
    with pytest.raises(SinkError, match="--source"):
        export_text(log, form)
    assert export_text(log, form, "b.mp4")


def test_an_edl_reads_back_in_opentimelineio(log: Log) -> None:
    cmx = pytest.importorskip("otio_cmx3600_adapter.cmx_3600", reason="needs otio-cmx3600-adapter")
    timeline = cmx.read_from_string(export_text(log, "edl"), rate=25)
    clips = [clip for track in timeline.tracks for clip in track if clip.schema_name() == "Clip"]
    found = [(clip.name, *_span(clip.source_range)) for clip in clips]
    assert [
        (label, pytest.approx(a, abs=FRAME_S / 2), pytest.approx(b, abs=FRAME_S / 2)) for label, a, b in TRUTH
    ] == found


def _span(time_range: Any) -> tuple[float, float]:
    start_s = time_range.start_time.to_seconds()
    return start_s, start_s + time_range.duration.to_seconds()


def test_a_timeline_reads_back_in_opentimelineio_with_every_event(log: Log) -> None:
    otio = pytest.importorskip("opentimelineio", reason="needs opentimelineio")
    timeline = otio.adapters.read_from_string(export_text(log, "otio"), "otio_json")
    (clip,) = timeline.tracks[0]
    found = [(marker.name, *_span(marker.marked_range)) for marker in clip.markers]
    assert found == [(label, pytest.approx(a), pytest.approx(b)) for label, a, b in TRUTH]
    assert clip.markers[0].metadata["streamfilter"]["event_id"] == log.events[0].event_id
    assert clip.media_reference.target_url == "clip.mp4"


def test_comskip_lines_are_seconds_and_what_overlaps_is_one(log: Log) -> None:
    rows = [line.split("\t") for line in export_text(log, "edl-comskip").splitlines()]
    assert [(float(a), float(b), kind) for a, b, kind in rows] == [(1.0, 4.4, "0"), (6.0, 7.04, "0")]


def chapters(text: str, folder: Path) -> list[tuple[str, float, float]]:
    """Chapters as FFmpeg itself reads them."""
    path = folder / "chapters.ffmeta"
    path.write_text(text, "utf-8")
    with av.open(str(path), format="ffmetadata") as container:
        return [
            (c["metadata"]["title"], float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]))
            for c in container.chapters()
        ]


def test_ffmpeg_reads_the_chapters(log: Log, tmp_path: Path) -> None:
    assert chapters(export_text(log, "ffmetadata"), tmp_path) == [
        (n, pytest.approx(a), pytest.approx(b)) for n, a, b in TRUTH
    ]


def cues(text: str) -> list[tuple[str, float, float, str]]:
    webvtt = pytest.importorskip("webvtt", reason="needs webvtt-py")
    return [
        (cue.raw_text, cue.start_in_seconds, cue.end_in_seconds, cue.identifier) for cue in webvtt.from_string(text)
    ]


def test_webvtt_reads_back(log: Log) -> None:
    found = cues(export_text(log, "webvtt"))
    assert [(label, _seconds(a), _seconds(b)) for label, a, b, _ in found] == [(n, int(a), int(b)) for n, a, b in TRUTH]
    assert [name for *_, name in found] == [event.event_id for event in log.events]


def _seconds(value: float) -> int:
    """webvtt-py gives whole seconds."""
    return int(value)


def test_coco_reads_back_in_pycocotools(log: Log, tmp_path: Path) -> None:
    coco_module = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    path = tmp_path / "coco.json"
    path.write_text(export_text(log, "coco"), "utf-8")
    coco = coco_module.COCO(str(path))
    names = {category["id"]: category["name"] for category in coco.loadCats(coco.getCatIds())}
    assert sorted(names.values()) == ["Solari", "Trivane"]
    images = coco.loadImgs(coco.getImgIds())
    assert {(image["width"], image["height"]) for image in images} == {(320, 240)}
    first = coco.loadAnns(coco.getAnnIds(catIds=[1]))[0]
    assert first["bbox"] == pytest.approx([32.0, 48.0, 64.0, 60.0])
    frames = {annotation["track_id"]: [] for annotation in coco.dataset["annotations"]}
    for annotation in coco.dataset["annotations"]:
        frames[annotation["track_id"]].append(coco.loadImgs([annotation["image_id"]])[0]["frame"])
    spans = [(min(found) * FRAME_S, (max(found) + 1) * FRAME_S) for found in frames.values()]
    assert spans == [(pytest.approx(a, abs=FRAME_S), pytest.approx(b, abs=FRAME_S)) for _, a, b in TRUTH]


TEMPORAL = {
    "type": "object",
    "required": ["classes", "labels"],
    "properties": {
        "classes": {"type": "array", "items": {"type": "string"}},
        "labels": {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["label", "timestamps"],
                    "properties": {
                        "label": {"type": "string"},
                        "timestamps": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                        "confidence": {"type": "number"},
                        "attributes": {"type": "object"},
                    },
                },
            },
        },
    },
}


def test_fiftyone_gets_temporal_detections_in_its_form(log: Log) -> None:
    found = json.loads(export_text(log, "fiftyone"))
    jsonschema.validate(found, TEMPORAL)
    assert [(one["label"], *one["timestamps"]) for one in found["labels"]["clip"]] == TRUTH
    assert set(found["classes"]) == {label for label, *_ in TRUTH}


def test_fiftyone_cannot_tell_two_videos_of_one_name_apart(tmp_path: Path) -> None:
    log = log_of(tmp_path / "e.jsonl", [opened("a/clip.mp4"), opened("b/clip.mp4")])
    with pytest.raises(SinkError, match="clip"):
        export_text(log, "fiftyone")


def test_google_has_a_track_per_event_and_an_entity_per_label(log: Log) -> None:
    (result,) = json.loads(export_text(log, "google"))["annotationResults"]
    tracks = [
        (annotation["entity"]["description"], *_offsets(track["segment"]))
        for annotation in result["logoRecognitionAnnotations"]
        for track in annotation["tracks"]
    ]
    assert sorted(tracks, key=lambda track: track[1]) == TRUTH
    box = result["logoRecognitionAnnotations"][0]["tracks"][0]["timestampedObjects"][1]
    assert box["timeOffset"] == "1.5s"
    assert box["normalizedBoundingBox"] == {"left": 0.3, "top": 0.2, "right": 0.5, "bottom": 0.45}


def _offsets(segment: dict[str, str]) -> tuple[float, float]:
    return float(segment["startTimeOffset"].rstrip("s")), float(segment["endTimeOffset"].rstrip("s"))


def reviewed_in_studio(text: str, edit: str) -> str:
    """What Label Studio gives back when a person has gone over the predictions."""
    tasks = json.loads(text)
    for task in tasks:
        results = task.pop("predictions")[0]["result"]
        if edit == "changed":
            results[0]["value"]["labels"] = ["Trivane"]
            del results[1]
            results[1]["value"]["sequence"][-1]["frame"] += 25
            results.append(
                {
                    **results[0],
                    "id": "new",
                    "meta": {},
                    "value": {
                        **results[0]["value"],
                        "sequence": [{"frame": 200, "enabled": True}, {"frame": 220, "enabled": False}],
                    },
                }
            )
        task["annotations"] = [{"id": 1, "was_cancelled": False, "result": results}]
    return json.dumps(tasks)


def reviewed_in_cvat(text: str, edit: str) -> str:
    """What CVAT gives back; it numbers tracks anew."""
    root = ElementTree.fromstring(text)
    tracks = root.findall("track")
    if edit == "changed":
        tracks[0].set("label", "Trivane")
        root.remove(tracks[1])
        for box in tracks[2].findall("box")[-2:]:
            box.set("frame", str(int(box.get("frame", "0")) + 25))
        new = ElementTree.SubElement(root, "track", id="9", label="Solari")
        ElementTree.SubElement(new, "box", frame="200", outside="0")
        ElementTree.SubElement(new, "box", frame="220", outside="1")
    return ElementTree.tostring(root, encoding="unicode")


def test_cvat_tracks_read_back_in_datumaro(log: Log, tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro", reason="needs datumaro")
    (tmp_path / "annotations.xml").write_text(export_text(log, "cvat"), "utf-8")
    data = datumaro.Dataset.import_from(str(tmp_path), "cvat")
    names = data.categories()[datumaro.AnnotationType.label]
    tracks: dict[int, list[tuple[str, str, int, bool]]] = {}
    for item in data:
        for box in item.annotations:
            told = box.attributes
            point = (names[box.label].name, told["event_id"], item.attributes["frame"], told["outside"])
            tracks.setdefault(told["track_id"], []).append(point)
    found = [(points[0][:2], points[0][2], points[-1][2], points[-1][3]) for points in tracks.values()]
    assert found == [
        ((event.label, event.event_id), round(event.start_s * 25), round(event.end_s * 25), True)
        for event in log.events
    ]


def test_label_studio_accepts_the_predictions(log: Log) -> None:
    interface = pytest.importorskip("label_studio_sdk.label_interface", reason="needs label-studio-sdk")
    labels = "".join(f'<Label value="{label}"/>' for label in {label for label, *_ in TRUTH})
    view = interface.LabelInterface(
        f'<View><Labels name="label" toName="video">{labels}</Labels><Video name="video" value="$video"/>'
        '<VideoRectangle name="box" toName="video"/></View>'
    )
    (task,) = json.loads(export_text(log, "labelstudio"))
    assert view.validate_prediction(task["predictions"][0], return_errors=True) == []


@pytest.mark.parametrize(("form", "edited"), [("labelstudio", reviewed_in_studio), ("cvat", reviewed_in_cvat)])
def test_what_comes_back_unchanged_is_accepted_as_it_was(log: Log, tmp_path: Path, form: str, edited: Any) -> None:
    path = tmp_path / "back"
    path.write_text(edited(export_text(log, form), "same"), "utf-8")
    found = corrections_from(path, form, log)
    decided = [(one.event_id, one.decision, one.start_s, one.end_s) for one in found.amendments]
    assert sorted(decided) == sorted((event.event_id, Decision.ACCEPTED, None, None) for event in log.events)
    assert found.added == 0


@pytest.mark.parametrize(("form", "edited"), [("labelstudio", reviewed_in_studio), ("cvat", reviewed_in_cvat)])
def test_corrections_come_back_as_decisions(log: Log, tmp_path: Path, form: str, edited: Any) -> None:
    path = tmp_path / "back"
    path.write_text(edited(export_text(log, form), "changed"), "utf-8")
    found = corrections_from(path, form, log)
    by_id = {one.event_id: one for one in found.amendments}
    first, second, third = (by_id[event.event_id] for event in log.events)
    assert (first.decision, first.label) == (Decision.RELABELLED, "Trivane")
    assert second.decision is Decision.REJECTED
    assert (third.decision, third.start_s) == (Decision.ACCEPTED, None)
    assert third.end_s == pytest.approx(8.04, abs=FRAME_S)
    assert found.added == 1


def test_events_are_found_again_without_our_ids(log: Log, tmp_path: Path) -> None:
    root = ElementTree.fromstring(export_text(log, "cvat"))
    for box in root.iter("box"):
        for child in list(box):
            box.remove(child)
    path = tmp_path / "back.xml"
    path.write_text(ElementTree.tostring(root, encoding="unicode"), "utf-8")
    found = corrections_from(path, "cvat", log)
    assert {one.event_id for one in found.amendments if one.decision is Decision.ACCEPTED} == {
        event.event_id for event in log.events
    }


@pytest.mark.parametrize("form", ["labelstudio", "cvat"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "{}",
        "<annotations>",
        "<a/>",
        '<!DOCTYPE a [<!ENTITY b "c">]><annotations/>',
        '<annotations><track label="a"><box frame="x"/></track></annotations>',
        '[{"data": {"video": "clip.mp4"}, "annotations": [{"result": [{"type": "videorectangle"}]}]}]',
        "[" * 100_000,
    ],
)
def test_a_foreign_file_of_corrections_is_refused(log: Log, tmp_path: Path, form: str, text: str) -> None:
    path = tmp_path / "back"
    path.write_text(text)
    with pytest.raises(SinkError):
        corrections_from(path, form, log)


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_hostile_log_breaks_no_format(tmp_path: Path, form: str) -> None:
    text = export_text(hostile_log(tmp_path), form)
    if form in ("otio", "labelstudio", "fiftyone", "coco", "google"):
        json.loads(text)
    elif form == "cvat":
        assert len(ElementTree.fromstring(text).findall("track")) == len(HOSTILE)
    elif form == "webvtt":
        assert len(cues(text)) == len(HOSTILE)
    elif form == "ffmetadata":
        assert len(chapters(text, tmp_path)) == len(HOSTILE)
    elif form == "edl":
        assert text.isascii()
        assert len(text.splitlines()) == 3 + 3 * len(HOSTILE)


@settings(deadline=None)
@given(st.integers(0, 10**7), st.sampled_from([24, 25, 30, 50, 60]))
def test_a_timecode_names_its_frame(frame: int, rate: int) -> None:
    hours, minutes, seconds, frames = map(int, timecode(frame, Fraction(rate)).split(":"))
    assert ((hours * 60 + minutes) * 60 + seconds) * rate + frames == frame


def test_rates_are_the_fractions_behind_them() -> None:
    assert exact_rate(29.97003) == Fraction(30000, 1001)
    assert exact_rate(23.97602) == Fraction(24000, 1001)
    assert exact_rate(25.0) == 25


def run(arguments: Sequence[str]) -> str:
    done = CliRunner().invoke(streamfilter_command, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_from_log_to_label_studio_and_back_to_the_review(tmp_path: Path) -> None:
    records = [opened(), *(closed(label, a, b, run_id="0" * 24) for label, a, b in TRUTH)]
    events = write_log(tmp_path / "events.jsonl", records)
    out = tmp_path / "tasks.json"
    run(["export", str(events), "--to", "labelstudio", "--out", str(out), "-q"])
    out.write_text(reviewed_in_studio(out.read_text("utf-8"), "changed"), "utf-8")
    run(["import", str(out), str(events), "--from", "labelstudio", "-q"])
    kept = [(event.label, event.start_s) for event in read_event_log(events).kept]
    assert kept == [("Trivane", 1.0), ("Solari", 6.0)]
