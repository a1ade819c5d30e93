"""The whole chain on drawn clips, with a network that knows plain colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamfilter.config import RunConfig, check_config
from streamfilter.errors import SourceError
from streamfilter.pipeline import Watcher, identify, run
from streamfilter.sinks import EventLog, load_schema
from streamfilter.summary import RunSummary
from streamfilter.types import Event
from tests.fakes import LABELS, STRANGER, ColorClassifier, color_clip, color_network

RED, GREEN = LABELS["Red"], LABELS["Green"]
SHOWS = [(1.0, 3.0, RED), (4.0, 5.5, GREEN)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return color_clip(tmp_path_factory.mktemp("clips") / "colors.mp4", SHOWS)


def run_on(
    names: list[Any], out: Path, *, watcher: Watcher | None = None, **sections: Any
) -> tuple[RunSummary, list[dict[str, Any]]]:
    """Run with settings by section; the summary and the log's records."""
    config = check_config(RunConfig, sections, origin="test")
    network = color_network()
    names = [str(name) for name in names]
    with EventLog(out, identify(names, config=config, model=network.facts)) as log:
        summary = run(names, network, config=config, log=log, watcher=watcher)
    return summary, [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def of_type(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["type"] == kind]


def test_events_say_what_was_drawn_and_when(clip: Path, tmp_path: Path) -> None:
    _, records = run_on([clip], tmp_path / "log.jsonl")
    events = of_type(records, "event_close")
    assert [event["label"] for event in events] == ["Red", "Green"]
    for event, (start_s, end_s, _) in zip(events, SHOWS, strict=True):
        assert event["start_s"] == pytest.approx(start_s, abs=0.26)
        assert event["end_s"] == pytest.approx(end_s, abs=0.26)
