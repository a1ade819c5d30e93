"""`streamfilter evaluate` from the command line, the page it writes, and the parts of that page."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from media import shots_clip
from scipy.stats import entropy
from sklearn.neighbors import NearestNeighbors
from tiny import EMBEDDING, tiny_model, write_tiny_model

from streamfilter.cli.main import exit_code
from streamfilter.evaluation.bootstrap import Estimate
from streamfilter.evaluation.compare import markdown
from streamfilter.evaluation.feature_map import affinities, feature_map, neighbours, squared_distances
from streamfilter.evaluation.page.charts import map_of_features
from streamfilter.evaluation.page.gallery import thumbnail
from streamfilter.evaluation.page.svg import Frame, ticks
from streamfilter.evaluation.samples import NOTHING
from streamfilter.model import save_model
from streamfilter.model.scores import head_of
from streamfilter.rejector.scores import Fitting, fit_scores
from streamfilter.types import Box, Features

Evaluate = Callable[..., int]


class Page(HTMLParser):
    """Checks that tags nest, and collects what a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.refers: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.refers += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing stays open."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A tiny model, pictures with a name that HTML must not take for its own, and a clip."""
    write_tiny_model(tmp_path / "tiny.safetensors")
    rng = np.random.default_rng(0)
    names = [f"{folder}/{n}<b>.png" for folder in ("known/Ring", "known/Star", "far", "near") for n in range(4)]
    names += [f"{folder}/{n}.png" for folder in ("fit/Ring", "fit/Star", "nothing") for n in range(6)]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, (96, 64), interpolation=cv2.INTER_CUBIC))
    shots_clip(tmp_path / "clip.mp4", [1, 2], frames_per_shot=12, rate_hz=12)
    row = {"label": "Old ring", "start_s": 0.2, "end_s": 1.5, "visibility": "clear"}
    (tmp_path / "clip.labels.jsonl").write_text(json.dumps(row))
    return tmp_path


@pytest.fixture
def evaluate(data: Path) -> Evaluate:
    def run(*arguments: str) -> int:
        model, places = str(data / "tiny.safetensors"), ("known", "far", "near")
        folders = [part for name in places for part in (f"--{name}", str(data / name))]
        common = ["--cache", str(data / "cache"), "--device", "cpu", "--set", "classifier.threads=1", "-q"]
        return exit_code(["evaluate", model, *folders, *common, *arguments])

    return run


def no_number_missing(value: Any) -> None:
    """Every estimate has its three parts, in order."""
    if isinstance(value, dict) and set(value) == {"value", "low", "high"}:
        if None not in value.values():
            assert value["low"] <= value["high"]
    elif isinstance(value, dict):
        for part in value.values():
            no_number_missing(part)


def test_one_command_measures_pictures_clips_scores_and_treatments_and_writes_one_page(
    evaluate: Evaluate, data: Path
) -> None:
    video = ("--video", str(data / "clip.mp4"), str(data / "clip.labels.jsonl"), "--map", "Old ring=Ring")
    fit = ("--compare", "--fit", str(data / "fit"), "--fit-negatives", str(data / "nothing"))
    out = ("--report", str(data / "out.html"), "--json", str(data / "out.json"), "--shifts", "1")
    assert evaluate(*video, *fit, *out) == 0
    found = json.loads((data / "out.json").read_text("utf-8"))
    assert found["pictures"] == {"known": 8, "far": 4, "near": 4, "left_out": 0}
    assert set(found["known_against"]) == {"far", "near", "all"}
    assert {"max_softmax", "odin", "fused", "knn"} <= set(found["scores"])
    assert {"none", "JPEG, quality 20", "H.264, CRF 36", "FGSM, step 4"} <= {r["treatment"] for r in found["shifts"]}
    assert found["video"]["clips"][0]["lost_s"] + found["video"]["clips"][0]["right_s"] == pytest.approx(1.3, abs=0.01)
    assert len(found["samples"]) == 16
    no_number_missing(found)
    page = Page()
    page.feed((data / "out.html").read_text("utf-8"))
    assert page.open == []
    assert all(reference.startswith("data:image/jpeg;base64,") for reference in page.refers)
    assert "The worst mistakes" in page.headings
    assert "Video" in page.headings


