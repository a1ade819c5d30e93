"""The loop closed, for real: a mistake of the demo's model is reviewed, learned, and gone from other footage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from reviewed import ask, decide, serving

from streamfilter.cli.main import streamfilter_command
from streamfilter.demo import storyboard as story
from streamfilter.demo.clip import draw_clip
from streamfilter.demo.folder import write_training_folder
from streamfilter.demo.runner import MODEL
from streamfilter.eventlog import read_event_log

LOOSE = ("--set", "rejector.max_softmax=0.5", "--rate", "2", "--start", "3", "-q")
"""Lets the demo's model take Gerano, which it was never taught, for Hexora."""


def call(*arguments: object) -> None:
    done = CliRunner().invoke(streamfilter_command, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output


def strangers_after_trivane() -> tuple[story.Shot, ...]:
    """Five seconds with Trivane, then five with two strangers."""
    city, sky = story._city(), story._strangers_in_the_sky()
    earlier_s = sky.start_s - 5.0
    actors = tuple(
        replace(actor, poses=tuple(replace(pose, time_s=pose.time_s - earlier_s) for pose in actor.poses))
        for actor in sky.actors
    )
    return replace(city, end_s=5.0), replace(sky, start_s=5.0, end_s=10.0, actors=actors)


def found(clip: Path, model: Path, log: Path) -> set[str | None]:
    """What a run finds in a clip, by label."""
    call("run", clip, "--model", model, "--events", log, *LOOSE)
    return {event.label for event in read_event_log(log).events}


@pytest.mark.slow
def test_a_reviewed_mistake_is_gone_from_other_footage_and_nothing_true_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfilter.demo.clip.storyboard", strangers_after_trivane)
    monkeypatch.setattr("streamfilter.demo.clip.DURATION_S", 10.0)
    for name, seed in (("reviewed", 3), ("other", 5)):
        draw_clip(tmp_path / f"{name}.mp4", seed)
    log = tmp_path / "reviewed.jsonl"
    assert found(tmp_path / "reviewed.mp4", MODEL, log) == {"Trivane", "Hexora"}
    assert found(tmp_path / "other.mp4", MODEL, tmp_path / "before.jsonl") == {"Trivane", "Hexora"}

    with serving(log) as url:
        keys = {event.label: event.event_id for event in read_event_log(log).events}
        answer = decide(url, {"id": keys["Trivane"], "state": 1}, {"id": keys["Hexora"], "state": 2})
        assert answer.json()["held"] == 2
        assert ask(url, "/api/changes").json()["revision"] == 2

    data = write_training_folder(tmp_path / "data", 3, artworks=12, negatives=30, strangers=60)
    call("learn", log, "--data", data.root, "-q")
    pictures = [data.known, "--boxes", data.root / "boxes.csv", "--negatives", data.negatives, "--unknown"]
    pictures += [data.unknown, "--unknown-boxes", data.unknown_boxes, "-q"]
    sizes = ["--set", "closer_scenes=120", "--set", "validation_scenes=40"]
    call("train", *pictures, "--from", MODEL, "--model", tmp_path / "better.safetensors", *sizes)
    assert found(tmp_path / "other.mp4", tmp_path / "better.safetensors", tmp_path / "after.jsonl") == {"Trivane"}
