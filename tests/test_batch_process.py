"""`streamfilter batch` in processes of its own: workers that are killed, a batch that is killed, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import LABELS, color_clip
from tiny import write_tiny_model

from streamfilter.batch.archive import UNFINISHED
from streamfilter.batch.engine import Done
from streamfilter.batch.entries import find_entries
from streamfilter.batch.local import LocalEngine
from streamfilter.cli.main import exit_code
from streamfilter.config import RunConfig

PATIENCE_S = 300
RATE_HZ = 10
COMMON = [
    "-q",
    "--runtime",
    "torch",
    "--rate",
    str(RATE_HZ),
    "--set",
    "sampler.adaptive=false",
    "--set",
    "gate.enabled=false",
]
"""So much is looked at that a kill comes in the midst of it."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of videos, two of one name and one broken, and the model."""
    folder = tmp_path_factory.mktemp("archive")
    write_tiny_model(folder / "model.safetensors")
    for name, seconds in (("a/news", 3), ("b/news", 4), ("c/long", 15)):
        (folder / name).parent.mkdir()
        color_clip(folder / f"{name}.mp4", [(0.0, 2.5, LABELS["Red"])], seconds=seconds, rate_hz=RATE_HZ)
    (folder / "b" / "broken.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def whole(archive: Path) -> dict[str, bytes]:
    """What a batch over it leaves that nothing came in the way of."""
    assert exit_code(arguments(archive, archive / "whole")) == 4
    return content(archive / "whole")


def arguments(archive: Path, out: Path, *more: str) -> list[str]:
    sources = [str(archive / name) for name in "abc"]
    return ["batch", *sources, "--out", str(out), "--model", str(archive / "model.safetensors"), *COMMON, *more]


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, the hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def begun(archive: Path, out: Path) -> subprocess.Popen[bytes]:
    """A batch in a process of its own, in the midst of its work: one log is whole, another one begun."""
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here.parent), str(here)]), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "streamfilter", *arguments(archive, out)], env=environment)
    wait_for(lambda: list(out.glob("*.jsonl")) and list(out.glob(f"{UNFINISHED}/*.jsonl")), process)
    return process


def wait_for(there: Callable[[], object], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not there():
        assert process is None or process.poll() is None, "it ended too soon"
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def children() -> list[int]:
    """The processes that this one has started."""
    return [int(pid) for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_each_log_is_to_the_byte_that_of_a_run_of_its_file_alone(
    archive: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in whole["index.jsonl"].splitlines()[1:]]
    assert [line["state"] for line in lines] == ["finished", "failed", "finished", "finished"]
    for line in lines:
        log = tmp_path / line["log"]
        exit_code(["run", line["source"], "--events", str(log), "--model", str(archive / "model.safetensors"), *COMMON])
        assert whole[line["log"]] == log.read_bytes()


def test_a_batch_that_is_killed_leaves_whole_logs_and_no_worker_and_the_next_one_goes_on(
    archive: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    process = begun(archive, tmp_path)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    wait_for(lambda: not any(is_alive(int(pid)) for pid in workers))
    assert workers
    logs = {name: text for name, text in content(tmp_path).items() if "/" not in name and name != "index.jsonl"}
    assert logs
    assert all(whole[name] == text for name, text in logs.items())
    assert exit_code(arguments(archive, tmp_path)) == 4
    assert content(tmp_path) == whole


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_batch_that_is_told_to_stop_leaves_whole_logs(
    archive: Path, whole: dict[str, bytes], tmp_path: Path, number: int, code: int
) -> None:
    process = begun(archive, tmp_path)
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == code
    logs = {name: text for name, text in content(tmp_path).items() if "/" not in name and name != "index.jsonl"}
    assert all(whole[name] == text for name, text in logs.items())
    states = [json.loads(line)["state"] for line in (tmp_path / "index.jsonl").read_text().splitlines()[1:]]
    assert "waiting" in states


def look(archive: Path, out: Path, *, kills: int) -> list[Done]:
    """A long and a short file with one worker, which is killed in the midst of the long one, as often as told."""
    out.mkdir()
    entries = find_entries([str(archive / "c"), str(archive / "a")])
    config = RunConfig.model_validate(
        {
            "sampler": {"rate": RATE_HZ, "adaptive": False},
            "gate": {"enabled": False},
            "classifier": {"runtime": "torch"},
        }
    )
    before, killed = set(children()), set[int]()

    def kill(reached: float) -> None:
        if reached % 1 and len(killed) < kills:
            (worker,) = set(children()) - before - killed
            os.kill(worker, signal.SIGKILL)
            killed.add(worker)

    with LocalEngine(archive / "model.safetensors", config, out=out, unfinished=out, jobs=1) as engine:
        engine.ready()
        done = list(engine.done(entries, stop=lambda: False, reach=kill))
    assert len(killed) == kills
    return done


def test_a_file_whose_worker_is_killed_once_is_tried_again(
    archive: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    done = look(archive, tmp_path / "out", kills=1)
    assert [one.error for one in done] == [None, None]
    assert all(whole[name] == text for name, text in content(tmp_path / "out").items())


def test_a_file_whose_worker_is_killed_twice_fails_alone(archive: Path, tmp_path: Path) -> None:
    done = look(archive, tmp_path / "out", kills=2)
    assert sorted((Path(one.entry.source).name, one.error is None) for one in done) == [
        ("long.mp4", False),
        ("news.mp4", True),
    ]
    assert any("was killed by signal 9, 2 times" in str(one.error) for one in done)


def test_a_model_that_cannot_be_read_ends_a_batch_with_its_exit_code(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.safetensors").write_text("no model")
    assert exit_code([*arguments(archive, tmp_path / "out"), "--model", str(tmp_path / "model.safetensors")]) == 5
    assert capsys.readouterr().err.count("\n") == 1


def test_what_needs_one_log_is_refused(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(arguments(archive, tmp_path / "out", "--set", "clips.folder=clips")) == 3
    assert "clips.folder is set" in capsys.readouterr().err
