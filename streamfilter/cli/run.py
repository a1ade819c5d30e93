"""`streamfilter run`: find logos in video files or live feeds and write the event log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from streamfilter.cli import options as opt


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--model", "model_path", required=True, type=opt.PATH, metavar="FILE", help="Made by `streamfilter train`."
)
@click.option("--events", default="-", show_default=True, metavar="FILE", help="Where the event log goes; - is stdout.")
@click.option("--rate", metavar="HZ", help="Looks per second of video, or `every` frame, or `keyframes` only.")
@click.option("--start", type=float, metavar="S", help="Where to begin, in seconds of video.")
@click.option("--end", type=float, metavar="S", help="Where to stop, in seconds of video.")
@click.option("--batch", type=int, metavar="N", help="Pictures in one pass of the network.")
@opt.device_option
@click.option("--runtime", metavar="NAME", help="What runs the network: auto, torch, openvino or onnx.")
@opt.config_option
@opt.set_option
@click.option("--annotate", type=opt.PATH, metavar="MP4", help="Also write an annotated video; a folder for many.")
@click.option("--clips", metavar="DIR", help="Also write a clip of each event, from its source's own packets.")
@click.option("--metrics", metavar="[HOST:]PORT", help="Answer /metrics and /healthz over HTTP; on loopback alone.")
@click.option("--resume", is_flag=True, help="Go on with the run that wrote --events and was stopped.")
@click.option("--log", type=click.Choice(["text", "json"]), default="text", help="How stderr tells what happens.")
@opt.force_option
@opt.verbosity_options
def run(
    sources: tuple[str, ...],
    model_path: Path,
    events: str,
    annotate: Path | None,
    resume: bool,
    log: str,
    force: bool,
    quiet: bool,
    verbose: bool,
    config: Path | None,
    overrides: tuple[str, ...],
    **settings: Any,
) -> int:
    """Find logos in video files, folders of them or globs, and write one JSON line per appearance.

    Live feeds (rtsp, rtmp, srt, udp, tcp, HLS, /dev/video0, or a YAML file that names some) are watched until stopped.
    """
    from streamfilter.cli.job import Job, run_job

    if resume and force:
        raise click.UsageError("--resume goes on with the event log, --force replaces it: give one of them")
    if resume and events == "-":
        raise click.UsageError("--resume needs --events FILE: what went to stdout is not there any more")
    shares_terminal = events == "-" and sys.stdout.isatty()
    console = opt.make_console(quiet=quiet, verbose=verbose, live=not shares_terminal, as_json=log == "json")
    named = opt.as_overrides(
        {
            "sampler.rate": settings["rate"],
            "source.start_s": settings["start"],
            "source.end_s": settings["end"],
            "classifier.batch": settings["batch"],
            "classifier.device": settings["device"],
            "clips.folder": opt.as_text(settings["clips"]),
            "classifier.runtime": settings["runtime"],
            "metrics.listen": opt.as_text(settings["metrics"]),
        }
    )
    job = Job(sources, model=model_path, events=events, annotate=annotate, force=force, resume=resume)
    return run_job(job, console, config=config, overrides=[*named, *overrides])
