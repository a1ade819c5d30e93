"""`streamfilter run` over real RTSP servers that come and go: what it writes, how it ends, how it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import jsonschema
import numpy as np
import pytest
from cameras import Camera, free_port, needs_cameras
from fakes import LABELS, color_clip

from streamfilter.eventlog import read_event_log
from streamfilter.sinks import load_schema

PROGRAM = Path(__file__).resolve().parent / "live_program.py"
PASSWORD = "p@ss.w:rd"
DEADLINE_S = 60.0

Records = list[dict[str, Any]]


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return color_clip(tmp_path_factory.mktemp("red") / "red.mp4", [(0.5, 4.5, LABELS["Red"])], seconds=6)


@pytest.fixture(scope="module")
def always(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return color_clip(tmp_path_factory.mktemp("green") / "green.mp4", [(0.0, 9.0, LABELS["Green"])], seconds=4)


@contextmanager
def running(folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The program, killed in the end where it has not ended."""
    needs_cameras()
    command = [sys.executable, str(PROGRAM), "run", "--model", "none", "--events", str(folder / "e.jsonl")]
    # On a machine that is busy nothing is to be passed over or dropped: that is tested elsewhere.
    live = ("silence_s=3", "retry_most_s=1", "update_s=1", "max_staleness_s=60")
    settings = [word for setting in live for word in ("--set", f"live.{setting}")]
    with (folder / "stderr").open("ab") as said:
        process = subprocess.Popen(
            [*command, *settings, *arguments], stderr=said, text=True, env={**os.environ, **environment}
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def records_of(folder: Path) -> Records:
    """What is in the log by now, without a line that is being written."""
    path = folder / "e.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def wait_for(folder: Path, what: Callable[[Records], bool]) -> Records:
    until_s = time.monotonic() + DEADLINE_S
    while not what(records := records_of(folder)):
        assert time.monotonic() < until_s, f"{(folder / 'stderr').read_text()} {[r['type'] for r in records]}"
        time.sleep(0.05)
    return records


def ended(process: subprocess.Popen[str], number: int) -> int:
    process.send_signal(number)
    return process.wait(DEADLINE_S)


def of(records: Records, kind: str, source: str | None = None, **fields: Any) -> Records:
    return [
        r
        for r in records
        if r["type"] == kind
        and (source is None or r["source"] == source)
        and all(r.get(name) == value for name, value in fields.items())
    ]


def check(folder: Path) -> Records:
    """The whole log: valid, numbered, in order per source, read by the reader."""
    records = records_of(folder)
    validator = jsonschema.Draft202012Validator(load_schema())
    for record in records:
        validator.validate(record)
    assert [record["seq"] for record in records] == list(range(len(records)))
    for source in {record["source"] for record in records}:
        ends = [record["end_s"] for record in of(records, "gap", source)]
        assert ends == sorted(ends)
        known = [record["event_id"] for record in of(records, "event_close", source)]
        assert len(known) == len(set(known))
    log = read_event_log(folder / "e.jsonl")
    assert log.unfinished == 0
    return records


def test_feeds_come_and_go_and_the_run_outlives_them(red: Path, always: Path, tmp_path: Path) -> None:
    """One feed is killed and brought back, one was never there and is taken off the list, one is always there."""
    with Camera(red, "--user", "me", "--password", PASSWORD) as north, Camera(always) as south:
        roster = tmp_path / "feeds.yaml"
        listed = f"feeds:\n  north: {{url: '{north.url}', user: me, password_env: PW}}\n  south: {south.url}\n"
        roster.write_text(f"{listed}  gone: rtsp://me:{PASSWORD.replace('@', '%40')}@127.0.0.1:{free_port()}/live\n")
        with running(tmp_path, str(roster), "-v", "--log", "json", PW=PASSWORD) as process:
            wait_for(tmp_path, lambda rs: bool(of(rs, "event_open", "south") and of(rs, "event_close", "north")))
            north.kill()
            wait_for(tmp_path, lambda rs: bool(of(rs, "source_state", "north", state="lost")))
            roster.write_text(listed)
            process.send_signal(signal.SIGHUP)
            wait_for(tmp_path, lambda rs: bool(of(rs, "source_state", "gone", state="finished")))
            north.begin(red)
            wait_for(tmp_path, lambda rs: len(of(rs, "source_state", "north", state="opened")) == 2)
            wait_for(tmp_path, lambda rs: bool(of(rs, "event_update", "south")))
            assert ended(process, signal.SIGTERM) == 0
    records = check(tmp_path)
    assert records[-1]["type"] == "run_end"
    assert len(of(records, "event_close", "south")) == 1, "what went on all the time is one event, closed at the end"
    assert of(records, "event_close", "south")[0]["evidence"]["drops"] >= 0
    (gap,) = of(records, "gap", "north", cause="ended")
    assert gap["utc"]["clock"] in ("arrival", "rtcp_ntp")
    assert {r["label"] for r in of(records, "event_close", "north")} == {"Red"}
    (lost,) = of(records, "source_state", "gone", state="lost")
    assert (lost["cause"], lost["time_s"]) == ("unreachable", 0.0)
    (south_end,) = of(records, "source_state", "south", state="interrupted")
    assert south_end["live"]["latency_s"]["0.95"] < DEADLINE_S
    said = [json.loads(line) for line in (tmp_path / "stderr").read_text().splitlines()]
    assert {"info", "warning", "debug"} <= {line["level"] for line in said}
    whole = (tmp_path / "stderr").read_text() + (tmp_path / "e.jsonl").read_text()
    assert "p@ss" not in whole
    assert "p%40ss" not in whole


def test_a_killed_run_goes_on_in_its_log_and_loses_no_event(always: Path, tmp_path: Path) -> None:
    with Camera(always) as camera:
        with running(tmp_path, camera.url) as process:
            wait_for(tmp_path, lambda rs: bool(of(rs, "event_update")))
            process.kill()
        (begun,) = of(records_of(tmp_path), "event_open")
        with (tmp_path / "e.jsonl").open("ab") as log:
            log.write(b'{"v":1,"type":"ga')
        before = (tmp_path / "e.jsonl").read_bytes()
        with running(tmp_path, camera.url, "--resume") as process:
            wait_for(tmp_path, lambda rs: len(of(rs, "event_open")) == 2)
            assert ended(process, signal.SIGTERM) == 0
    records = check(tmp_path)
    assert (tmp_path / "e.jsonl").read_bytes().startswith(before[: before.rindex(b"\n") + 1]), "nothing is taken back"
    first, second = of(records, "event_close")
    assert first["event_id"] == begun["event_id"]
    (gap,) = of(records, "gap", cause="restart")
    assert first["end_s"] <= gap["start_s"] < gap["end_s"] <= second["start_s"]
    assert of(records, "source_state", state="resumed")[0]["lost_events"] == []


def test_an_event_of_a_feed_has_a_clip_from_before_it_to_after_it_with_its_sound(red: Path, tmp_path: Path) -> None:
    clips = ("--clips", str(tmp_path / "clips"), "--set", "clips.thumbnail=true")
    rolls = ("--set", "clips.pre_roll_s=1", "--set", "clips.post_roll_s=1")
    # What is told late is still in the ring: nothing may be later than that.
    with (
        Camera(red, "--sound") as camera,
        running(tmp_path, camera.url, *clips, *rolls, "--set", "live.max_staleness_s=2") as run,
    ):
        wait_for(tmp_path, lambda rs: len(of(rs, "event_close")) >= 2)
        assert ended(run, signal.SIGTERM) == 0
    event = of(check(tmp_path), "event_close")[1]
    clip = tmp_path / "clips" / event["media"]["clip"]
    assert (clip.parent / event["media"]["thumbnail"]).stat().st_size > 0
    with av.open(str(clip)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        pictures = list(container.decode(video=0))
    assert len(pictures) / 25 > event["end_s"] - event["start_s"] + 1, "more than the event itself"
    reds = [_is_red(picture) for picture in pictures]
    assert not reds[0], "it begins before the event"
    assert not reds[-1], "it goes on after the event"
    assert any(reds)


def _is_red(picture: av.VideoFrame) -> bool:
    """Whether the square of the clip wears the label's colour."""
    return bool((np.abs(picture.to_ndarray(format="rgb24").astype(int) - LABELS["Red"]).max(axis=2) < 60).mean() > 0.05)
