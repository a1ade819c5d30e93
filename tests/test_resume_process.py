"""`streamfilter run` killed, starved and locked out, in processes of its own."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import pytest
from fakes import LABELS, color_clip

SHOWS = [(0.0, 4.0, LABELS["Red"]), (6.0, 25.0, LABELS["Green"])]

# The whole program but for its network, which knows plain colours and takes its time.
PROGRAM = """
import sys, time
from fakes import ColorClassifier, color_network
from streamfilter.cli import job
from streamfilter.cli.main import main

class Slow(ColorClassifier):
    def classify(self, pictures):
        time.sleep(0.005 * len(pictures))
        return super().classify(pictures)

import fakes
fakes.ColorClassifier = Slow
job.load_network = lambda path, config: color_network()
main()
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    (folder / "b.mp4").write_text("no video")
    color_clip(folder / "a.mp4", SHOWS, seconds=26, rate_hz=5)
    color_clip(folder / "c.mp4", SHOWS, seconds=8, rate_hz=5)
    return [str(folder / name) for name in ("a.mp4", "b.mp4", "c.mp4")]


def command(sources: list[str], log: Path, *more: object) -> list[str]:
    arguments = ["run", *sources, "--model", "m.safetensors", "--events", str(log), "-q", *map(str, more)]
    return [sys.executable, "-c", PROGRAM, *arguments]


def environment() -> dict[str, str]:
    here = Path(__file__).parent
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(here.parent), str(here)]), "OMP_NUM_THREADS": "1"}


def streamfilter(sources: list[str], log: Path, *more: object, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(sources, log, *more),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment(),
        **how,
    )


def started(sources: list[str], log: Path, *more: object) -> subprocess.Popen[bytes]:
    """A run that has begun its log."""
    process = subprocess.Popen(command(sources, log, *more), env=environment(), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not log.exists() and process.poll() is None:
        assert time.monotonic() < deadline, "no log was begun"
        time.sleep(0.01)
    return process


@pytest.fixture(scope="module")
def whole(clips: list[str], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    log = tmp_path_factory.mktemp("whole") / "log.jsonl"
    done = streamfilter(clips, log)
    assert done.returncode == 4, done.stderr
    return log.read_bytes()


def one_error(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_any_moment_and_resume_give_the_same_log(
    clips: list[str], whole: bytes, tmp_path: Path, seed: int
) -> None:
    log, videos = tmp_path / "log.jsonl", tmp_path / "videos"
    annotated = ("--annotate", videos)
    process = started(clips, log, *annotated)
    time.sleep(random.Random(seed).uniform(0, 1.5))
    process.kill()
    process.wait()
    assert whole.startswith(log.read_bytes()[: log.read_bytes().rfind(b"\n") + 1])
    done = streamfilter(clips, log, "--resume", *annotated)
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 1), done.stderr
    assert log.read_bytes() == whole
    assert sorted(path.name for path in videos.iterdir()) == ["a.mp4", "c.mp4"]
    for path, frames in ((videos / "a.mp4", 130), (videos / "c.mp4", 40)):
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) == frames


def test_a_second_writer_is_refused_until_the_first_is_gone(clips: list[str], whole: bytes, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    first = started(clips, log)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        for option in ("--resume", "--force"):
            refused = streamfilter(clips, log, option)
            assert refused.returncode == 7
            assert "another run" in one_error(refused)
    finally:
        first.kill()
        first.wait()
    assert streamfilter(clips, log, "--resume").returncode == 4
    assert log.read_bytes() == whole


def test_a_file_that_may_not_grow_ends_the_run_with_one_line_and_a_whole_log(
    clips: list[str], whole: bytes, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    room = len(whole) * 2 // 3
    starved = streamfilter(clips, log, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
    assert starved.returncode == 7
    assert "File too large" in one_error(starved)
    assert 0 < log.stat().st_size <= room
    assert whole.startswith(log.read_bytes())
    assert log.read_bytes().endswith(b"\n")
    assert streamfilter(clips, log, "--resume").returncode == 4
    assert log.read_bytes() == whole


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A disk of 16 KiB, where we may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    return folder


def test_a_full_disk_ends_the_run_and_more_room_lets_it_go_on(clips: list[str], whole: bytes, small_disk: Path) -> None:
    log = small_disk / "log.jsonl"
    try:
        (small_disk / "ballast").write_bytes(bytes(24 * 1024))
        full = streamfilter(clips, log)
        assert full.returncode == 7
        assert "No space left" in one_error(full)
        assert whole.startswith(log.read_bytes())
        assert log.read_bytes().endswith(b"\n")
        (small_disk / "ballast").unlink()
        assert streamfilter(clips, log, "--resume").returncode == 4
        assert log.read_bytes() == whole
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)
