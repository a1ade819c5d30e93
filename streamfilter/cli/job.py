"""What `streamfilter run` does once its options are parsed. Imports the heavy modules: only for the command to call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from streamfilter.allocation import share_arenas
from streamfilter.annotate import annotate_video
from streamfilter.cli.clipping import clip_sources, name_media
from streamfilter.cli.live import are_feeds, run_live
from streamfilter.cli.measuring import measuring
from streamfilter.cli.outputs import annotated_paths, finished_annotated, prepare_annotated, refuse_to_overwrite_inputs
from streamfilter.cli.stopping import Stop, stopping
from streamfilter.cli.watching import ConsoleWatcher
from streamfilter.config import RunConfig, load_config
from streamfilter.console import Console, Progress
from streamfilter.delivery import delivering
from streamfilter.errors import ConfigError, SourceError
from streamfilter.metrics import MetricsWatcher
from streamfilter.pipeline import Network, identify, load_network, run
from streamfilter.promise import Promise, deciding_settings
from streamfilter.sinks import EventLog
from streamfilter.source import find_sources
from streamfilter.summary import RunSummary, SourceResult
from streamfilter.watching import Watchers


@dataclass(frozen=True, slots=True)
class Job:
    """A run as it was asked for. `events` is a path or `-`; `annotate` a file, a folder or None."""

    sources: tuple[str, ...]
    model: Path
    events: str
    annotate: Path | None
    force: bool
    resume: bool = False


def run_job(job: Job, console: Console, *, config: Path | None, overrides: Sequence[str]) -> int:
    """Do it; returns the exit code. Raises `StreamFilterError`."""
    share_arenas()
    settings = load_config(RunConfig, config, overrides)
    if settings.sinks and job.events == "-":
        raise ConfigError(f"sinks ({', '.join(settings.sinks)}) read the event log: give --events FILE")
    if are_feeds(job.sources):
        return _run_feeds(job, settings, console, config)
    names = find_sources(job.sources)
    videos = _check_outputs(job, names, config)
    with stopping() as stop, measuring(settings.metrics, console) as metrics:
        network = _loaded(job, settings, console)
        shown = ConsoleWatcher(
            console, stop, span_s=(settings.source.start_s, settings.source.end_s), is_only=len(names) == 1
        )
        watcher = Watchers([shown, MetricsWatcher(metrics)])
        run_id = identify(names, config=settings, model=network.facts)
        # Open until the videos are done as well: its lock keeps a second run from writing them.
        with (
            EventLog(job.events, run_id, force=job.force, resume=job.resume) as log,
            delivering(Path(job.events), settings.sinks, console) as deliverers,
        ):
            for deliverer in deliverers:
                metrics.add_sink(deliverer.name, deliverer.numbers)
            whole = finished_annotated(videos, log.run_id) if job.resume else set()
            summary = run(names, network, config=settings, log=log, watcher=watcher, media=name_media(settings.clips))
            console.summary(summary)
            read = zip(names, videos, summary.sources, strict=False)
            left = [one for one in read if one[1] not in whole and one[2].error is None]
            clip_sources(list(zip(names, summary.sources, strict=False)), settings, network.facts, console, stop)
            undrawn = [] if stop() else _annotate(left, settings, log.run_id, console=console, stop=stop)
        if stop():
            console.say("stopped early: what was seen until then is in the log; --resume goes on from there")
            return stop.exit_code
    _raise_failures(summary, undrawn)
    return 0


def _run_feeds(job: Job, settings: RunConfig, console: Console, config: Path | None) -> int:
    if job.annotate is not None:
        raise ConfigError("a live feed is not read twice: --annotate is for files; --clips gives each event a clip")
    return run_live(
        job.sources,
        partial(_loaded, job, settings, console),
        settings,
        console,
        events=job.events,
        inputs=[job.model, *([config] if config is not None else [])],
        force=job.force,
        resume=job.resume,
    )


def _loaded(job: Job, settings: RunConfig, console: Console) -> Network:
    network = load_network(job.model, settings)
    console.explain(f"model {job.model} with {network.device} finds {', '.join(network.facts.labels)}")
    _warn_of_broken_promise(network.facts.promise, settings, console)
    return network


def _check_outputs(job: Job, names: Sequence[str], config: Path | None) -> list[Path]:
    """The annotated videos to write, after everything that could go wrong with a result has been tried."""
    videos = annotated_paths(names, job.annotate) if job.annotate is not None else []
    inputs = [*map(Path, names), job.model, *([config] if config is not None else [])]
    outputs = [*videos, *([Path(job.events)] if job.events != "-" else [])]
    refuse_to_overwrite_inputs(outputs, inputs)
    prepare_annotated(videos, force=job.force or job.resume)  # what is there is looked at when the run is known
    return videos


def _annotate(
    left: Sequence[tuple[str, Path, SourceResult]], settings: RunConfig, run_id: str, *, console: Console, stop: Stop
) -> list[SourceError]:
    """The annotated videos of what was read: source, video, and what was found. Returns why some could not be made."""
    undrawn: list[SourceError] = []
    for name, path, result in left:
        label = f"annotating {Path(result.name).name}"
        try:
            with console.progress(label, result.seen_s + result.gap_s, unit="seconds") as progress:
                watch = partial(_follow, progress=progress, start_s=settings.source.start_s, stop=stop)
                annotate_video(
                    name,
                    result.events,
                    out=path,
                    config=settings.annotate,
                    part=settings.source,
                    run_id=run_id,
                    watch=watch,
                )
        except KeyboardInterrupt:
            if not stop():
                raise
            return undrawn
        except SourceError as error:
            undrawn.append(error)
            if len(left) > 1:
                console.warn(str(error))
            continue
        console.say(f"annotated video: {path}")
    return undrawn


def _follow(time_s: float, *, progress: Progress, start_s: float, stop: Stop) -> None:
    progress.reach(time_s - start_s)
    if stop():
        raise KeyboardInterrupt


def _warn_of_broken_promise(promise: Promise | None, settings: RunConfig, console: Console) -> None:
    """What was promised of the model was measured with its own settings, and holds for no others."""
    broken_by = [] if promise is None else promise.broken_by(settings)
    if promise is None or not broken_by:
        return
    mine = deciding_settings(settings)
    differ = ", ".join(f"{name} is {mine[name]}, not {promise.settings[name]}" for name in broken_by)
    console.warn(f"what this model was calibrated to promise does not hold in this run: {differ}; calibrate it anew")


def _raise_failures(summary: RunSummary, undrawn: Sequence[SourceError]) -> None:
    failed: tuple[SourceResult, ...] = summary.failed
    if failed and len(summary.sources) == 1 and failed[0].error is not None:
        raise failed[0].error
    if failed:
        names = ", ".join(result.name for result in failed[:5]) + (" and others" if len(failed) > 5 else "")
        raise SourceError(f"{len(failed)} of {len(summary.sources)} sources failed: {names}; the log says why")
    if undrawn and len(summary.sources) == 1:
        raise undrawn[0]
    if undrawn:
        missing = f"{len(undrawn)} of {len(summary.sources)} annotated videos"
        raise SourceError(f"{missing} were not made, for the reasons above; --resume tries again")
