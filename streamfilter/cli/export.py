"""`streamfilter export` and `streamfilter import`: events for other tools, and their corrections back."""

from __future__ import annotations

from pathlib import Path

import click

from streamfilter.cli import options as opt

# By name, or `--help` would load what makes them; a test holds the two lists together.
FORMATS = (
    *("csv", "edl", "edl-comskip", "otio", "ffmetadata", "webvtt"),
    *("labelstudio", "cvat", "fiftyone", "coco", "google"),
)
source_option = click.option("--source", metavar="NAME", help="One source of a log that has several.")


@click.command("export")
@click.argument("events", type=opt.PATH, metavar="EVENTS")
@click.option("--to", "form", required=True, type=click.Choice(FORMATS), help="The format.")
@click.option("--out", default="-", show_default=True, metavar="FILE", help="Where it goes; - is stdout.")
@source_option
@opt.force_option
@opt.verbosity_options
def export_command(
    events: Path, form: str, out: str, source: str | None, force: bool, quiet: bool, verbose: bool
) -> None:
    """Write the events of the log EVENTS, as reviewed, in the format of another tool."""
    console = opt.make_console(quiet=quiet, verbose=verbose)
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
