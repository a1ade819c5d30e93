"""Drawn clips, and the RTSP server of the tests in a process of its own."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import av
import numpy as np
from faults.stand_in import LABELS

_SERVER = Path(__file__).resolve().parents[2] / "tests" / "rtsp_server.py"
_COLORS = dict(zip(LABELS, ((220, 30, 30), (30, 200, 40), (30, 40, 220)), strict=True))


_PERIOD, _COLOURED, _SECONDS = 150, 125, 12


def colour_of(number: int) -> str | None:
    """The label of the picture with this number since the camera began; None where it shows none."""
    number %= _SECONDS * 25
    return LABELS[number // _PERIOD % 3] if number % _PERIOD < _COLOURED else None


def draw_clip(path: Path, *, width: int = 640, height: int = 480) -> Path:
    """A clip at 25 Hz in which a quarter of the picture wears a colour for five seconds of every six."""
    rng = np.random.default_rng(0)
    ground = rng.integers(60, 140, (height, width, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.options = {"preset": "veryfast", "crf": "26"}
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = 25, 0
        for number in range(_SECONDS * 25):
            picture = np.roll(ground, 2 * number, axis=1)
            if (label := colour_of(number)) is not None:
                picture[: height // 2, : width // 2] = _COLORS[label]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


class Camera:
    """Plays a clip for ever at `rtsp://127.0.0.1:PORT/live`; `kill` and `begin` as often as one likes.

    `diary` tells when it listened and when it sent each picture.
    """

    def __init__(self, clip: Path) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = int(one.getsockname()[1])
        self._clip = clip
        self._diary = clip.with_suffix(".diary")
        self._diary.unlink(missing_ok=True)
        self._process: subprocess.Popen[str] | None = None
        self.begin()

    def address(self, number: int = 0) -> str:
        """One of many addresses of the same picture."""
        return f"rtsp://viewer{number}@127.0.0.1:{self.port}/live"

    def begin(self) -> None:
        """Start the server and wait until it listens."""
        command = ["/usr/bin/python3", str(_SERVER), str(self._clip), "--port", str(self.port)]
        command += ["--diary", str(self._diary)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if self._process.stdout is None or self._process.stdout.readline() != "listening\n":
            raise RuntimeError("no RTSP server: as root, scripts/install dev installs it")

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.stdout is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None

    def diary(self) -> list[tuple[float, str]]:
        """What happened, `listening` or `picture`, and when by the monotonic clock."""
        lines = (line.split() for line in self._diary.read_text().splitlines())
        return [(float(at_s), what) for at_s, what in lines]
