"""Whether all runtimes decide alike, and what they cost: CPU seconds a picture, and the share of equal decisions.

    python scripts/compare_runtimes.py MODEL PICTURES... [--most 200] [--threads 1]

PICTURES are folders of photographs. A decision is what the rejector accepts in one picture: its labels, each as often
as it is found. Everything is compared with PyTorch in float32. Costs are CPU time, so that other programs on the
machine make little difference.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import click

from streamfilter.classifier import make_classifier
from streamfilter.config import ClassifierConfig, RunConfig
from streamfilter.console import Console
from streamfilter.evaluation.pictures import find_unknown, read_subject, resized
from streamfilter.model import Model, load_model
from streamfilter.pipeline import make_network
from streamfilter.types import Pixels

WAYS = (("torch", "float32"), ("openvino", "float32"), ("openvino", "bfloat16"), ("onnx", "float32"))
"""Runtime and arithmetic; the others are compared with the first."""
INT8 = (("openvino", "int8"), ("onnx", "int8"))
"""Those of model files that `streamfilter export --int8` made."""
Decision = list[str]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--most", default=200, show_default=True, help="Pictures, drawn at random.")
@click.option("--threads", default=1, show_default=True, help="CPU threads of the network.")
def main(model: Path, folders: tuple[Path, ...], *, most: int, threads: int) -> None:
    """Compare the runtimes of MODEL."""
    console = Console()
    loaded = load_model(model)
    paths = sorted(subject.path for folder in folders for subject in find_unknown(folder))
    chosen = random.Random(0).sample(paths, min(most, len(paths)))
    first: list[Decision] = []
    rows = []
    for runtime, precision in WAYS + (INT8 if loaded.int8 is not None else ()):
        config = ClassifierConfig.model_validate(
            {"runtime": runtime, "precision": precision, "device": "cpu", "threads": threads}
        )
        name, cost_s, decided = decide(loaded, config, chosen)
        first = first or decided
        equal = sum(one == other for one, other in zip(decided, first, strict=True))
        rows.append((name, f"{cost_s:.3f}", f"{equal / len(chosen):.2%}", str(sum(map(bool, decided)))))
    console.table(("runtime", "CPU s a picture", "equal decisions", "pictures with a label"), rows)


def decide(model: Model, config: ClassifierConfig, paths: list[Path]) -> tuple[str, float, list[Decision]]:
    """The runtime's name, its CPU seconds a picture, the first left out, and what is accepted in each picture."""
    classifier = make_classifier(model, config)
    judge = make_network(model, RunConfig(classifier=config)).rejector.judge
    decided, spent_s = [], []
    for path in paths:
        picture: Pixels = read_subject(path)
        picture = resized(picture, *classifier.analysis_size(picture.shape[1], picture.shape[0]))
        began_s = time.process_time()
        (found,) = classifier.classify([picture])
        spent_s.append(time.process_time() - began_s)
        decided.append(sorted(sighting.label for sighting in judge(found) if sighting.label is not None))
    return classifier.runtime.name, sum(spent_s[1:]) / max(1, len(spent_s) - 1), decided


if __name__ == "__main__":
    main()
