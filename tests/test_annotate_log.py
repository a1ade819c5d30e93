"""Annotated videos, clips, reels and contact sheets from a log."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import pytest
from click.testing import CliRunner
from logged import HOSTILE, closed, opened, write_log
from media import read_stamp, regular_times, stamped_clip

from streamfilter.annotate.excerpts import annotate_spans, spans_around
from streamfilter.annotate.sheet import best_moment_s, contact_sheet, write_png
from streamfilter.cli.main import streamfilter_command
from streamfilter.cli.redrawing import clip_names
from streamfilter.config import AnnotateConfig
from streamfilter.eventlog import read_event_log
from streamfilter.source.opening import fingerprint
from streamfilter.types import Event

PLAIN = AnnotateConfig(timeline=False)


def stamps(path: Path) -> list[tuple[float, float]]:
    """When every frame is shown, and when it was in the source."""
    with av.open(str(path)) as container:
        return [(float(f.time or 0), read_stamp(f.to_ndarray(format="rgb24"))) for f in container.decode(video=0)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stamped_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", regular_times(100), audio_s=4.0)


def events_of(path: Path, clip: Path, *spans: tuple[str, float, float]) -> Path:
    small = [{"time_s": 0, "box": [0.0, 0.0, 0.1, 0.1], "score": 0.9}]
    name = str(clip)
    records = [closed(label, a, b, source=name, track=small) for label, a, b in spans]
    return write_log(path, [opened(name, fingerprint=fingerprint(name), duration_s=4.0), *records])


def drawn(log: Path) -> list[Event]:
    return [event.as_event() for event in read_event_log(log).kept]


def test_spans_take_lead_and_trail_and_join_where_they_meet(tmp_path: Path, clip: Path) -> None:
    log = events_of(tmp_path / "e.jsonl", clip, ("a", 0.5, 1.0), ("a", 1.5, 2.0), ("a", 3.5, 4.0))
    assert spans_around(drawn(log), lead_s=1.0, trail_s=0.25, end_s=4.0) == [(0.0, 2.25), (2.5, 4.0)]


def test_parts_are_played_in_a_row_with_their_own_pictures(tmp_path: Path, clip: Path) -> None:
    log = events_of(tmp_path / "e.jsonl", clip, ("a", 0.5, 1.0))
    out = tmp_path / "out.mp4"
    annotate_spans(str(clip), drawn(log), [(0.4, 1.2), (2.0, 2.4)], out=out, config=PLAIN)
    found = stamps(out)
    expected = [t for t in regular_times(100) if 0.4 <= t < 1.2 or 2.0 <= t < 2.4]
    assert [stamp for _, stamp in found] == pytest.approx(expected, abs=1e-3)
    assert [time for time, _ in found] == pytest.approx(regular_times(30), abs=1e-3)
    with av.open(str(out)) as container:
        length_s = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert length_s == pytest.approx(1.2, abs=0.13)


def test_a_sheet_has_a_tile_per_event(tmp_path: Path, clip: Path) -> None:
    log = events_of(tmp_path / "e.jsonl", clip, ("a", 0.5, 1.0), ("b", 1.0, 2.0), ("c", 3.0, 4.0))
    sheet = contact_sheet(str(clip), drawn(log), columns=2)
    assert sheet.shape[1] == 2 * 320 + 3 * 8
    write_png(sheet, tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == sheet.shape


def test_a_tile_shows_the_moment_of_the_best_score(tmp_path: Path, clip: Path) -> None:
    points = [{"time_s": t, "box": [0, 0, 0.1, 0.1], "score": s} for t, s in ((1.0, 0.5), (1.4, 0.9), (1.8, 0.6))]
    log = write_log(tmp_path / "e.jsonl", [closed("a", 1.0, 2.0, track=points)])
    assert best_moment_s(drawn(log)[0]) == 1.4


def test_names_of_clips_stay_inside_their_folder(tmp_path: Path) -> None:
    records = [closed(label, n, n + 1, event_id=str(n)) for n, label in enumerate(HOSTILE)]
    names = clip_names(drawn(write_log(tmp_path / "e.jsonl", records)))
    assert len(set(names)) == len(HOSTILE)
    assert all((tmp_path / name).parent == tmp_path and "/" not in name for name in names)
    assert names[5].startswith("006-")


def test_the_command_makes_clips_a_reel_and_a_sheet(tmp_path: Path, clip: Path) -> None:
    log = events_of(tmp_path / "e.jsonl", clip, ("../a", 0.5, 1.0), ("b", 3.0, 3.4))
    base = [
        "annotate",
        str(clip),
        str(log),
        "--lead",
        "0.2",
        "--trail",
        "0.2",
        "-q",
        "--set",
        "annotate.timeline=false",
    ]
    reel, sheet, clips = tmp_path / "reel.mp4", tmp_path / "sheet.png", tmp_path / "clips"
    more = ["--reel", "b", "--out", str(reel), "--sheet", str(sheet), "--per-event", str(clips)]
    done = CliRunner().invoke(streamfilter_command, [*base, *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert [stamp for _, stamp in stamps(reel)] == pytest.approx([t for t in regular_times(100) if 2.8 <= t < 3.6])
    assert len(list(clips.iterdir())) == 2
    assert sheet.stat().st_size > 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "e.jsonl", "reel.mp4", "sheet.png"]


@pytest.mark.parametrize("arguments", [[], ["--reel", "a"], ["--out", "x.mp4", "--lead", "-1"]])
def test_wrong_usage_is_told(tmp_path: Path, clip: Path, arguments: list[str]) -> None:
    log = events_of(tmp_path / "e.jsonl", clip, ("a", 0.5, 1.0))
    done = CliRunner().invoke(streamfilter_command, ["annotate", str(clip), str(log), *arguments])
    assert done.exit_code == 2
