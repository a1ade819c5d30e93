"""`streamfilter calibrate`: fit a model's threshold to footage, and say what it promises."""

from __future__ import annotations

from pathlib import Path

import click

from streamfilter.cli import options as opt

SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("model", type=opt.PATH)
@click.option(
    "--negatives",
    multiple=True,
    required=True,
    metavar="DIR|VIDEO",
    help="Footage and photographs without any of the labels; repeatable.",
)
@click.option(
    "--positives",
    type=opt.PATH,
    metavar="DIR",
    help="Videos with NAME.labels.jsonl beside them, or a folder of pictures per label.",
)
@click.option(
    "--max-false-events-per-hour",
    "per_hour",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="N",
    help="What is to be promised.",
)
@click.option("--confidence", type=SHARE, default=0.95, show_default=True, help="How sure the promise must be.")
@click.option(
    "--max-lost", type=SHARE, default=0.1, show_default=True, help="Share of a label's appearances that may be lost."
)
@click.option("--map", "names", multiple=True, metavar="NAME=LABEL", help="A name in a truth and the model's for it.")
@click.option("--out", type=opt.PATH, metavar="NEW", help="The model file to write; MODEL itself unless told.")
@click.option("--rate", metavar="HZ", help="Looks per second, as the runs will have it.")
@click.option("--start", type=float, metavar="S", help="Where to begin in each video, in seconds.")
@click.option("--end", type=float, metavar="S", help="Where to stop in each video, in seconds.")
@opt.device_option
@opt.config_option
@opt.set_option
@opt.force_option
@opt.verbosity_options
def calibrate(
    model: Path,
    negatives: tuple[str, ...],
    positives: Path | None,
    per_hour: float,
    confidence: float,
    max_lost: float,
    names: tuple[str, ...],
    out: Path | None,
    rate: str | None,
    start: float | None,
    end: float | None,
    device: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    force: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Find the loosest threshold of MODEL that promises few false events an hour, and write both into its file.

    What is promised holds for footage like the one given, and for runs with the same settings.
    """
    from streamfilter.calibration.calibrate import Task
    from streamfilter.cli.calibrating import Job, run_calibration

    console = opt.make_console(quiet=quiet, verbose=verbose)
    settings = {"sampler.rate": rate, "source.start_s": start, "source.end_s": end, "classifier.device": device}
    task = Task(
        negatives,
        per_hour=per_hour,
        positives=positives,
        confidence=confidence,
        most_lost=max_lost,
        names=opt.as_pairs(names),
    )
    job = Job(model, out=out or model, force=force or out is None)
    run_calibration(task, job, console, config=config, overrides=[*opt.as_overrides(settings), *overrides])
