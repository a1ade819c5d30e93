"""What `streamfilter batch` does with its options. Imports the heavy modules: only for the command to call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from streamfilter.batch import INDEX, Archive, BatchSummary, run_batch
from streamfilter.batch.engine import Engine
from streamfilter.batch.entries import find_entries
from streamfilter.batch.local import LocalEngine
from streamfilter.cli.stopping import stopping
from streamfilter.config import RunConfig, load_config
from streamfilter.console import Console, clock_text
from streamfilter.errors import ConfigError, SourceError
from streamfilter.machine import suitable_jobs
from streamfilter.source.discovery import redacted


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A batch as it was asked for."""

    sources: tuple[str, ...]
    model: Path
    out: Path
    on_ray: bool = False
    force: bool = False


def run_job(job: BatchJob, console: Console, *, config: Path | None, overrides: Sequence[str]) -> int:
    """Do it; returns the exit code. Raises `StreamFilterError`."""
    settings = load_config(RunConfig, config, overrides)
    _refuse_what_needs_one_log(settings)
    archive = Archive(find_entries(job.sources), job.out, force=job.force)
    follow = partial(console.progress, "looking through the archive")
    with stopping() as stop, _engine(job, archive, settings) as engine:
        summary = run_batch(archive, engine, settings, stop=stop, say=console.say, follow=follow)
    _tell(summary, job, console)
    if stop() and summary.count("waiting"):
        console.say(f"stopped early: {summary.count('waiting')} files are left; the same command goes on with them")
        return stop.exit_code
    _raise_failures(summary)
    return 0


def _refuse_what_needs_one_log(settings: RunConfig) -> None:
    for name, value in (
        ("clips.folder", settings.clips.folder),
        ("metrics.listen", settings.metrics.listen),
        ("sinks", settings.sinks),
    ):
        if value:
            raise ConfigError(
                f"a batch only writes event logs, and {name} is set: leave it out, or use `streamfilter run`"
            )


def _engine(job: BatchJob, archive: Archive, settings: RunConfig) -> Engine:
    if job.on_ray:
        from streamfilter.batch.on_ray import RayEngine

        return RayEngine(job.model, settings, out=archive.out, unfinished=archive.unfinished)
    jobs = max(1, min(settings.batch.jobs or suitable_jobs(), len(archive.entries)))
    return LocalEngine(job.model, settings, out=archive.out, unfinished=archive.unfinished, jobs=jobs)


def _tell(summary: BatchSummary, job: BatchJob, console: Console) -> None:
    for _, error in summary.failed:
        console.warn(error)
    events: Counter[str] = Counter()
    for outcome in summary.outcomes.values():
        events.update(outcome.events)
    if events:
        console.table(("label", "appearances"), [(label, str(count)) for label, count in events.most_common()])
    parts = [f"{summary.count('finished')} files finished"]
    if summary.before:
        parts.append(f"{summary.before} of them before")
    if summary.failed:
        parts.append(f"{len(summary.failed)} failed")
    console.say(f"{', '.join(parts)}, in {clock_text(summary.wall_s)}; {job.out / INDEX} lists them")


def _raise_failures(summary: BatchSummary) -> None:
    if summary.failed:
        names = ", ".join(redacted(entry.source) for entry, _ in summary.failed[:5])
        more = " and others" if len(summary.failed) > 5 else ""
        raise SourceError(
            f"{len(summary.failed)} of {len(summary.outcomes)} files failed: {names}{more}; the index says why"
        )
