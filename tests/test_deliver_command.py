"""`streamfilter deliver` and the sinks of `run`: one implementation, beside the run or after it."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fakes import LABELS, color_clip, color_network
from receivers import HttpReceiver, as_line, http_receiver, record, until

from streamfilter.cli import job
from streamfilter.cli.main import exit_code


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def config(tmp_path: Path, receiver: HttpReceiver) -> Path:
    sink = {"kind": "webhook", "url": receiver.url + "?token=hidden", "first_retry_s": 0.05, "give_up_s": 0.5}
    path = tmp_path / "sinks.yaml"
    path.write_text(yaml.safe_dump({"sinks": {"crm": {**sink, "timeout_s": 0.5, "drain_s": 5.0}}}))
    return path


def test_a_log_is_delivered_once_however_often_it_is_asked_for(
    tmp_path: Path, config: Path, receiver: HttpReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "events.jsonl"
    log.write_bytes(b"".join(as_line(record(seq)) for seq in range(0, 6, 2)))
    assert exit_code(["deliver", str(log), "--config", str(config), "-v"]) == 0
    assert "3 records delivered" in capsys.readouterr().err
    assert exit_code(["deliver", str(log), "--config", str(config)]) == 0
    assert [one["seq"] for one in receiver.taken] == [0, 2, 4]


def test_a_receiver_that_fails_for_too_long_is_given_up(
    tmp_path: Path, config: Path, receiver: HttpReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "events.jsonl"
    log.write_bytes(as_line(record(0)))
    receiver.usual = 500
    assert exit_code(["deliver", str(log), "--config", str(config), "--set", "sinks.crm.drain_s=0"]) == 7
    said = capsys.readouterr().err
    assert "answered 500" in said
    assert "1 records of" in said
    assert f"error: not all of {log} was delivered to crm" in said
    assert "hidden" not in said
    receiver.usual = 200
    assert exit_code(["deliver", str(log), "--config", str(config)]) == 0
    assert len(receiver.taken) == 1


@pytest.fixture
def outlived() -> Iterator[None]:
    """A SIGTERM that comes when the command has already ended must not end the tests."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("outlived")
def test_following_ends_when_it_is_told_to(tmp_path: Path, config: Path, receiver: HttpReceiver) -> None:
    log = tmp_path / "events.jsonl"
    patient = ["--set", "sinks.crm.give_up_s=60", "--set", "sinks.crm.timeout_s=10"]

    def write_and_stop() -> None:
        log.write_bytes(as_line(record(0)))
        until(lambda: len(receiver.taken) == 1, "the first record")
        with log.open("ab") as file:
            file.write(as_line(record(2)))
        until(lambda: len(receiver.taken) == 2, "the second record")
        os.kill(os.getpid(), signal.SIGTERM)

    writer = threading.Thread(target=write_and_stop)
    writer.start()
    assert exit_code(["deliver", str(log), "--follow", "--config", str(config), "-q", *patient]) == 0
    writer.join()


def test_without_sinks_or_a_log_there_is_nothing_to_do(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["deliver", str(tmp_path / "absent.jsonl")]) == 3
    assert exit_code(["deliver", str(tmp_path / "absent.jsonl"), "--config", str(config)]) == 7
    assert exit_code(["run", "x.mp4", "--model", "any", "--config", str(config)]) == 3
    assert "give --events FILE" in capsys.readouterr().err


def test_a_run_delivers_while_it_runs(
    tmp_path: Path, config: Path, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = color_clip(tmp_path / "a.mp4", [(0.5, 2.5, LABELS["Red"]), (3.5, 5.5, LABELS["Green"])], rate_hz=5)
    monkeypatch.setattr(job, "load_network", lambda path, config: color_network())
    log = tmp_path / "events.jsonl"
    arguments = ["run", str(clip), "--model", "any", "--events", str(log), "-q"]
    assert exit_code([*arguments, "--config", str(config)]) == 0
    records = [json.loads(line) for line in log.read_text().splitlines()]
    wanted = ("source_state", "event_open", "event_close", "gap")
    assert receiver.taken == [one for one in records if one["type"] in wanted]
    assert {one["label"] for one in receiver.taken if one["type"] == "event_close"} == {"Red", "Green"}
    assert "hidden" not in log.read_text()
    with_sinks = log.read_bytes()
    assert exit_code([*arguments, "--force"]) == 0
    assert log.read_bytes() == with_sinks, "who is told of a run changes nothing in its log"
