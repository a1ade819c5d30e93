"""`streamfilter model`: look into model files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from streamfilter.cli import options as opt


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
@click.option("--to", "form", required=True, type=click.Choice(["onnx", "openvino"]), help="The format.")
@click.option("--out", required=True, type=opt.PATH, metavar="DIR", help="The folder that the network goes to.")
@opt.force_option
def export(file: Path, form: str, out: Path, force: bool) -> None:
    """Write the network of a model file for other programs: its dense pass and its closer look.

    A run needs none of this: it converts the network by itself.
    """
    from streamfilter.classifier.runtimes.exporting import export_network
    from streamfilter.errors import SinkError
    from streamfilter.model import load_model

    if out.exists() and not force and any(out.iterdir() if out.is_dir() else [out]):
        raise SinkError(f"{out} is there already and not empty; give --force to write into it")
    for path in export_network(load_model(file), out, form):
        click.echo(str(path))


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
