"""`streamfilter demo`: the whole thing on a clip that it draws itself, without any download."""

from __future__ import annotations

from pathlib import Path

import click

from streamfilter.cli import options as opt


@click.command()
@click.option(
    "--out", type=opt.PATH, default=Path("streamfilter-demo"), show_default=True, help="Folder for the results."
)
@opt.force_option
@opt.verbosity_options
def demo(out: Path, force: bool, quiet: bool, verbose: bool) -> None:
    """Draw a one-minute clip with invented logos, find them, and score the result against the truth."""
    console = opt.make_console(quiet=quiet, verbose=verbose)
    from streamfilter.demo.runner import run_demo

    run_demo(out=out, force=force, console=console)
