"""Nothing leaves the machine: a whole run opens no socket and looks up no name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fakes import LABELS, color_clip

from streamfilter.demo.runner import MODEL

_WATCHED = """
import sys
def watch(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        sys.stderr.write(f"SOCKET {event} {arguments}\\n")
sys.addaudithook(watch)
from streamfilter.cli.main import exit_code
sys.exit(exit_code(sys.argv[1:]))
"""


def ran(*arguments: str) -> str:
    """What a command says while every socket is told."""
    command = [sys.executable, "-c", _WATCHED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_run_opens_no_socket_and_looks_up_no_name(tmp_path: Path) -> None:
    clip = color_clip(tmp_path / "clip.mp4", [(0.5, 1.5, LABELS["Red"])], seconds=2, rate_hz=5)
    log, video = tmp_path / "log.jsonl", tmp_path / "seen.mp4"
    small = ("--device", "cpu", "--set", "classifier.short_side=64")
    said = ran("run", str(clip), "--model", str(MODEL), "--events", str(log), "--annotate", str(video), *small)
    assert log.exists()
    assert video.exists()
    assert "SOCKET" not in said
    assert "SOCKET" not in ran("model", "info", str(MODEL))


def test_the_watch_sees_a_socket() -> None:
    code = _WATCHED.split("from streamfilter")[0] + "import socket; socket.socket().close()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "SOCKET socket.__new__" in done.stderr
