"""`streamfilter export` and `streamfilter import`: events and networks for other tools, and corrections back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamfilter.cli import options as opt

if TYPE_CHECKING:
    from streamfilter.console import Console

# By name, or `--help` would load what makes them; a test holds the two lists together.
FORMATS = (
    *("csv", "edl", "edl-comskip", "otio", "ffmetadata", "webvtt"),
    *("labelstudio", "cvat", "fiftyone", "coco", "google"),
)
NETWORKS = ("onnx", "openvino", "model")
"""The formats of a network; `model` is a model file with what int8 needs."""
source_option = click.option("--source", metavar="NAME", help="One source of a log that has several.")


def int8_options(command: opt.F) -> opt.F:
    """`--int8` and `--calibrate`."""
    command = click.option(
        "--calibrate",
        multiple=True,
        type=opt.PATH,
        metavar="DIR",
        help="Pictures to measure int8 with, with and without logos; repeatable.",
    )(command)
    return click.option("--int8", is_flag=True, help="The network in 8 bit numbers, where it decides alike.")(command)


def write_network(
    model: Path, form: str, out: str, *, int8: bool, calibrate: tuple[Path, ...], force: bool, console: Console
) -> None:
    """Write a network as one of `NETWORKS` and say where."""
    if out == "-":
        raise click.UsageError(f"--to {form} needs --out with a {'file' if form == 'model' else 'folder'}")
    if calibrate and not int8:
        raise click.UsageError("--calibrate is for --int8")
    if form == "model" and not (int8 and calibrate):
        raise click.UsageError("--to model needs --int8 and --calibrate DIR: everything else is in the model already")
    from streamfilter.cli.networks import export_model

    files = export_model(model, form, Path(out), int8=int8, calibrate=calibrate, force=force, console=console)
    for path in files:
        click.echo(str(path))


@click.command("export")
@click.argument("subject", type=opt.PATH, metavar="EVENTS|MODEL")
@click.option("--to", "form", required=True, type=click.Choice((*FORMATS, *NETWORKS)), help="The format.")
@click.option(
    "--out", default="-", show_default=True, metavar="FILE", help="Where it goes: - is stdout, a folder for a network."
)
@source_option
@int8_options
@opt.force_option
@opt.verbosity_options
def export_command(
    subject: Path,
    form: str,
    out: str,
    source: str | None,
    int8: bool,
    calibrate: tuple[Path, ...],
    force: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Write the events of a log, as reviewed, in the format of another tool; or the network of a MODEL.

    A network goes to a folder as onnx or openvino. `--to model --int8` writes a model file that a run computes with in
    int8: several times faster on CPUs, and refused where it does not decide as float32 does.
    """
    console = opt.make_console(quiet=quiet, verbose=verbose)
    if form in NETWORKS:
        write_network(subject, form, out, int8=int8, calibrate=calibrate, force=force, console=console)
        return
    if int8 or calibrate:
        raise click.UsageError(f"--int8 and --calibrate are for networks: --to {', '.join(NETWORKS)}")
    events = subject
    from streamfilter.cli.logs import prepare_result, warn_of_log, write_text
    from streamfilter.eventlog import read_event_log
    from streamfilter.exports import export_text

    log = read_event_log(events)
    warn_of_log(log, console)
    text = export_text(log, form, source)
    if out != "-":
        prepare_result(Path(out), [events], force=force)
    write_text(out, text)
    console.explain(f"{len(log.kept)} events as {form}")


@click.command("import")
@click.argument("corrections", type=opt.PATH, metavar="FILE")
@click.argument("events", type=opt.PATH, metavar="EVENTS")
@click.option("--from", "form", required=True, type=click.Choice(["labelstudio", "cvat"]), help="Where FILE is from.")
@source_option
@opt.verbosity_options
def import_command(corrections: Path, events: Path, form: str, source: str | None, quiet: bool, verbose: bool) -> None:
    """Add corrections made in Label Studio or CVAT to the review of the log EVENTS.

    What came back unchanged is accepted, what is gone was rejected, what has another label is relabelled.
    """
    console = opt.make_console(quiet=quiet, verbose=verbose)
    from collections import Counter

    from streamfilter.eventlog import append_amendments, read_event_log, review_path
    from streamfilter.exports import corrections_from

    found = corrections_from(corrections, form, read_event_log(events), source=source)
    if found.added:
        console.warn(f"{found.added} regions were drawn that are no event of the log: left out")
    if found.amendments:
        append_amendments(review_path(events), found.amendments)
    counted = Counter(str(amendment.decision) for amendment in found.amendments)
    told = ", ".join(f"{number} {decision}" for decision, number in sorted(counted.items())) or "no decisions"
    console.say(f"{review_path(events)}: {told}")
