"""A real RTSP server in a process of its own, to be killed, stalled and brought back."""

from __future__ import annotations

import signal
import socket
import subprocess
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

_SYSTEM_PYTHON = "/usr/bin/python3"
_SERVER = Path(__file__).resolve().parent / "rtsp_server.py"
_NEEDED = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer as _;"
    "Gst.init(None);"
    "assert all(Gst.ElementFactory.find(n) for n in ('h264parse', 'rtph264pay', 'qtdemux', 'alawenc', 'rtppcmapay'))"
)
_PATIENCE_S = 20


@cache
def _is_there() -> bool:
    try:
        return (
            subprocess.run([_SYSTEM_PYTHON, "-c", _NEEDED], capture_output=True, check=False, timeout=60).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def needs_cameras() -> None:
    """Skip the test where GStreamer's RTSP server is not installed."""
    if not _is_there():
        pytest.skip("no GStreamer RTSP server for the system's Python: as root, scripts/install dev installs it")


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Camera:
    """Plays a clip for ever at `url`. A context manager that ends it.

    `begin` brings it back, with another clip too; without a clip it waits for that.
    """

    def __init__(self, clip: Path | None, *options: str) -> None:
        needs_cameras()
        self.port = free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/live"
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        if clip is not None:
            self.begin(clip)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def begin(self, clip: Path) -> None:
        """Start the server and wait until it listens."""
        command = [_SYSTEM_PYTHON, str(_SERVER), str(clip), "--port", str(self.port), *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "listening\n"

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.stdout is not None:
            self._process.kill()
            self._process.wait(_PATIENCE_S)
            self._process.stdout.close()
            self._process = None

    def stall(self) -> None:
        """Say nothing any more, but keep every connection."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a stall."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
