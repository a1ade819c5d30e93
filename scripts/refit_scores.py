"""Fits closer look, statistics and rejection scores of a trained model anew, without training its network.

    python scripts/refit_scores.py MODEL DATA --out NEW [--boxes CSV] [--negatives DIR]... [--unknown DIR]...

Give the pictures that the model was taught with, in the same folders: they are split as they were then.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import click

from streamfilter.console import Console
from streamfilter.model import load_model, save_model
from streamfilter.model.device import choose_compute
from streamfilter.model.file import Weights
from streamfilter.training.dataset import read_dataset
from streamfilter.training.refit import refit, regather

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=PATH)
@click.argument("data", type=PATH)
@click.option("--out", required=True, type=PATH, help="The model file to write.")
@click.option("--boxes", type=PATH, help="As for `streamfilter train`.")
@click.option("--negatives", multiple=True, type=PATH)
@click.option("--unknown", multiple=True, type=PATH)
@click.option("--unknown-boxes", type=PATH)
@click.option("--weights", type=click.Choice(get_args(Weights)), default="float16", help="How the weights are stored.")
@click.option("--false-share", type=float, help="As in configs/train.yaml; the model's own unless told.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def main(
    model: Path,
    data: Path,
    *,
    out: Path,
    boxes: Path | None,
    negatives: tuple[Path, ...],
    unknown: tuple[Path, ...],
    unknown_boxes: Path | None,
    weights: Weights,
    false_share: float | None,
    device: str,
) -> None:
    """Fit the scores of MODEL to scenes of DATA."""
    console = Console()
    dataset = read_dataset(data, boxes=boxes, negatives=negatives, unknown=unknown, unknown_boxes=unknown_boxes)
    trained = load_model(model)
    if false_share is not None:
        settings = trained.provenance.settings | {"false_share": false_share}
        trained = replace(trained, provenance=replace(trained.provenance, settings=settings))
    closer, material = regather(trained, dataset, compute=choose_compute(device, "auto"), console=console)
    fitted = refit(trained, closer, material)
    save_model(fitted, out, weights=weights)
    console.table(("score", "threshold"), [(name, f"{value:.4f}") for name, value in fitted.thresholds.scores.items()])


if __name__ == "__main__":
    main()
