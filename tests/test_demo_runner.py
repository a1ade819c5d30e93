"""The demo's run, with an oracle in the network's place: it looks for the colours that only one mark has."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from streamfilter.console import Console
from streamfilter.demo import runner
from streamfilter.demo.clip import Appearance
from streamfilter.demo.marks import TAUGHT
from streamfilter.demo.runner import run_demo, score_lines
from streamfilter.demo.score import Score
from streamfilter.errors import ModelError, SinkError
from streamfilter.pipeline import Network
from streamfilter.sinks import ModelFacts
from streamfilter.types import Box, Candidate, Pixels, Sighting

LABELS = tuple(mark.name for mark in TAUGHT)


class Oracle:
    """Finds Trivane by its orange: nothing else in the first seconds of the clip has it."""

    labels = LABELS

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        return [self._look(picture) for picture in pictures]

    def _look(self, picture: Pixels) -> list[Candidate]:
        rows, columns = np.nonzero(np.abs(picture.astype(int) - (255, 122, 26)).max(axis=2) < 45)
        if len(rows) < 20:
            return []
        height, width = picture.shape[:2]
        x, y = columns.min() / width, rows.min() / height
        box = Box(x, y, columns.max() / width - x, rows.max() / height - y)
        return [Candidate(box, "Trivane", 0.99, 0.01, 1.0, 50.0)]

    def judge(self, candidates: Sequence[Candidate]) -> tuple[Sighting, ...]:
        return tuple(Sighting(candidate, candidate.label, None, 0.99) for candidate in candidates)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A demo of seven seconds with the oracle; the model's path, which holds nothing."""
    network = Network(Oracle(), Oracle(), ModelFacts("0" * 64, LABELS, {}))
    monkeypatch.setattr(runner, "load_network", lambda path, config: network)
    monkeypatch.setattr(runner, "DURATION_S", 7.0)
    monkeypatch.setattr("streamfilter.demo.clip.DURATION_S", 7.0)
    model = tmp_path / "model"
    model.touch()
    return model


def test_the_demo_finds_what_it_drew_and_says_so(short: Path, tmp_path: Path) -> None:
    said = io.StringIO()
    score = run_demo(tmp_path / "out", Console(stream=said), model=short)
    assert score.f1 > 0.95
    assert (score.found, score.missed, score.false_events) == (1, 0, 0)
    assert "time F1" in said.getvalue()
    assert "annotated.mp4" in said.getvalue()
    records = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    assert [r["label"] for r in records if r["type"] == "event_close"] == ["Trivane"]
    with av.open(str(tmp_path / "out" / "annotated.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 175


def test_the_demo_overwrites_nothing_unless_it_is_told_to(short: Path, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("mine")
    console = Console(-1)
    with pytest.raises(SinkError, match="--force"):
        run_demo(tmp_path, console, model=short)
    assert (tmp_path / "events.jsonl").read_text() == "mine"
    assert run_demo(tmp_path, console, model=short, force=True).found == 1


def test_a_missing_demo_model_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="install streamfilter again"):
        run_demo(tmp_path, Console(-1), model=tmp_path / "none")
    assert not list(tmp_path.iterdir())


def test_strangers_on_screen_together_are_counted_once() -> None:
    truth = [Appearance("Velquo", 1.0, 5.0, "clear"), Appearance("Gerano", 2.0, 6.0, "clear")]
    assert "2 logos it was never taught, on screen for 5 s: no false event" in score_lines(Score(), truth)[1]
