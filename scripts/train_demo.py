"""Makes the demo's model: draws a training folder, trains on it as on any user's, measures the result on drawn clips.

    python scripts/train_demo.py WORK [--device cuda] [--set scenes=12000] ...
    python scripts/train_demo.py WORK --keep-network [--set closer_pictures=1000] ...

Writes `streamfilter/assets/demo.safetensors` and, beside it, `demo.training.json` with settings, figures and the scores
on the demo's own clip and on clips with other backgrounds, none of which had a part in training. `--keep-network` fits
all that is behind the network of the model that is there anew, to the same pictures: minutes instead of an hour.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

import click

from streamfilter.config import TrainConfig, load_config
from streamfilter.console import Console
from streamfilter.demo.folder import TrainingFolder, write_training_folder
from streamfilter.demo.runner import DEMO_SEED, MODEL, run_demo
from streamfilter.model import load_model, save_model
from streamfilter.training.refit import refit_on, settings_of
from streamfilter.training.train import TrainingData, train

SETTINGS = (
    "architecture=resnet18",
    "pretrained=false",
    "tune=all",
    "weights=int8",
    "reduced=128",
    "embedding=256",
    "backbone_rate=1e-3",
    "scene_height=192",
    "scene_width=256",
    "short_side=352",
    "min_side=0.1",
    "scribbles=0",
    "mosaics=0",
    "false_share=0.1",
    "scenes=2000",
    "validation_scenes=400",
    "epochs=36",
    "batch=16",
)
"""Small scenes of the size that a 352-pixel-high clip's marks have; about an hour on one core."""
DATA_SEED = 1
NEGATIVES, STRANGERS = 1500, 3000
OTHER_CLIPS = (101, 102, 103)
LEAST_PROBABILITY = 0.97
"""What the demo's model rejects below: on the other clips nothing untaught is an event from there on."""


@click.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=MODEL, help="The model file.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A training setting, such as scenes=12000."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--resume", is_flag=True, help="Go on with a training that was interrupted.")
@click.option("--keep-network", is_flag=True, help="Fit what is behind the network of the model that is there anew.")
@click.option("--measure-only", is_flag=True, help="Score the model that is there.")
def main(
    work: Path,
    *,
    out: Path,
    overrides: tuple[str, ...],
    device: str,
    resume: bool,
    keep_network: bool,
    measure_only: bool,
) -> None:
    """Train the demo's model in WORK and measure it."""
    console = Console(1)
    log_path = out.with_suffix(".training.json")
    log = json.loads(log_path.read_text(encoding="utf-8")) if measure_only or keep_network else {}
    if keep_network:
        config = load_config(TrainConfig, None, [f"device={device}", *overrides])
        log |= fit_anew(work, out, config, console=console)
    elif not measure_only:
        config = load_config(TrainConfig, None, [*SETTINGS, f"device={device}", *overrides])
        log = teach(work, out, config, console=console, resume=resume)
    log["clips"] = measure(work, out, console)
    log_path.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")
    console.say(f"log: {log_path}")


def teach(work: Path, out: Path, config: TrainConfig, *, console: Console, resume: bool) -> dict[str, object]:
    """Draw the folder, train on it, and tell what it took."""
    data = draw(work, console)
    began_s = time.monotonic()
    trained = train(data, out, config, console=console, resume=resume, force=True)
    digest = make_strict(out)
    return {
        "settings": config.model_dump(mode="json"),
        "data": {"seed": DATA_SEED, "negatives": NEGATIVES, "strangers": STRANGERS},
        "training_s": round(time.monotonic() - began_s),
        "model": {"sha256": digest, "bytes": out.stat().st_size},
        "validation": trained.figures,
    }


def fit_anew(work: Path, out: Path, config: TrainConfig, *, console: Console) -> dict[str, object]:
    """Give the network that is there another region head, closer look and thresholds."""
    data, fitted = draw(work, console), work / "fitted.safetensors"
    refitted = refit_on(data, fitted, config, base=out, console=console, force=True)
    digest = make_strict(fitted)
    shutil.copyfile(fitted, out)
    return {"model": {"sha256": digest, "bytes": out.stat().st_size}, "fitted_anew": refitted.figures}


def draw(work: Path, console: Console) -> TrainingData:
    """The folder of pictures that the demo's model is taught with."""
    with console.progress("drawing the training folder", None):
        folder = write_training_folder(work / "data", DATA_SEED, negatives=NEGATIVES, strangers=STRANGERS)
    return _data(folder)


def make_strict(path: Path) -> str:
    """Give the model the threshold that a demo wants; returns the file's digest."""
    model = load_model(path)
    thresholds = model.thresholds.with_threshold("max_softmax", 1 - LEAST_PROBABILITY)
    return save_model(replace(model, thresholds=thresholds), path, weights=settings_of(model).weights)


def _data(folder: TrainingFolder) -> TrainingData:
    return TrainingData(
        folder.known,
        negatives=(folder.negatives,),
        unknown=(folder.unknown,),
        unknown_boxes=folder.unknown_boxes,
    )


def measure(work: Path, model: Path, console: Console) -> list[dict[str, object]]:
    """Scores on the demo's own clip and on others."""
    scores = []
    for seed in (DEMO_SEED, *OTHER_CLIPS):
        score = run_demo(work / f"clip-{seed}", console, force=True, model=model, seed=seed)
        scores.append({"seed": seed, "f1": round(score.f1, 4), **asdict(score)})
    return scores


if __name__ == "__main__":
    main()
