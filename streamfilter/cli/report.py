"""`streamfilter report`: how long, how large and where each label was on screen."""

from __future__ import annotations

from pathlib import Path

import click

from streamfilter.cli import options as opt


@click.command()
@click.argument("events", nargs=-1, required=True, type=opt.PATH, metavar="EVENTS...")
@click.option("--html", type=opt.PATH, metavar="FILE", help="The report as one page.")
@click.option("--csv", "table", type=opt.PATH, metavar="FILE", help="Its numbers as a table.")
@click.option("--json", "data", type=opt.PATH, metavar="FILE", help="Its numbers as JSON.")
@click.option("--target", "goals", multiple=True, metavar="GOAL", help="LABEL=95% or LABEL=95%@0-2700; repeatable.")
@click.option("--rates", type=opt.PATH, metavar="YAML", help="A rate card: what a second of a label is worth.")
@opt.force_option
@opt.verbosity_options
def report(
    events: tuple[Path, ...],
    html: Path | None,
    table: Path | None,
    data: Path | None,
    goals: tuple[str, ...],
    rates: Path | None,
    force: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Report what the event logs EVENTS say, as reviewed: seconds seen, alone, where, how large, and what is unsure."""
    if html is None and table is None and data is None:
        raise click.UsageError("expected --html, --csv or --json: where the report goes")
    console = opt.make_console(quiet=quiet, verbose=verbose)
    from streamfilter.cli.logs import prepare_result, warn_of_log, write_text
    from streamfilter.eventlog import read_event_logs
    from streamfilter.reports import load_rates, parse_target, report_csv, report_json, report_page, report_sources

    targets = [parse_target(goal) for goal in goals]
    card = load_rates(rates) if rates is not None else None
    logs = read_event_logs(events)
    for log in logs:
        warn_of_log(log, console)
    reports = report_sources(logs)
    results: dict[Path, str] = {}
    if html is not None:
        results[html] = report_page(reports, targets=targets, rates=card)
    if table is not None:
        results[table] = report_csv(reports, rates=card)
    if data is not None:
        results[data] = report_json(reports, targets=targets, rates=card)
    for path in results:
        prepare_result(path, [*events, *([rates] if rates is not None else [])], force=force)
    for path, text in results.items():
        write_text(str(path), text)
        console.say(f"report: {path}")
