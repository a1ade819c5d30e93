"""`streamfilter bench`: where the time of a run goes on this machine, and what each saving saves."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from streamfilter.cli import options as opt


@click.command()
@click.argument("video", type=opt.PATH)
@click.option("--model", type=opt.PATH, metavar="FILE", help="Made by `streamfilter train`; without it the demo's.")
@click.option("--rate", metavar="HZ", help="Looks per second of video, or `every` frame, or `keyframes` only.")
@click.option("--end", type=float, metavar="S", help="Where to stop, in seconds of video.")
@opt.device_option
@click.option("--runtime", metavar="NAME", help="What runs the network: auto, torch, openvino or onnx.")
@opt.config_option
@opt.set_option
@click.option("--json", "as_json", is_flag=True, help="Everything, as one JSON object.")
@opt.verbosity_options
def bench(
    video: Path,
    model: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    config: Path | None,
    overrides: tuple[str, ...],
    **settings: Any,
) -> None:
    """Measure a run over VIDEO: seconds by stage, nearness to this machine's limits, what each saving saves.

    Other programs that run meanwhile are measured along with it.
    """
    from streamfilter.bench import Asked, run_bench
    from streamfilter.bench.report import headline, tables
    from streamfilter.config import RunConfig, load_config
    from streamfilter.console import Console
    from streamfilter.demo.runner import MODEL

    console = opt.make_console(quiet=quiet, verbose=verbose)
    named = opt.as_overrides(
        {
            "sampler.rate": settings["rate"],
            "source.end_s": settings["end"],
            "classifier.device": settings["device"],
            "classifier.runtime": settings["runtime"],
        }
    )
    run_config = load_config(RunConfig, config, [*named, *overrides])
    measured = run_bench(Asked(str(video), model or MODEL), run_config, say=console.say)
    if as_json:
        click.echo(json.dumps(measured.as_json(), ensure_ascii=False, indent=2))
        return
    page = Console(stream=sys.stdout)
    page.say(headline(measured))
    for table in tables(measured):
        page.say("")
        page.table(table.columns, table.rows)
