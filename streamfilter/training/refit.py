"""Fits all that stands behind a trained network anew, without training it: what it has not, or to other pictures."""

from __future__ import annotations

from dataclasses import replace

from streamfilter.config import TrainConfig, check_config
from streamfilter.console import Console
from streamfilter.model import Model
from streamfilter.model.closer import Closer
from streamfilter.model.device import Compute
from streamfilter.training.calibrate import fit_statistics, fit_thresholds
from streamfilter.training.composers import STATISTICS_SCENES, make_composers
from streamfilter.training.examples import Dataset
from streamfilter.training.material import gather
from streamfilter.training.rejection import Material, fit_rejection
from streamfilter.training.split import split


def settings_of(model: Model) -> TrainConfig:
    """The settings a model was trained with, as far as its file tells; defaults where it does not."""
    known: dict[str, object] = {"closer_scenes": STATISTICS_SCENES}
    known |= {name: value for name, value in model.provenance.settings.items() if name in TrainConfig.model_fields}
    return check_config(TrainConfig, known, origin="the model file's settings")


def regather(model: Model, dataset: Dataset, *, compute: Compute, console: Console) -> tuple[Closer | None, Material]:
    """What `train` would fit everything behind the network to, from the pictures that a model was taught with."""
    config = settings_of(model)
    taught, held = split(dataset, validation=config.validation, seed=config.seed)
    if taught.digest() != model.provenance.data.get("digest", ""):
        console.say("these are not the pictures that the model was taught with: it may know some that should be new")
    composers = make_composers(taught, held, config)
    return gather(model.network.to(compute.device), taught, composers, config, compute=compute, console=console)


def refit(model: Model, closer: Closer | None, material: Material) -> Model:
    """The same network with all that is fitted behind it fitted to this material.

    Raises `ValueError` for fewer than two windows of known logos.
    """
    config = settings_of(model)
    statistics = fit_statistics(material.taught, material.held, len(model.labels))
    scores, thresholds = fit_rejection(
        model.network,
        material,
        fit_thresholds(material.held, statistics),
        false_share=config.false_share,
        seed=config.seed,
    )
    fitted = replace(model, scores=scores, thresholds=thresholds, statistics=statistics, closer=closer)
    return replace(fitted, promise=None, probability=None)  # both were made with the thresholds that there were
