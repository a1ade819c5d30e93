"""A run beside what one would take instead, over the same video, one after the other on this machine.

    python scripts/benchmark.py VIDEO [--model FILE] [--seconds 30] [--json FILE] [--plot FILE]

- streamfilter as it is, and streamfilter with every frame looked at and every saving off;
- an OpenCV loop that gives each frame to torchvision's ResNet50 at 224 × 224;
- Ultralytics' `predict` over the video with a ResNet50 classifier at 224 × 224 (`pip install ultralytics`).

Theirs have random weights, which cost what trained ones do. Each runs in a process of its own, with all cores, and is
timed from its first frame on, after a second of warming up. The plot wants matplotlib.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click

from streamfilter.bench.bench import peak_mib
from streamfilter.bench.running import timed_run
from streamfilter.config import RunConfig, savings
from streamfilter.console import Console
from streamfilter.demo.runner import MODEL
from streamfilter.machine import cores, machine_name
from streamfilter.pipeline import load_network

SIDE = 224
RESNET50 = """
nc: 1000
backbone:
  - [-1, 1, TorchVision, [2048, resnet50, None, True, 2]]
head:
  - [-1, 1, Classify, [nc]]
"""
"""Ultralytics' way to say a torchvision ResNet50 without its pooling and its last layer, then a classifier's head."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one of them took: `frames` of the video, seconds of it, wall and CPU seconds, most memory."""

    name: str
    frames: int
    stream_s: float
    wall_s: float
    cpu_s: float
    peak_mib: float

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.stream_s / self.wall_s


def ours(video: str, model: Path, seconds_s: float, *, everything: bool) -> Result:
    """A run as it is, or with each frame looked at and no saving."""
    config = RunConfig.model_validate(
        {"source": {"end_s": seconds_s}, "sampler": {"rate": "every" if everything else 4}}
    )
    config = config if everything else config.model_copy(update={"sampler": RunConfig().sampler})
    while everything and (on := savings(config)):
        config = next(iter(on.values()))
    network = load_network(model, config)
    timed_run(video, network, config.model_copy(update={"source": config.source.model_copy(update={"end_s": 1.0})}))
    ran, _ = timed_run(video, network, config)
    name = "streamfilter, every frame, no saving" if everything else "streamfilter"
    return Result(name, ran.frames, ran.stream_s, ran.wall_s, ran.cpu_s, peak_mib())


def opencv_loop(video: str, seconds_s: float) -> Result:
    """Read, resize, normalise, classify, frame by frame: the loop that everybody writes first."""
    import cv2
    import torch
    import torchvision

    torch.set_num_threads(cores())
    network = torchvision.models.resnet50(weights=None).eval()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    capture = cv2.VideoCapture(video)

    def frames() -> Iterator[object]:
        while True:
            is_there, frame = capture.read()
            if not is_there:
                return
            small = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), (SIDE, SIDE))
            picture = (torch.from_numpy(small).permute(2, 0, 1).float() / 255 - mean) / std
            with torch.inference_mode():
                yield network(picture[None]).softmax(1).argmax()

    return timed("OpenCV loop, torchvision ResNet50", frames(), capture.get(cv2.CAP_PROP_FPS), seconds_s)


def ultralytics_predict(video: str, seconds_s: float) -> Result:
    """The documented way to have a video classified."""
    import cv2

    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["YOLO_CONFIG_DIR"] = folder
        import torch
        from ultralytics import YOLO, settings

        settings.update({"sync": False})
        torch.set_num_threads(cores())
        (Path(folder) / "resnet50-cls.yaml").write_text(RESNET50)
        model = YOLO(Path(folder) / "resnet50-cls.yaml", task="classify")
        rate_hz = cv2.VideoCapture(video).get(cv2.CAP_PROP_FPS)
        predicted = model.predict(video, imgsz=SIDE, stream=True, verbose=False, device="cpu")
        return timed("Ultralytics predict, ResNet50", iter(predicted), rate_hz, seconds_s)


def timed(name: str, frames: Iterator[object], rate_hz: float, seconds_s: float) -> Result:
    """Their frames, after those of the first second, until so much of the video was seen or it ends."""
    for _ in islice(frames, round(rate_hz)):
        pass
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    count = sum(1 for _ in islice(frames, max(1, round((seconds_s - 1) * rate_hz))))
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    return Result(name, count, count / rate_hz, wall_s, cpu_s, peak_mib())


def contestants(video: str, model: Path, seconds_s: float, shorter_s: float) -> dict[str, Callable[[], Result]]:
    """Who is measured, by a short name. The slow ones see less of the video: their pace does not change."""
    return {
        "ours": lambda: ours(video, model, seconds_s, everything=False),
        "everything": lambda: ours(video, model, shorter_s, everything=True),
        "opencv": lambda: opencv_loop(video, shorter_s),
        "ultralytics": lambda: ultralytics_predict(video, shorter_s),
    }


@click.command()
@click.argument("video", type=click.Path(exists=True, dir_okay=False))
@click.option("--model", type=click.Path(path_type=Path), default=MODEL, help="The demo's, unless given.")
@click.option("--seconds", default=30.0, show_default=True, help="How much of the video streamfilter sees.")
@click.option("--shorter", default=6.0, show_default=True, help="How much of it the slow ones see.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the numbers to this file.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw them into this PNG.")
@click.option("--only", hidden=True)
def main(
    video: str,
    model: Path,
    seconds: float,
    shorter: float,
    json_path: Path | None,
    plot: Path | None,
    only: str | None,
) -> None:
    """Measure streamfilter over VIDEO beside what one would take instead."""
    everyone = contestants(video, model, seconds, shorter)
    if only is not None:
        click.echo(json.dumps(asdict(everyone[only]())))
        return
    console = Console()
    names = [name for name in everyone if name != "ultralytics" or importlib.util.find_spec("ultralytics")]
    if len(names) < len(everyone):
        console.say("Ultralytics is left out: pip install ultralytics")
    results = [alone(name) for name in names]
    console.say(machine_name())
    slowest = {result.name: result for result in results}
    rows = [row(result, slowest.get("OpenCV loop, torchvision ResNet50")) for result in results]
    console.table(("what", "× real time", "frames/s", "CPU s per s", "peak MiB", "× OpenCV loop"), rows)
    if json_path is not None:
        told = {"machine": machine_name(), "video": Path(video).name, "results": [asdict(one) for one in results]}
        json_path.write_text(json.dumps(told, indent=2), "utf-8")
    if plot is not None:
        draw(results, plot)


def alone(name: str) -> Result:
    """The result of one of them, in a process of its own."""
    done = subprocess.run([sys.executable, *sys.argv, "--only", name], stdout=subprocess.PIPE, text=True, check=True)
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def row(result: Result, loop: Result | None) -> tuple[str, ...]:
    """A line of the table."""
    times = f"{result.speed / loop.speed:.1f}" if loop else ""
    per_second = result.cpu_s / result.stream_s
    pace = f"{result.frames / result.wall_s:.0f}"
    return (result.name, f"{result.speed:.2f}", pace, f"{per_second:.2f}", f"{result.peak_mib:.0f}", times)


def draw(results: list[Result], path: Path) -> None:
    """A bar for each, by speed."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 0.5 * len(results) + 1.2), layout="constrained")
    bars: Any = axes.barh([one.name for one in results], [one.speed for one in results], color="#4477aa")
    axes.bar_label(bars, [f"{one.speed:.2g} ×" for one in results], padding=4)
    axes.axvline(1, color="#888888", linestyle=":")
    axes.set(xlabel=f"times real time, {machine_name()}")
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
