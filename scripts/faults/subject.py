"""What the campaigns run: small drawn clips, a stand-in for the network or the demo's model, the log that is due."""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from faults.process import Forked, streamfilter
from faults.stand_in import load_stand_in

# A cheap look that accepts almost anything: what is found means nothing, but there is much of it.
_SETTINGS = (
    *("classifier.short_side=64", "classifier.precision=float32", "classifier.threads=1", "classifier.floor=0.05"),
    *("rejector.none_class=1", "rejector.max_softmax=0.06", "rejector.mahalanobis=1e9", "gate.threshold=0.02"),
    *("smoother.onset_s=0.3", "smoother.steady=0.3", "annotate.preset=ultrafast"),
)
_CLIPS = ("--set=clips.thumbnail=true", "--set=clips.annotated=true", "--set=clips.pre_roll_s=1")
_HEAVY = ("streamfilter.cli.job", "streamfilter.classifier", "streamfilter.model", "streamfilter.rejector")


@dataclass(frozen=True)
class Subject:
    """The run that is disturbed: its sources, its settings, the whole log, and how long it takes undisturbed."""

    folder: Path
    sources: tuple[Path, ...]
    log: bytes
    seconds_s: float
    code: int
    is_real: bool

    def start(self, arguments: list[str], *, before: Callable[[], None] = lambda: None) -> Forked:
        """`streamfilter` with these arguments and this subject's network."""

        def prepare() -> None:
            if not self.is_real:
                from streamfilter.cli import job

                setattr(job, "load_network", load_stand_in)  # noqa: B010 - it is not this module's to give away
            before()

        return streamfilter(arguments, said=self.folder / "said.txt", before=prepare)

    def arguments(
        self, log: Path, *, resume: bool = False, annotate: Path | None = None, clips: Path | None = None
    ) -> list[str]:
        """The command line of the run with its log at `log`; with clips its log is another one."""
        more = [f"--set={setting}" for setting in _SETTINGS]
        more += ["--resume"] if resume else []
        more += [f"--annotate={annotate}"] if annotate is not None else []
        more += [f"--clips={clips}", *_CLIPS] if clips is not None else []
        return [
            "run",
            *map(str, self.sources),
            "--model",
            str(_model()),
            "--events",
            str(log),
            "-q",
            "--device=cpu",
            *more,
        ]


def make_subject(folder: Path, *, is_real: bool = False) -> Subject:
    """Draw the clips and run them once, undisturbed; `is_real`: with the demo's model, which takes its time."""
    for name in _HEAVY:
        importlib.import_module(name)
    clips = folder / "sources"
    clips.mkdir(exist_ok=True)
    sources = (clips / "a.mp4", clips / "b.mp4", clips / "c.ts")
    drawing = Forked(lambda: _draw(sources), said=folder / "drawing.txt").ended()
    if drawing.code:
        raise RuntimeError(f"cannot draw the clips: {drawing.said}")
    log = folder / "whole.jsonl"
    log.unlink(missing_ok=True)
    undisturbed = Subject(folder, sources, b"", 0.0, 0, is_real)
    began_s = time.monotonic()
    ended = undisturbed.start(undisturbed.arguments(log)).ended()
    seconds_s = time.monotonic() - began_s
    content = log.read_bytes()
    if ended.code != 4 or content.count(b'"event_close"') < 10 or content.count(b'"checkpoint"') < 5:
        raise RuntimeError(f"the undisturbed run is not what it should be (exit code {ended.code}): {ended.said}")
    return replace(undisturbed, log=content, seconds_s=seconds_s, code=ended.code)


def _model() -> Path:
    from streamfilter.demo.runner import MODEL

    return MODEL


def _draw(sources: tuple[Path, ...]) -> int:
    """A long clip, a text that is no video, and a transport stream with damage."""
    whole, text, damaged = sources
    _write_clip(whole, seconds=50, seed=1)
    text.write_text("no video")
    _write_clip(damaged, seconds=25, seed=2)
    content = bytearray(damaged.read_bytes())
    chance = random.Random(3)
    for _ in range(12):
        content[chance.randrange(len(content) // 4, len(content))] ^= 0xFF
    damaged.write_bytes(bytes(content))
    return 0


def _write_clip(path: Path, *, seconds: int, seed: int, rate_hz: int = 8) -> None:
    """Shots of four seconds: a smooth random scene that is panned, or stands still."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate_hz, options={"preset": "ultrafast", "crf": "20", "g": "16"})
        stream.width, stream.height, stream.pix_fmt = 192, 112, "yuv420p"
        for index in range(seconds * rate_hz):
            shot, phase = divmod(index, 4 * rate_hz)
            picture = _picture(seed * 100 + shot, 0 if shot % 3 == 2 else 2 * phase)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _picture(seed: int, shift: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 12, 3), dtype=np.uint8)
    wide = cv2.resize(coarse, (384, 112), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(wide[:, shift : shift + 192], dtype=np.uint8)
