"""`streamfilter bench`: what it says was measured, and it measures the real run."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import LABELS, color_clip
from tiny import EMBEDDING, tiny_model, write_tiny_model
from torch import nn

from streamfilter.bench.bench import Asked, agreement, run_bench
from streamfilter.bench.limits import measure_limits
from streamfilter.bench.measured import AHEAD, STAGES
from streamfilter.bench.running import timed_run
from streamfilter.bench.stopwatch import Stopwatch, Timed
from streamfilter.cli.main import exit_code
from streamfilter.config import RunConfig, savings
from streamfilter.model import load_model, save_model
from streamfilter.model.closer import Closer
from streamfilter.model.regions import CELLS, OUTPUTS, Regions
from streamfilter.pipeline import identify, load_network, run
from streamfilter.sinks import EventLog
from streamfilter.types import Event

CONFIG = RunConfig.model_validate({"classifier": {"runtime": "torch", "device": "cpu", "precision": "float32"}})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return color_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", [(0.0, 2.0, LABELS["Red"])], seconds=3)


def test_a_stopwatch_adds_up_by_name_and_lets_everything_pass() -> None:
    watch = Stopwatch()
    work = watch.timed("sleep", time.sleep)
    work(0.02)
    work(0.02)
    assert watch.wall_s["sleep"] >= 0.04
    assert list(watch.each("count", range(3))) == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        watch.timed("divide", lambda: 1 // 0)()
    assert set(watch.wall_s) == {"sleep", "count", "divide"}


def test_a_stopwatch_knows_what_a_thread_spent_itself() -> None:
    watch, found = Stopwatch(), list[float]()

    def spend() -> None:
        watch.timed("spin", lambda: sum(range(300_000)))()
        found.append(watch.own_s())

    thread = threading.Thread(target=spend)
    thread.start()
    thread.join()
    assert found[0] > 0
    assert watch.own_s() == 0


def test_what_is_timed_is_otherwise_itself() -> None:
    timed = Timed([3, 1, 2], Stopwatch(), index="find")
    assert timed.index(1) == 1
    assert timed.count(3) == 1


def test_a_timed_run_writes_the_log_of_a_run(model: Path, clip: Path, tmp_path: Path) -> None:
    network = load_network(model, CONFIG)
    ran, _ = timed_run(str(clip), network, CONFIG, log=str(tmp_path / "timed.jsonl"))
    with EventLog(tmp_path / "run.jsonl", identify([str(clip)], config=CONFIG, model=network.facts)) as log:
        summary = run([str(clip)], network, config=CONFIG, log=log)
    timed = (tmp_path / "timed.jsonl").read_text().splitlines()
    told = (tmp_path / "run.jsonl").read_text().splitlines()[1:-1]
    assert [strip(line) for line in timed] == [strip(line) for line in told]
    assert (ran.frames, ran.looks) == (summary.count("frames"), summary.count("looks"))


def strip(line: str) -> dict[str, object]:
    return {key: value for key, value in json.loads(line).items() if key != "seq"}


def test_the_stages_of_each_thread_fit_into_the_run(model: Path, clip: Path) -> None:
    ran, _ = timed_run(str(clip), load_network(model, CONFIG), CONFIG)
    assert set(ran.stages_s) == set(STAGES)
    assert ran.stages_s["decode"] > 0
    assert ran.stages_s["dense pass"] > 0
    assert sum(ran.stages_s[name] for name in STAGES if name not in AHEAD) <= ran.wall_s
    assert 0 < ran.pictures <= ran.looks


def test_the_network_is_as_it_was_after_a_timed_run(model: Path, clip: Path) -> None:
    network = load_network(model, CONFIG)
    timed_run(str(clip), network, CONFIG)
    assert "dense" not in vars(network.runtime)


def test_the_work_of_a_pass_is_what_its_convolutions_come_to(model: Path, clip: Path) -> None:
    loaded = load_model(model)
    network = load_network(model, CONFIG)
    counted = 0

    def count(layer: nn.Conv2d, _: object, out: object) -> None:
        nonlocal counted
        size = np.prod(out.shape)  # type: ignore[attr-defined]
        counted += int(2 * size * layer.in_channels // layer.groups * np.prod(layer.kernel_size))

    for layer in loaded.network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    limits = measure_limits(str(clip), loaded, network, CONFIG)
    # The first convolution of the neck is computed in two parts, past its module.
    assert limits.picture_gflop == pytest.approx(counted / 1e9, rel=0.05)
    assert min(limits.gflops, limits.pictures_hz, limits.frames_hz) > 0


def test_every_saving_is_switched_off_alone() -> None:
    config = RunConfig()
    found = savings(config)
    assert found["gate.enabled"].gate.enabled is False
    assert {"sampler.adaptive", "gate.tiles"} <= set(found)
    for switch, off in found.items():
        section, key = switch.split(".")
        changed = config.model_dump() | {section: getattr(config, section).model_dump() | {key: False}}
        assert off.model_dump() == changed


def test_a_saving_of_the_classifier_is_measured_without_it(clip: Path, tmp_path: Path) -> None:
    regions = Regions(torch.zeros(OUTPUTS, EMBEDDING * CELLS**2), torch.tensor([0.5, 0, 0, 0, 0]))
    closer = Closer(torch.zeros(3, 512), torch.zeros(3), side=96)
    save_model(replace(tiny_model(), regions=regions, closer=closer), tmp_path / "m.safetensors")
    # Nothing is so small that it is worth the full look.
    classifier = CONFIG.classifier.model_copy(update={"coarse_pixels": 0, "short_side": 256})
    config = CONFIG.model_copy(update={"classifier": classifier})
    found = run_bench(Asked(str(clip), tmp_path / "m.safetensors"), config, say=lambda _: None)
    (coarse,) = [saving for saving in found.savings if saving.switch == "classifier.coarse"]
    assert coarse.without.pictures > 2 * found.ran.pictures > 0


def test_agreement_is_the_time_f1_of_two_runs() -> None:
    assert agreement([], []) is None
    assert agreement([span("A", 0, 4)], [span("A", 0, 4)]) == 1
    assert agreement([span("A", 0, 4)], [span("A", 2, 6)]) == 0.5
    assert agreement([span("A", 0, 4)], [span("B", 0, 4)]) == 0
    assert agreement([span("A", 0, 4)], []) == 0


def span(label: str, start_s: float, end_s: float) -> Event:
    """All that agreement looks at of an event."""
    event = object.__new__(Event)
    for name, value in (("label", label), ("start_s", start_s), ("end_s", end_s)):
        object.__setattr__(event, name, value)
    return event


def test_the_command_prints_tables_or_one_json_object(
    model: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bench", str(clip), "--model", str(model), "--runtime", "torch", "--end", "2", "-q"]
    assert exit_code([*arguments, "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["ran"]["stream_s"] == pytest.approx(2, abs=0.1)
    assert {one["switch"] for one in measured["savings"]} == set(savings(RunConfig()))
    assert exit_code(arguments) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*STAGES, "× real time", "without gate.enabled"))


def test_a_video_that_cannot_be_read_is_one_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["bench", str(tmp_path / "no.mp4"), "--model", str(model), "-q", "--runtime", "torch"]) == 4
    assert capsys.readouterr().err.count("\n") == 1
