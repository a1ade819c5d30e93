"""`streamfilter annotate`: an annotated video from an event log, without looking at the pictures again."""

from __future__ import annotations

from pathlib import Path

import click

from streamfilter.cli import options as opt


@click.command()
@click.argument("video", metavar="VIDEO")
@click.argument("events", type=opt.PATH, metavar="EVENTS")
@click.option("--out", type=opt.PATH, metavar="FILE", help="The annotated video: the whole of it, or the reel.")
@click.option("--reel", metavar="LABEL", help="Only what shows this label, in a row, in --out.")
@click.option("--per-event", type=opt.PATH, metavar="DIR", help="A clip per event, in this folder.")
@click.option("--sheet", type=opt.PATH, metavar="PNG", help="A contact sheet: a picture per event.")
@click.option("--lead", default=1.0, show_default=True, metavar="S", help="Seconds shown before an event.")
@click.option("--trail", default=1.0, show_default=True, metavar="S", help="Seconds shown after an event.")
@opt.config_option
@opt.set_option
@opt.force_option
@opt.verbosity_options
def annotate(
    video: str,
    events: Path,
    out: Path | None,
    reel: str | None,
    per_event: Path | None,
    sheet: Path | None,
    lead: float,
    trail: float,
    config: Path | None,
    overrides: tuple[str, ...],
    force: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Draw what the event log EVENTS says, as reviewed, into VIDEO."""
    if out is None and per_event is None and sheet is None:
        raise click.UsageError("expected --out, --per-event or --sheet: where the result goes")
    if reel is not None and out is None:
        raise click.UsageError("--reel needs --out: where the reel goes")
    if not (0 <= lead < 1e6 and 0 <= trail < 1e6):
        raise click.UsageError("--lead and --trail are seconds: expected numbers from 0")
    console = opt.make_console(quiet=quiet, verbose=verbose)
    from streamfilter.cli.redrawing import Redraw, redraw
    from streamfilter.config import RunConfig, load_config

    settings = load_config(RunConfig, config, overrides).annotate
    wanted = Redraw(video, events, out=out, reel=reel, per_event=per_event, sheet=sheet, lead_s=lead, trail_s=trail)
    redraw(wanted, settings, console, force=force)