def test_a_models_own_scores_are_compared_and_odin_which_needs_no_fit(
    evaluate: Evaluate, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    known = Features(*(rng.random((20, size)).astype(np.float32) for size in (3, EMBEDDING)), np.full(20, 4.0))
    model = tiny_model()
    fitting = Fitting(known, np.arange(20) % 2, head_of(model.network), temperature=1.0, held=known)
    thresholds = replace(model.thresholds, scores={"knn": 0.5})
    fitted = replace(model, thresholds=thresholds, scores=fit_scores(fitting, ["knn"]))
    save_model(fitted, data / "tiny.safetensors")
    assert evaluate("--shifts", "0", "--compare") == 0
    assert set(json.loads(capsys.readouterr().out)["scores"]) == {"knn", "odin"}


def test_stdout_gets_the_numbers_and_nothing_is_overwritten(
    evaluate: Evaluate, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--shifts", "0") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["score"] == "max_softmax"
    assert found["shifts"] == []
    (data / "out.html").write_text("mine")
    assert evaluate("--shifts", "0", "--report", str(data / "out.html")) == 7
    assert (data / "out.html").read_text() == "mine"
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--compare",), 5, "carries no fitted score"),
        (("--fit", "anywhere"), 2, "--fit and --fit-negatives are for --compare"),
        (("--map", "Ring"), 2, "expected NAME=VALUE"),
        (("--video", "absent.mp4", "absent.jsonl"), 6, "cannot read labels"),
        (("--report", "absent/out.html"), 7, "there is no folder"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    evaluate: Evaluate, arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(*arguments) == code
    assert words in capsys.readouterr().err


def test_a_markdown_table_has_the_best_score_first() -> None:
    def found(auroc: float) -> dict[str, dict[str, Estimate]]:
        rest = {"fpr_when_95_of_known_accepted": Estimate(0.2), "oscr_area": Estimate(0.8)}
        return {"all": {"auroc": Estimate(auroc, auroc - 0.1, auroc + 0.1), **rest}}

    lines = markdown({"poor": found(0.6), "good": found(0.9)}).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["`good`", "`poor`"]
    assert "0.900 (0.800 to 1.000)" in lines[2]
    assert len({line.count("|") for line in lines}) == 1


def test_the_map_keeps_neighbours_and_is_the_same_every_time() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(4), 20)
    rows = (rng.normal(size=(4, 32))[group] + 0.2 * rng.normal(size=(80, 32))).astype(np.float32)
    places = feature_map(rows)
    assert places.shape == (80, 2)
    assert np.abs(places).max() == pytest.approx(1)
    assert np.array_equal(places, feature_map(rows))
    _, nearest = NearestNeighbors(n_neighbors=6).fit(places).kneighbors(places)
    assert (group[nearest[:, 1:]] == group[:, None]).mean() > 0.95


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_a_map_of_few_pictures_is_finite(count: int) -> None:
    assert np.isfinite(feature_map(np.ones((count, 4), np.float32))).all()


def test_pictures_in_which_nothing_is_seen_have_no_map() -> None:
    assert "nothing to map" in map_of_features(SimpleNamespace(chosen=np.full(3, NOTHING)))  # type: ignore[arg-type]


def test_affinities_have_the_perplexity_that_was_asked_for() -> None:
    rows = np.random.default_rng(1).normal(size=(60, 5))
    chances = neighbours(squared_distances(rows), perplexity=10)
    assert np.allclose(chances.sum(axis=1), 1)
    assert not chances.diagonal().any()
    assert np.allclose(np.exp(entropy(chances, axis=1)), 10)
    joint = affinities(squared_distances(rows), perplexity=10)
    assert joint.sum() == pytest.approx(1)
    assert np.allclose(joint, joint.T)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.2, 17.0), (0.0, 0.0004), (5.0, 5.0)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 11
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)


def test_a_chart_says_what_it_is_and_escapes_what_it_is_told() -> None:
    frame = Frame((0, 1), (0, 1))
    chart = frame.svg(
        'A "chart"', frame.axes("x <", "y"), frame.line([0, 1], [0, 1], "far"), frame.dot(0, 0, "near", "<b>")
    )
    assert 'aria-label="A &quot;chart&quot;"' in chart
    assert "<b>" not in chart
    assert re.search(r'points="46\.0,260\.0 388\.0,10\.0"', chart)


def test_a_thumbnail_is_a_small_jpeg_with_the_box_drawn() -> None:
    uri = thumbnail(np.zeros((600, 900, 3), np.uint8), Box(0.25, 0.25, 0.5, 0.5))
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert max(picture.shape) == 260
    assert picture[40:48, 60:200].max() > 150
    assert picture[:30].max() < 40
