"""Fits all that stands behind a trained network anew, without training it: to more pictures, in minutes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from streamfilter import __version__
from streamfilter.config import TrainConfig, check_config
from streamfilter.console import Console
from streamfilter.errors import ConfigError, DatasetError
from streamfilter.model import Model, Provenance, load_model, save_model
from streamfilter.model.device import Compute, choose_compute
from streamfilter.training.calibrate import fit_statistics, fit_thresholds
from streamfilter.training.composers import STATISTICS_SCENES, make_composers
from streamfilter.training.duplicates import shot_of
from streamfilter.training.examples import Dataset, Example, printable
from streamfilter.training.material import Readers, gather
from streamfilter.training.rejection import Material, fit_rejection
from streamfilter.training.report import DatasetReport, report_on
from streamfilter.training.split import split
from streamfilter.training.train import Trained, TrainingData, read_pictures, refuse_to_replace
from streamfilter.training.validation import figures

COMPUTED = ("device", "precision", "threads")
BEHIND = (*COMPUTED, "closer_scenes", "closer_pictures", "validation_scenes", "false_share", "weights")
"""Settings that may be given where the network stays; the others are those that it was trained with."""


def refit_on(
    data: TrainingData, out: Path, config: TrainConfig, *, base: Path, console: Console, force: bool = False
) -> Trained:
    """Write `base` to `out` with its closer look, statistics and thresholds fitted to `data`; its network stays.

    Of `config` only what was given counts. Labels that the network does not know are left out. Raises `DatasetError`
    when one that it knows has no pictures, `ConfigError` for a setting that would change the network, `ModelError` for
    a file that is no model or when `out` exists and not `force`.
    """
    refuse_to_replace(out, force=force)
    model = load_model(base)
    settings = _settings(model, config)
    compute = choose_compute(config.device, config.precision, threads=config.threads)
    dataset = _of_labels(read_pictures(data, console), model, console)
    report = report_on(dataset, split(dataset, validation=settings.validation, seed=settings.seed)[1])
    for line in report.lines():
        console.say(line)
    readers, material = regather(model, dataset, settings, compute=compute, console=console)
    if len(material.taught.labels) < 2:
        raise DatasetError(
            f"{len(material.taught.labels)} logos in the training scenes, too few to learn from: raise `closer_scenes`"
        )
    for name, lost in (("promise of false events", model.promise), ("fit of its scores to events", model.probability)):
        if lost is not None:
            console.warn(f"the model's {name} held for the old thresholds and is gone: run `streamfilter calibrate`")
    fitted = refit(model, settings, readers, material)
    result = figures(material.held)
    fitted = replace(fitted, provenance=_provenance(model, settings, report, result))
    return Trained(out, save_model(fitted, out, weights=settings.weights), result, report)


def settings_of(model: Model) -> TrainConfig:
    """The settings a model was trained with, as far as its file tells; defaults where it does not."""
    known: dict[str, object] = {"closer_scenes": STATISTICS_SCENES, "closer_pictures": STATISTICS_SCENES}
    known |= {name: value for name, value in model.provenance.settings.items() if name in TrainConfig.model_fields}
    return check_config(TrainConfig, known, origin="the model file's settings")


def regather(
    model: Model, dataset: Dataset, settings: TrainConfig, *, compute: Compute, console: Console
) -> tuple[Readers, Material]:
    """What `train` would fit everything behind the network to, from the pictures that a model was taught with."""
    taught, held = split(dataset, validation=settings.validation, seed=settings.seed)
    before = taught.with_examples(example for example in taught.examples if shot_of(example.path.name) is None)
    if model.provenance.data.get("digest", "") not in (taught.digest(), before.digest()):
        console.warn(
            "these are not the pictures that the network was taught with, or not all: thresholds may come out too loose"
        )
    composers = make_composers(taught, held, settings)
    return gather(model.network.to(compute.device), taught, held, composers, settings, compute=compute, console=console)


def refit(model: Model, settings: TrainConfig, readers: Readers, material: Material) -> Model:
    """The same network with all that is fitted behind it fitted to this material.

    Raises `ValueError` for fewer than two windows of known logos.
    """
    statistics = fit_statistics(material.taught, material.held, len(model.labels))
    scores, thresholds = fit_rejection(
        model.network,
        material,
        fit_thresholds(material.held, statistics),
        false_share=settings.false_share,
        seed=settings.seed,
    )
    fitted = replace(model, scores=scores, thresholds=thresholds, statistics=statistics)
    fitted = replace(fitted, regions=readers.regions, closer=readers.closer)
    return replace(fitted, promise=None, probability=None)  # both were made with the thresholds that there were


def _settings(model: Model, config: TrainConfig) -> TrainConfig:
    given = {name: getattr(config, name) for name in config.model_fields_set}
    wrong = sorted(given.keys() - set(BEHIND))
    if wrong:
        raise ConfigError(
            f"{_listed(wrong)} would change the network, which stays as it is with --from: "
            f"leave it out, or train anew; what can be set is {_listed(BEHIND)}"
        )
    return settings_of(model).model_copy(update=given)


def _of_labels(dataset: Dataset, model: Model, console: Console) -> Dataset:
    """The dataset without the labels that the network does not know."""
    missing = [label for label in model.labels if label not in dataset.labels]
    if missing:
        raise DatasetError(
            f"no pictures of {_listed(missing)}, which the model knows: give the folder that it was taught with, "
            "with all labels"
        )
    others = [label for label in dataset.labels if label not in model.all_labels]
    if others:
        console.warn(
            f"left out, for the network does not know it: {_listed(others)}; `streamfilter enroll` adds a label, "
            "training anew teaches it"
        )
    kept = (_known(one, model) for one in dataset.examples if one.label is None or one.label in model.labels)
    return replace(dataset, labels=model.labels, examples=tuple(kept))


def _known(example: Example, model: Model) -> Example:
    if example.kind != "known":
        return example
    return replace(example, boxes=tuple(box for box in example.boxes if box[1] in model.labels))


def _provenance(model: Model, settings: TrainConfig, report: DatasetReport, result: dict[str, float]) -> Provenance:
    """That of the network, whose pictures the digest still names; figures and counts are those of now."""
    made = model.provenance
    settings_now = made.settings | {name: getattr(settings, name) for name in BEHIND}
    return Provenance(
        made_by=f"streamfilter {__version__}",
        settings=settings_now,
        data=made.data | report.counts(),
        figures=made.figures | {"validation": result, "fitted_anew_from": model.digest},
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(printable(name) for name in names)
