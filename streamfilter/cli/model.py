"""`streamfilter model`: look into model files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from streamfilter.cli import options as opt
from streamfilter.cli.export import NETWORKS, int8_options, write_network


@click.group()
def model() -> None:
    """Look into model files."""


@model.command()
@click.argument("file", type=opt.PATH)
@click.option("--json", "as_json", is_flag=True, help="Everything, as one JSON object.")
def info(file: Path, as_json: bool) -> None:
    """Print what a model file knows of itself: labels, network, thresholds, what made it."""
    from streamfilter.model import model_info

    facts = model_info(file)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    for line in outline(facts):
        click.echo(line)


@model.command()
@click.argument("file", type=opt.PATH)
@click.option("--to", "form", required=True, type=click.Choice(NETWORKS), help="The format.")
@click.option("--out", required=True, metavar="DIR", help="The folder that the network goes to; a file for `model`.")
@int8_options
@opt.force_option
@opt.verbosity_options
def export(
    file: Path,
    form: str,
    out: str,
    int8: bool,
    calibrate: tuple[Path, ...],
    force: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Write the network of a model file for other programs: its dense pass and its closer look.

    A run needs none of this: it converts the network by itself. `streamfilter export` does the same.
    """
    console = opt.make_console(quiet=quiet, verbose=verbose)
    write_network(file, form, out, int8=int8, calibrate=calibrate, force=force, console=console)


def outline(tree: Any, indent: str = "") -> list[str]:
    """A nested mapping as indented `key: value` lines."""
    lines = []
    for key, value in tree.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{key}:")
            lines += outline(value, indent + "  ")
        else:
            lines.append(f"{indent}{key}: {_flat(value)}")
    return lines


def _flat(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_flat(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
