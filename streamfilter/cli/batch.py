"""`streamfilter batch`: look through an archive, one event log a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamfilter.cli import options as opt


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--model", "model_path", required=True, type=opt.PATH, metavar="FILE", help="Made by `streamfilter train`."
)
@click.option("--out", required=True, type=opt.PATH, metavar="DIR", help="Folder for the event logs and their index.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="What shares out the work.",
)
@click.option("--jobs", type=int, metavar="N", help="Files side by side; with ray, copies of the model.")
@click.option("--rate", metavar="HZ", help="Looks per second of video, or `every` frame, or `keyframes` only.")
@opt.device_option
@click.option("--runtime", metavar="NAME", help="What runs the network: auto, torch, openvino or onnx.")
@opt.config_option
@opt.set_option
@click.option("--log", type=click.Choice(["text", "json"]), default="text", help="How stderr tells what happens.")
@opt.force_option
@opt.verbosity_options
def batch(
    sources: tuple[str, ...],
    model_path: Path,
    out: Path,
    engine: str,
    log: str,
    force: bool,
    quiet: bool,
    verbose: bool,
    config: Path | None,
    overrides: tuple[str, ...],
    **settings: Any,
) -> int:
    """Find logos in archives of many files and write one event log per file; what is done already is left alone.

    A SOURCE is a file, a folder, a pattern, an address of these that fsspec knows (s3://BUCKET/FOLDER/), or a list of
    files in a .txt or .jsonl file.
    """
    from streamfilter.cli.archive import BatchJob, run_job

    console = opt.make_console(quiet=quiet, verbose=verbose, as_json=log == "json")
    named = opt.as_overrides(
        {
            "batch.jobs": settings["jobs"],
            "sampler.rate": settings["rate"],
            "classifier.device": settings["device"],
            "classifier.runtime": settings["runtime"],
        }
    )
    job = BatchJob(sources, model=model_path, out=out, on_ray=engine == "ray", force=force)
    return run_job(job, console, config=config, overrides=[*named, *overrides])
