"""A calibration from footage to promise, with a network that knows plain colours: blue passes for red, a little."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import LABELS, STRANGER, ColorClassifier, color_clip, still_clip
from PIL import Image
from tiny import tiny_model, write_tiny_model

from streamfilter.calibration.appearances import LabelLoss, Limit, losses, video_limits
from streamfilter.calibration.calibrate import Calibration, Task, calibrate
from streamfilter.calibration.dial import Dial
from streamfilter.calibration.footage import Eye
from streamfilter.calibration.replay import replay, sweep
from streamfilter.calibration.words import loss_lines, promise_lines, report, score_line
from streamfilter.cli.main import exit_code
from streamfilter.config import GateConfig, RunConfig, SamplerConfig
from streamfilter.console import Console
from streamfilter.errors import DatasetError, SourceError
from streamfilter.evaluation.times import Truth
from streamfilter.model import Model, Thresholds, load_model
from streamfilter.pipeline import Network, run
from streamfilter.rejector import make_rejector
from streamfilter.sinks import EventLog, ModelFacts, Origin, records
from streamfilter.sinks.encoding import encode
from streamfilter.source import open_source

RED, GREEN = LABELS["Red"], LABELS["Green"]
FITTED = Thresholds(none_class=1.0, max_softmax=0.5)
QUIET = Console(-1)


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model(tuple(LABELS), thresholds=FITTED)


@pytest.fixture
def colors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stages of whatever model are those that know plain colours."""

    def network(model: Model, config: RunConfig, *, explores: bool) -> Network:
        assert explores  # what is found is judged at many thresholds
        facts = ModelFacts("fake", tuple(LABELS), {})
        return Network(ColorClassifier(), make_rejector(model.thresholds, config.rejector), facts)

    monkeypatch.setattr("streamfilter.calibration.calibrate.make_network", network)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return color_clip(
        tmp_path_factory.mktemp("negatives") / "stranger.mp4", [(1.0, 3.0, STRANGER)], seconds=4, rate_hz=10
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with its truth beside it: red twice, and once what is only like it."""
    clip = color_clip(
        tmp_path_factory.mktemp("positives") / "shown.mp4",
        [(0.5, 2.0, RED), (4.0, 5.0, RED), (7.0, 8.0, STRANGER)],
        seconds=9,
        rate_hz=10,
    )
    rows = [("Crimson", 0.5, 2.0, "clear"), ("Red", 4.0, 5.0, "clear"), ("Red", 7.0, 8.0, "clear")]
    rows += [("Red", 8.1, 8.2, "hard"), ("Puce", 0.0, 1.0, "clear")]
    fields = ("label", "start_s", "end_s", "visibility")
    truth = "\n".join(json.dumps(dict(zip(fields, row, strict=True))) for row in rows)
    clip.with_suffix(".labels.jsonl").write_text(truth + "\n", encoding="utf-8")
    return clip


def calibrated(model: Model, negatives: Path, console: Console = QUIET, **task: Any) -> Calibration:
    wanted = Task((str(negatives),), **{"per_hour": 1.0, **task})
    return calibrate(model, wanted, RunConfig(), console)


@pytest.mark.parametrize("max_softmax", [0.2, 0.5, 0.95])
@pytest.mark.parametrize("kind", ["shows", "still"])
@pytest.mark.parametrize("adaptive", [False, True])
def test_a_replay_gives_the_very_bytes_of_a_run_with_the_same_threshold(
    kind: str, max_softmax: float, model: Model, tmp_path: Path, *, adaptive: bool
) -> None:
    path = tmp_path / "clip.mp4"
    if kind == "still":
        still_clip(path)
    else:
        color_clip(path, [(0.5, 2.5, RED), (2.0, 4.0, GREEN), (4.0, 5.5, STRANGER)])
    # What edges and regions tell beside the looks is left out: it moves the ends of events.
    sampler = SamplerConfig(adaptive=adaptive, edges=False)
    config = RunConfig(sampler=sampler, gate=GateConfig(tiles=False))
    thresholds = replace(FITTED, max_softmax=max_softmax)
    facts = ModelFacts("fake", tuple(LABELS), {})
    network = Network(ColorClassifier(), make_rejector(thresholds, config.rejector), facts)
    with EventLog(tmp_path / "log.jsonl", "0" * 24) as log:
        run([str(path)], network, config=config, log=log)
    lines = [line for line in (tmp_path / "log.jsonl").read_bytes().splitlines() if b'"event_close"' in line]

    dial = Dial(model, config.rejector)
    clip = Eye(ColorClassifier(), dial, config).watch(str(path), lambda time_s: None)
    assert bool(clip.stretches) is adaptive
    events = replay(clip, dial, -max_softmax, config=config.smoother)
    with open_source(str(path), config.source) as source:
        origin = Origin(source.facts, config.digest(), "fake")
    told = [
        encode({**{name: json.loads(line)[name] for name in ("v", "type", "run_id", "source", "seq")}, **record})
        for line, record in zip(lines, (records.event_close(event, origin) for event in events), strict=True)
    ]
    assert [line.rstrip(b"\n") for line in told] == lines
    assert bool(lines) is (max_softmax < 0.9)


def test_a_replay_leaves_out_what_a_run_does_not_ask(model: Model, tmp_path: Path) -> None:
    """Red flashes between two looks that a run asks: who looks each time sees it, who asks adaptively does not."""
    config = RunConfig()
    dial = Dial(model, config.rejector)
    path = color_clip(tmp_path / "clip.mp4", [(0.0, 4.0, GREEN)], seconds=4, rate_hz=12)
    clip = Eye(ColorClassifier(), dial, config).watch(str(path), lambda time_s: None)
    red = Eye(ColorClassifier(), dial, config).watch(
        str(color_clip(tmp_path / "red.mp4", [(0.0, 4.0, RED)], seconds=4, rate_hz=12)), lambda time_s: None
    )
    (stretch,) = clip.stretches
    unasked = next(n for n in range(1, len(clip.items)) if n not in stretch.due)
    items = [other if n == unasked else mine for n, (mine, other) in enumerate(zip(clip.items, red.items, strict=True))]
    single = config.smoother.model_copy(update={"onset_s": 0.0, "min_duration_s": 0.0, "bridge_s": 0.2})
    flashing = replace(clip, items=tuple(items))
    labels = [event.label for event in replay(flashing, dial, -0.5, config=single)]
    assert labels == ["Green"]
    assert "Red" in [event.label for event in replay(replace(flashing, stretches=()), dial, -0.5, config=single)]


def test_a_sweep_gives_what_replays_give(model: Model, shown: Path) -> None:
    config = RunConfig()
    dial = Dial(model, config.rejector)
    clip = Eye(ColorClassifier(), dial, config).watch(str(shown), lambda time_s: None)
    thresholds = [-0.95, -0.9, -0.5, -0.3, -0.1]
    swept = sweep(clip, dial, thresholds, config.smoother)
    assert swept == [replay(clip, dial, threshold, config=config.smoother) for threshold in thresholds]
    assert [len(events) for events in swept] == [0, 2, 2, 3, 3]


@pytest.mark.usefixtures("colors")
def test_too_little_footage_promises_what_it_carries_and_says_how_much_is_missing(model: Model, stranger: Path) -> None:
    found = calibrated(model, stranger)
    assert found.choice is not None
    assert found.bound is not None
    assert not found.choice.is_as_wanted
    promised = found.promise.false_events
    assert promised is not None
    assert promised.per_hour == found.bound.per_hour(0) >= 2.99 / promised.hours
    assert promised.hours == pytest.approx(4 / 3600, rel=0.02)
    assert (promised.events, promised.clips, promised.wanted_per_hour) == (0, 1, 1.0)
    text = "\n".join(promise_lines(found))
    assert "0.0011 h of footage in 1 clip carry at most: 18000 false events an hour" in text
    assert "3 h more without a false event are needed for 1" in text
    assert "promise instead of 1" in text
    assert found.dial.value(found.threshold) == FITTED.max_softmax, "never looser than before on so little"
    assert "rejector.max_softmax 0.5 stays" in text


@pytest.mark.usefixtures("colors")
def test_a_rate_that_the_footage_carries_is_promised_at_the_loosest_threshold_within_it(
    model: Model, stranger: Path
) -> None:
    found = calibrated(model, stranger, per_hour=30_000.0)
    assert found.choice is not None
    assert found.choice.is_as_wanted
    assert found.choice.events == 0
    assert 0.3 < found.dial.value(found.threshold) < 0.301, "just above blue"
    looser = calibrated(model, stranger, per_hour=90_000.0)
    assert looser.choice is not None
    assert looser.choice.events == 1
    assert looser.dial.value(looser.threshold) == pytest.approx(0.3), "blue is let in, where that is wanted"
    assert looser.model.thresholds.max_softmax == pytest.approx(0.3)
    assert "promise: at most 90000 false events an hour (95 % confidence); 1 false event seen" in "\n".join(
        promise_lines(looser)
    )
    assert json.loads(json.dumps(report(looser)))["is_as_wanted"] is True


@pytest.mark.usefixtures("colors")
def test_photographs_are_looks_and_no_hours(model: Model, tmp_path: Path) -> None:
    for number, color in enumerate([RED, (90, 90, 90), (60, 60, 60), STRANGER]):
        Image.fromarray(np.full((64, 64, 3), color, np.uint8)).save(tmp_path / f"{number}.png")
    found = calibrated(model, tmp_path)
    assert found.choice is None
    assert found.promise.false_events is None
    looks = found.promise.false_looks
    assert looks is not None
    assert (looks.accepted, looks.looks) == (1, 4)
    assert looks.share == pytest.approx(0.7514, abs=1e-3)
    text = "\n".join(promise_lines(found))
    assert "nothing is promised of false events an hour" in text
    assert "1 of 4 accept a label: at most 75.1 % of single looks" in text


@pytest.mark.usefixtures("colors")
def test_what_a_threshold_costs_each_label_is_told_and_three_clips_promise_nothing(
    model: Model, stranger: Path, shown: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"Crimson": "Red"}
    found = calibrated(model, stranger, Console(0), positives=shown.parent, names=names)
    (loss,) = found.losses
    assert (loss.label, loss.appearances, loss.clips, loss.clips_needed, loss.lost) == ("Red", 3, 1, 9, 1)
    assert found.promise.kept == ()
    assert "too few clips to promise" in "\n".join(loss_lines(found))
    assert "Red (1): 9 are needed" in "\n".join(loss_lines(found))
    assert "Puce: no label of this model" in capsys.readouterr().err
    assert "3 right and 1 wrong events are too few" in score_line(found)


@pytest.mark.usefixtures("colors")
def test_a_clip_that_shows_a_label_is_no_negative(
    model: Model, stranger: Path, shown: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = Task((str(stranger), str(shown)), per_hour=1.0, positives=shown.parent)
    found = calibrate(model, wanted, RunConfig(), Console(0))
    assert [clip.name for clip in found.negatives.clips] == [str(stranger)]
    assert "says that it shows a label; left out of the negatives" in capsys.readouterr().err


@pytest.mark.usefixtures("colors")
def test_pictures_of_labels_are_appearances_too_and_the_two_sides_can_be_in_conflict(
    model: Model, stranger: Path, tmp_path: Path
) -> None:
    (tmp_path / "Red").mkdir()
    for number in range(10):
        color = STRANGER if number < 4 else RED
        Image.fromarray(np.full((64, 64 + number, 3), color, np.uint8)).save(tmp_path / "Red" / f"{number}.png")
    strict = calibrated(model, stranger, positives=tmp_path, most_lost=0.2)
    (loss,) = strict.losses
    assert (loss.lost, loss.clips, loss.share) == (4, 10, pytest.approx(0.4))
    (line,) = loss_lines(strict)
    assert line.startswith("conflict for Red: at rejector.max_softmax 0.5 it loses 40 % (4 of 10)")
    assert "to lose at most 20 % it needs rejector.max_softmax 0.3, with 1 false event seen: at most" in line
    assert strict.promise.kept == ()
    loose = calibrated(model, stranger, positives=tmp_path, most_lost=0.2, per_hour=90_000.0)
    assert [kept.label for kept in loose.promise.kept] == ["Red"]


def test_the_limit_of_an_appearance_is_where_it_and_all_looser_thresholds_find_it() -> None:
    class Span:
        label, start_s, end_s = "Red", 1.0, 2.0

    hit: Any = (Span(),)
    truth = [Truth("Red", 1.5, 3.0, "clear")]
    thresholds = [0.0, 1.0, 2.0, 3.0]
    for rows, expected in (
        ([(), (), hit, hit], 2.0),
        ([hit, (), hit, hit], 2.0),
        ([hit, hit, hit, hit], 0.0),
        ([hit, hit, hit, ()], float("inf")),
    ):
        assert video_limits("a", truth, thresholds, rows) == [Limit("Red", "a", expected)]
    assert video_limits("a", [Truth("Green", 1.5, 3.0, "clear")], thresholds, [hit] * 4)[0].threshold == float("inf")


def test_labels_are_told_apart() -> None:
    limits = [Limit("Red", str(i), 1.0) for i in range(9)] + [Limit("Green", "0", 3.0)]
    green, red = losses(limits, 2.0, most_lost=0.1)
    assert green == LabelLoss("Green", 1, 1, 9, lost=1, share=1.0, strictest=float("inf"))
    assert red == LabelLoss("Red", 9, 9, 9, lost=0, share=0.0, strictest=1.0)
    assert red.is_kept(2.0)
    assert not red.is_kept(0.5)
    assert not green.is_enough


@pytest.mark.usefixtures("colors")
def test_footage_that_is_not_there_or_holds_nothing_is_refused(model: Model, stranger: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        calibrated(model, tmp_path / "gone.mp4")
    with pytest.raises(SourceError, match="no video"):
        calibrated(model, tmp_path)
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    with pytest.raises(SourceError, match=r"nothing in .* can be read"):
        calibrated(model, tmp_path)
    with pytest.raises(DatasetError, match=r"labels\.jsonl"):
        calibrated(model, stranger, positives=stranger.parent)


def test_the_command_writes_a_model_that_promises_and_a_run_warns_where_the_promise_is_broken(
    tmp_path: Path, stranger: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, out = write_tiny_model(tmp_path / "model.safetensors"), tmp_path / "new.safetensors"
    part = ["--end", "1", "--device", "cpu"]
    assert exit_code(["calibrate", str(first), "--negatives", str(stranger.parent), "--out", str(out), *part]) == 0
    written = capfd.readouterr()
    told = json.loads(written.out)
    promise = load_model(out).promise
    assert promise is not None
    assert json.loads(json.dumps(promise.tree())) == told["promise"]
    assert "looking at clips" in written.err
    assert "carry at most" in written.err
    assert load_model(first).promise is None

    assert exit_code(["model", "info", str(out)]) == 0
    assert "false_events:" in capfd.readouterr().out
    for rate, broken in (("4", []), ("8", ["sampler.rate"])):
        log = tmp_path / f"{rate}.jsonl"
        arguments = [str(stranger), "--model", str(out), "--events", str(log), "--rate", rate, *part]
        assert exit_code(["run", *arguments]) == 0
        start = json.loads(log.read_bytes().splitlines()[0])
        assert start["model"]["promise"]["broken_by"] == broken
        assert ("sampler.rate is 8.0, not 4.0" in capfd.readouterr().err) is bool(broken)


def test_an_existing_model_is_not_replaced_by_the_way(tmp_path: Path, stranger: Path) -> None:
    first = write_tiny_model(tmp_path / "model.safetensors")
    (tmp_path / "there.safetensors").write_bytes(b"kept")
    arguments = ["calibrate", str(first), "--negatives", str(stranger), "--out", str(tmp_path / "there.safetensors")]
    assert exit_code(arguments) == 7
    assert (tmp_path / "there.safetensors").read_bytes() == b"kept"
    assert exit_code([*arguments[:-1], str(tmp_path / "gone" / "new.safetensors")]) == 7
