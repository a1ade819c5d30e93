"""The whole command line in processes of its own: real model file, real pipes, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from media import regular_times, shots_clip, stamped_clip

from streamfilter.cli.main import exit_code

LABELS = ("Everything", "Nothing")
SMALL = ("--set", "classifier.short_side=64", "--set", "classifier.max_candidates=2", "--device", "cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a random ResNet18 that takes every picture for its first label."""
    import torch

    from streamfilter.model import Model, NetworkShape, Provenance, Statistics, Thresholds, build_network, save_model

    torch.manual_seed(0)
    network = build_network(NetworkShape("resnet18", len(LABELS), reduced=8, embedding=8)).eval()
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor([4.0, 0.0, 0.0]))
    statistics = Statistics(torch.zeros(2, 8), torch.eye(8), torch.linspace(0, 10, 101).repeat(2, 1))
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(Model(network, LABELS, 64, Thresholds(), statistics, Provenance("a test")), path)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shots_clip(tmp_path_factory.mktemp("clips") / "shots.mp4", [1, 2])


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "streamfilter", *map(str, arguments)]


def streamfilter(*arguments: object, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120, check=False, **how)


def test_stdout_is_data_and_two_runs_write_the_same_bytes(model: Path, clip: Path, tmp_path: Path) -> None:
    piped = streamfilter("run", clip, "--model", model, *SMALL)
    assert piped.returncode == 0, piped.stderr
    again = ["run", clip, "--model", model, "--events", tmp_path / "log.jsonl", *SMALL]
    assert exit_code(list(map(str, again))) == 0
    records = [json.loads(line) for line in piped.stdout.splitlines()]
    assert piped.stdout == (tmp_path / "log.jsonl").read_text("utf-8")
    events = [record for record in records if record["type"] == "event_close"]
    assert events
    assert {event["label"] for event in events} == {"Everything"}
    assert "Everything" in piped.stderr
    assert records[0]["type"] == "run_start"
    assert records[-1]["type"] == "run_end"


def test_a_closed_pipe_is_no_traceback(model: Path, clip: Path) -> None:
    process = subprocess.Popen(
        command("run", clip, clip.parent, "--model", model, "--events", "-", *SMALL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(120) == 7
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors
    assert len([line for line in errors.splitlines() if line.startswith("error: ")]) == 1


def test_ctrl_c_ends_a_run_with_a_whole_log(model: Path, tmp_path: Path) -> None:
    long = stamped_clip(tmp_path / "long.mp4", regular_times(500, rate_hz=25), width=64, height=64)
    log = tmp_path / "log.jsonl"
    process = subprocess.Popen(
        command(
            "run", long, "--model", model, "--events", log, "--rate", "every", "-q", *SMALL, "--set", "gate.enabled=no"
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 100
    while not (log.exists() and "event_open" in log.read_text()):
        assert process.poll() is None, "the run ended before it was interrupted"
        assert time.monotonic() < deadline, "no event was opened"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors == ""
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert records[-1]["type"] == "run_end"
    assert records[-1]["interrupted"] is True
    opened = {record["event_id"] for record in records if record["type"] == "event_open"}
    assert opened == {record["event_id"] for record in records if record["type"] == "event_close"}


def test_a_model_that_is_none_is_one_line_and_exit_code_5(clip: Path, tmp_path: Path) -> None:
    fake = tmp_path / "fake.safetensors"
    fake.write_bytes(os.urandom(100))
    done = streamfilter("run", clip, "--model", fake, "--events", tmp_path / "log.jsonl")
    assert done.returncode == 5
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "fake.safetensors" in line
    assert not (tmp_path / "log.jsonl").exists()


def test_model_info_is_text_for_people_and_json_for_programs(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["model", "info", str(model)]) == 0
    assert "labels: Everything, Nothing" in capsys.readouterr().out
    assert exit_code(["model", "info", str(model), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["labels"] == list(LABELS)
    assert facts["network"]["architecture"] == "resnet18"
