"""`streamfilter train`: teach a model from folders of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamfilter.cli import options as opt


@click.command("train")
@click.argument("data", type=opt.PATH)
@click.option("--model", "out", required=True, type=opt.PATH, metavar="OUT", help="The model file to write.")
@click.option("--boxes", type=opt.PATH, metavar="CSV", help="Where the logos are: image,x1,y1,x2,y2,label in pixels.")
@click.option(
    "--negatives", multiple=True, type=opt.PATH, metavar="DIR", help="Photographs without a logo; repeatable."
)
@click.option("--unknown", multiple=True, type=opt.PATH, metavar="DIR", help="Pictures of other logos; repeatable.")
@click.option("--unknown-boxes", type=opt.PATH, metavar="CSV", help="Where those other logos are.")
@click.option(
    "--from", "base", type=opt.PATH, metavar="MODEL", help="Keep this model's network, fit all behind it: minutes."
)
@click.option("--backbone-weights", type=opt.PATH, metavar="FILE", help="ImageNet weights, instead of torchvision's.")
@click.option("--tune", type=click.Choice(["head", "layer4", "all"]), help="What is trained; fitting the device.")
@opt.device_option
@click.option("--seed", type=int, metavar="N", help="Same seed, same data, same machine: same model.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted training stopped.")
@opt.config_option
@opt.set_option
@opt.force_option
@opt.verbosity_options
def train_command(
    data: Path,
    out: Path,
    boxes: Path | None,
    negatives: tuple[Path, ...],
    unknown: tuple[Path, ...],
    unknown_boxes: Path | None,
    base: Path | None,
    backbone_weights: Path | None,
    resume: bool,
    force: bool,
    config: Path | None,
    overrides: tuple[str, ...],
    quiet: bool,
    verbose: bool,
    **settings: Any,
) -> None:
    """Teach a model the logos in DATA: one folder per label, 30 to 100 pictures in each."""
    console = opt.make_console(quiet=quiet, verbose=verbose)
    named = opt.as_overrides({"tune": settings["tune"], "device": settings["device"], "seed": settings["seed"]})
    from streamfilter.config import TrainConfig, load_config

    wanted = load_config(TrainConfig, config, [*named, *overrides])
    if base is not None and (resume or backbone_weights is not None):
        raise click.UsageError("--from keeps a network that is trained: leave out --resume and --backbone-weights")
    from streamfilter.training.train import TrainingData, train

    pictures = TrainingData(data, boxes, negatives, unknown, unknown_boxes)
    if base is not None:
        from streamfilter.training.refit import refit_on

        trained = refit_on(pictures, out, wanted, base=base, console=console, force=force)
    else:
        weights = backbone_weights
        trained = train(pictures, out, wanted, console=console, backbone_weights=weights, resume=resume, force=force)
    console.say(f"model: {trained.path}")
