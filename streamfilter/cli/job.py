"""What `streamfilter run` does once its options are parsed. Imports the heavy modules: only for the command to call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from streamfilter.annotate import annotate_video
from streamfilter.cli.outputs import annotated_paths, prepare_annotated, refuse_to_overwrite_inputs
from streamfilter.cli.stopping import Stop, stopping
from streamfilter.cli.watching import ConsoleWatcher
from streamfilter.config import RunConfig, load_config
from streamfilter.console import Console, Progress
from streamfilter.errors import SourceError
from streamfilter.pipeline import identify, load_network, run
from streamfilter.sinks import EventLog
from streamfilter.source import find_sources
from streamfilter.summary import RunSummary, SourceResult


@dataclass(frozen=True, slots=True)
class Job:
    """A run as it was asked for. `events` is a path or `-`; `annotate` a file, a folder or None."""

    sources: tuple[str, ...]
    model: Path
    events: str
    annotate: Path | None
    force: bool


def run_job(job: Job, console: Console, *, config: Path | None, overrides: Sequence[str]) -> int:
    """Do it; returns the exit code. Raises `StreamFilterError`."""
    settings = load_config(RunConfig, config, overrides)
    names = find_sources(job.sources)
    videos = _check_outputs(job, names, config)
    with stopping() as stop:
        network = load_network(job.model, settings)
        console.explain(f"model {job.model} on {network.device} finds {', '.join(network.facts.labels)}")
        watcher = ConsoleWatcher(
            console, stop, span_s=(settings.source.start_s, settings.source.end_s), is_only=len(names) == 1
        )
        run_id = identify(names, config=settings, model=network.facts)
        with EventLog(job.events, run_id, force=job.force) as log:
            summary = run(names, network, config=settings, log=log, watcher=watcher)
        console.summary(summary)
        if not stop():
            _annotate(summary, list(zip(names, videos, strict=False)), settings, console=console, stop=stop)
        if stop():
            console.say("stopped early: what was seen until then is in the log")
            return stop.exit_code
    _raise_failures(summary)
    return 0


def _check_outputs(job: Job, names: Sequence[str], config: Path | None) -> list[Path]:
    """The annotated videos to write, after everything that could go wrong with a result has been tried."""
    videos = annotated_paths(names, job.annotate) if job.annotate is not None else []
    inputs = [*map(Path, names), job.model, *([config] if config is not None else [])]
    outputs = [*videos, *([Path(job.events)] if job.events != "-" else [])]
    refuse_to_overwrite_inputs(outputs, inputs)
    prepare_annotated(videos, force=job.force)
    return videos


def _annotate(
    summary: RunSummary, videos: Sequence[tuple[str, Path]], settings: RunConfig, *, console: Console, stop: Stop
) -> None:
    for (name, path), result in zip(videos, summary.sources, strict=False):
        if result.error is not None:
            continue
        try:
            with console.progress(
                f"annotating {Path(result.name).name}", result.seen_s + result.gap_s, unit="seconds"
            ) as progress:
                watch = partial(_follow, progress=progress, start_s=settings.source.start_s, stop=stop)
                annotate_video(
                    name, result.events, out=path, config=settings.annotate, part=settings.source, watch=watch
                )
        except KeyboardInterrupt:
            if not stop():
                raise
            return
        console.say(f"annotated video: {path}")


def _follow(time_s: float, *, progress: Progress, start_s: float, stop: Stop) -> None:
    progress.reach(time_s - start_s)
    if stop():
        raise KeyboardInterrupt


def _raise_failures(summary: RunSummary) -> None:
    failed: tuple[SourceResult, ...] = summary.failed
    if failed and len(summary.sources) == 1 and failed[0].error is not None:
        raise failed[0].error
    if failed:
        names = ", ".join(result.name for result in failed[:5]) + (" and others" if len(failed) > 5 else "")
        raise SourceError(f"{len(failed)} of {len(summary.sources)} sources failed: {names}; the log says why")
