"""Runs the real pipeline with the shipped model on a clip drawn on the spot, and says how well it did."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from streamfilter.annotate import annotate_video
from streamfilter.config import RunConfig
from streamfilter.console import Console, Progress
from streamfilter.demo.clip import Appearance, draw_clip, labels_path
from streamfilter.demo.marks import UNTAUGHT
from streamfilter.demo.score import TICK_S, Score, score_events
from streamfilter.demo.storyboard import DURATION_S
from streamfilter.errors import ModelError, SinkError
from streamfilter.pipeline import Network, Watcher, identify, load_network, run
from streamfilter.sinks import EventLog
from streamfilter.summary import RunSummary
from streamfilter.types import Event

MODEL = Path(__file__).parents[1] / "assets" / "demo.safetensors"

DEMO_SEED = 6
"""Chosen for its looks before there was a model."""


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """What the demo writes."""

    clip: Path
    events: Path
    annotated: Path

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file, the clip's truth among them."""
        return self.clip, labels_path(self.clip), self.events, self.annotated


def run_demo(out: Path, console: Console, *, force: bool = False, model: Path = MODEL, seed: int = DEMO_SEED) -> Score:
    """Draw the clip into `out`, find its logos, write log and annotated video, and tell the score against the truth.

    Raises `SinkError` when a file is there already (without `force`) or cannot be written, `ModelError` when the
    model is missing or damaged.
    """
    files = DemoFiles(out / "clip.mp4", out / "events.jsonl", out / "annotated.mp4")
    _check(files, model, force=force)
    config = RunConfig()
    network = load_network(model, config)
    with console.progress("drawing the clip", DURATION_S, unit="seconds") as progress:
        truth = draw_clip(files.clip, seed, watch=progress.reach)
    summary = _find(files, network, config, console)
    events = summary.sources[0].events
    with console.progress("annotating", DURATION_S, unit="seconds") as progress:
        annotate_video(files.clip, events, out=files.annotated, config=config.annotate, watch=progress.reach)
    score = score_events(events, truth, known=network.facts.labels)
    _tell(files, summary, truth, score, console=console)
    return score


def _check(files: DemoFiles, model: Path, *, force: bool) -> None:
    if not model.is_file():
        raise ModelError(f"the demo's model {model} is missing: install streamfilter again")
    there = [path for path in files.all if path.exists()]
    if there and not force:
        raise SinkError(f"{there[0]} exists: choose another folder with --out, or --force to replace it")


class _Progress(Watcher):
    """Moves the progress bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def reached(self, time_s: float) -> None:
        self._progress.reach(time_s)


def _find(files: DemoFiles, network: Network, config: RunConfig, console: Console) -> RunSummary:
    """The pipeline over the clip, as `streamfilter run` does it. Raises the clip's own error, if it has one."""
    names = [str(files.clip)]
    run_id = identify(names, config=config, model=network.facts)
    with ExitStack() as stack:
        log = stack.enter_context(EventLog(files.events, run_id, force=True))
        progress = stack.enter_context(console.progress("looking for logos", DURATION_S, unit="seconds"))
        summary = run(names, network, config=config, log=log, watcher=_Progress(progress))
        progress.reach(DURATION_S)
    if summary.sources[0].error is not None:
        raise summary.sources[0].error
    return summary


def _tell(
    files: DemoFiles, summary: RunSummary, truth: Sequence[Appearance], score: Score, *, console: Console
) -> None:
    events = summary.sources[0].events
    if events:
        console.table(("event", "from", "to", "score"), [_row(event) for event in sorted(events, key=_by_start)])
        console.say("")
    console.summary(summary)
    console.say("")
    console.say(f"clip:            {files.clip}")
    console.say(f"event log:       {files.events}")
    console.say(f"annotated video: {files.annotated}")
    for line in score_lines(score, truth):
        console.say(line)


def score_lines(score: Score, truth: Sequence[Appearance]) -> list[str]:
    """The score in words."""
    strangers = {mark.name for mark in UNTAUGHT}
    shown = [one for one in truth if one.label in strangers]
    count = len({one.label for one in shown})
    ticks = {tick for one in shown for tick in range(round(one.start_s / TICK_S), round(one.end_s / TICK_S))}
    verdict = "no false event" if score.false_events == 0 else f"{score.false_events} false events"
    return [
        f"against the truth: time F1 {score.f1:.3f} (precision {score.precision:.3f}, recall {score.recall:.3f}), "
        f"{score.found} of {score.found + score.missed} appearances found",
        f"{count} logos it was never taught, on screen for {len(ticks) * TICK_S:.0f} s: {verdict}",
    ]


def _by_start(event: Event) -> tuple[float, str]:
    return event.start_s, event.label


def _row(event: Event) -> tuple[str, str, str, str]:
    return event.label, f"{event.start_s:.2f} s", f"{event.end_s:.2f} s", f"{event.score:.2f}"
