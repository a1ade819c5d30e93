"""`train`: from folders of pictures to a model file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamfilter import __version__
from streamfilter.allocation import keep_freed
from streamfilter.config import TrainConfig
from streamfilter.console import Console
from streamfilter.errors import DatasetError, ModelError
from streamfilter.model import DenseResNet, Model, NetworkShape, Provenance, build_network, save_model
from streamfilter.model.device import Compute, choose_compute
from streamfilter.training.backbone import load_backbone
from streamfilter.training.batches import Batches, Compose, FreshScenes, KeptScenes, keep_scenes
from streamfilter.training.calibrate import fit_statistics, fit_thresholds
from streamfilter.training.composers import (
    SEEDS_APART,
    TRAINING_SEED,
    VALIDATION_SEED,
    make_composers,
)
from streamfilter.training.dataset import read_dataset
from streamfilter.training.examples import Dataset
from streamfilter.training.frozen import frozen_maps
from streamfilter.training.loop import Plan, Progress, Trainer
from streamfilter.training.material import gather
from streamfilter.training.references import label_references
from streamfilter.training.rejection import fit_rejection
from streamfilter.training.report import DatasetReport, report_on
from streamfilter.training.split import split
from streamfilter.training.validation import Found, figures, search

PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Where the pictures are: see `read_dataset`."""

    root: Path
    boxes: Path | None = None
    negatives: tuple[Path, ...] = ()
    unknown: tuple[Path, ...] = ()
    unknown_boxes: Path | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` made: the model file with its digest, figures on validation scenes, and the data's report."""

    path: Path
    digest: str
    figures: dict[str, float]
    data: DatasetReport


def train(
    data: TrainingData,
    out: Path,
    config: TrainConfig,
    *,
    console: Console,
    backbone_weights: Path | None = None,
    resume: bool = False,
    force: bool = False,
) -> Trained:
    """Teach a model the labels of `data` and write it to `out`.

    Work that can be taken up again with `resume` is kept in `OUT.work/` until training is through. Ctrl-C writes the
    best model of the epochs that are done, if any, and raises `KeyboardInterrupt`. Raises `DatasetError` when nothing
    sensible is left to learn from, `ModelError` for backbone weights or devices that do not fit, or when `out` exists
    and neither `force` nor an interrupted training to `resume` says that it may be replaced.
    """
    work = out.with_name(out.name + ".work")
    if resume and not (work / PLAN).exists():
        console.say(f"nothing to resume in {work}: beginning anew")
        resume = False
    refuse_to_replace(out, force=force or resume)
    keep_freed()
    compute = choose_compute(config.device, config.precision, threads=config.threads)
    weights = load_backbone(backbone_weights, config.architecture) if config.pretrained else None
    whole = read_pictures(data, console)
    taught, held = split(whole, validation=config.validation, seed=config.seed)
    data_report = report_on(whole, held)
    for line in data_report.lines():
        console.say(line)
    session = _Session(taught, held, _plan(config, compute), compute, work=work, console=console)
    session.prepare(weights, resume=resume)
    try:
        session.fit(resume=resume)
    except KeyboardInterrupt:
        _keep_best(session, out, data_report, console)
        raise
    trained = session.finish(out, data_report)
    shutil.rmtree(work)
    return trained


def _keep_best(session: _Session, out: Path, data: DatasetReport, console: Console) -> None:
    if not session.epochs_done:
        console.say("interrupted before the first epoch was done: there is no model to write")
        return
    done = f"{session.epochs_done} of {session.epochs} epochs"
    console.say(f"interrupted after {done}: writing the best model so far; --resume goes on")
    session.finish(out, data)


def refuse_to_replace(out: Path, *, force: bool) -> None:
    """Raises `ModelError` when `out` is a folder, or exists and not `force`."""
    if out.is_dir():
        raise ModelError(f"{out} is a folder: pass the name of a file to --model")
    if out.exists() and not force:
        raise ModelError(f"{out} exists: pass --force to replace it, or another name to --model")


def read_pictures(data: TrainingData, console: Console) -> Dataset:
    """The dataset of `data`, read with a bar. Raises `DatasetError` when nothing sensible is left in it."""
    with console.progress("reading pictures", None) as progress:
        return read_dataset(
            data.root,
            boxes=data.boxes,
            negatives=data.negatives,
            unknown=data.unknown,
            unknown_boxes=data.unknown_boxes,
            on_progress=lambda done, _: progress.reach(done),
        )


def _read_plan(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _plan(config: TrainConfig, compute: Compute) -> TrainConfig:
    """The settings with every `null` decided: some 40 minutes on two cores in float32 with two thousand pictures."""
    on_cuda, fast = compute.device.type == "cuda", compute.dtype != torch.float32
    whole = on_cuda or not config.pretrained or min(config.se_stages, default=4) < 3
    chosen = {
        "tune": config.tune or ("all" if whole else "layer4" if fast else "head"),
        "scenes": config.scenes or (8000 if on_cuda else 3600 if fast else 1800),
        "epochs": config.epochs or (12 if on_cuda else 4 if fast else 5),
        "closer_scenes": config.closer_scenes or (2000 if on_cuda else 300 if fast else 100),
        "closer_pictures": config.closer_pictures or (10_000 if on_cuda else 3000 if fast else 2000),
    }
    return config.model_copy(update=chosen)


class _Session:
    """One training: its composers, its network and its work folder."""

    def __init__(
        self, taught: Dataset, held: Dataset, config: TrainConfig, compute: Compute, *, work: Path, console: Console
    ) -> None:
        self._config, self._compute, self._work, self._console = config, compute, work, console
        self._taught, self._held = taught, held
        self._labels = taught.labels
        self._data_digest = taught.digest()
        self._composers = make_composers(taught, held, config)
        self._checkpoint = work / "checkpoint.pt"
        self._progress = Progress()

    @property
    def epochs_done(self) -> int:
        """Epochs after which there is a best network."""
        return self._progress.epoch

    @property
    def epochs(self) -> int:
        """Epochs that are planned."""
        assert self._config.epochs is not None
        return self._config.epochs

    def prepare(self, weights: Mapping[str, Tensor] | None, *, resume: bool) -> None:
        """The network, the work folder, and the scenes that stay the same from epoch to epoch."""
        config = self._config
        torch.manual_seed(config.seed)
        shape = NetworkShape(
            config.architecture,
            len(self._labels),
            config.reduced,
            config.embedding,
            none_classes=config.none_classes,
            se_stages=config.se_stages,
        )
        self._network = build_network(shape, weights).to(self._compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network.eval()
        self._open_work(resume=resume)
        self._console.say(f"training {config.architecture} ({config.tune}) on {self._compute.name}")
        assert config.scenes is not None
        make = self._fresh if config.tune == "all" else self._kept
        self._validation = make("validation", self._composers.held, VALIDATION_SEED, config.validation_scenes)
        self._batches = make("training", self._composers.taught, TRAINING_SEED, config.scenes)

    def fit(self, *, resume: bool) -> None:
        """The loop itself, with a bar."""
        config = self._config
        assert config.epochs is not None
        assert config.tune is not None
        plan = Plan(config.tune, config.epochs, from_random=not config.pretrained)
        trainer = Trainer(self._network, self._batches, plan, config, self._compute.autocast)
        with self._console.progress("training", float(config.epochs * self._batches.steps)) as progress:
            if resume and self._checkpoint.exists():
                progress.advance(trainer.resume(self._checkpoint))
            self._progress = trainer.progress
            trainer.run(self._validate, self._checkpoint, advance=progress.advance)

    def finish(self, out: Path, data: DatasetReport) -> Trained:
        """Fit statistics and thresholds with the best network and write the model file."""
        config = self._config
        readers, material = gather(
            self._network,
            self._taught,
            self._held,
            self._composers,
            config,
            compute=self._compute,
            console=self._console,
        )
        taught, found = material.taught, material.held
        if len(taught.labels) < 2:
            raise DatasetError(
                f"{len(taught.labels)} logos in the training scenes, too few to learn from: raise `closer_scenes`"
            )
        statistics = fit_statistics(taught, found, len(self._labels))
        scores, thresholds = fit_rejection(
            self._network,
            material,
            fit_thresholds(found, statistics),
            false_share=config.false_share,
            seed=config.seed,
        )
        result = figures(found)
        model = Model(
            network=self._network.cpu(),
            labels=self._labels,
            short_side=config.short_side,
            thresholds=thresholds,
            statistics=statistics,
            scores=scores,
            regions=readers.regions,
            closer=readers.closer,
            references=label_references(self._taught.examples, self._labels),
            provenance=Provenance(
                made_by=f"streamfilter {__version__}",
                settings={**config.model_dump(mode="json"), "computed_on": self._compute.name},
                data={**data.counts(), "digest": self._data_digest},
                figures={"validation": result, "epochs": self._progress.history},
            ),
        )
        return Trained(out, save_model(model, out, weights=config.weights), result, data)

    def _open_work(self, *, resume: bool) -> None:
        made_from = {
            "settings": self._config.model_dump(mode="json"),
            "data": self._data_digest,
            "program": __version__,
        }
        plan = self._work / PLAN
        if resume:
            if _read_plan(plan) != made_from:
                raise ModelError(
                    f"cannot resume {self._work}: it was begun with other settings, data or program; leave out --resume"
                )
            return
        try:
            shutil.rmtree(self._work, ignore_errors=True)
            self._work.mkdir(parents=True)
            plan.write_text(json.dumps(made_from), encoding="utf-8")
        except OSError as error:
            raise ModelError(
                f"cannot write {self._work}: {error.strerror}; choose another folder for --model"
            ) from None

    def _kept(self, name: str, compose: Compose, first: int, count: int) -> Batches:
        first += self._config.seed * SEEDS_APART
        seeds = range(first, first + count)
        with self._console.progress(f"{name} scenes", float(count)) as progress:
            maps, tops, facts = keep_scenes(
                frozen_maps(self._network, self._compute),
                compose,
                seeds,
                self._work / f"{name}.f16",
                with_tops=self._config.tune == "head" and not self._config.se_stages,
                advance=progress.advance,
            )
        return KeptScenes(
            maps, facts, batch=self._config.batch, seed=self._config.seed, none=len(self._labels), tops=tops
        )

    def _fresh(self, name: str, compose: Compose, first: int, count: int) -> Batches:
        first += self._config.seed * SEEDS_APART
        size = (self._config.scene_height, self._config.scene_width)
        return FreshScenes(compose, size, scenes=count, batch=self._config.batch, seed=first, none=len(self._labels))

    def _search(self, network: DenseResNet, batches: Batches) -> Found:
        with closing(batches.in_order()) as scenes:
            return search(network, scenes, batches.forward, self._compute.autocast)

    def _validate(self, network: DenseResNet) -> dict[str, float]:
        result = figures(self._search(network, self._validation))
        self._console.explain(" ".join(f"{name} {value:.3f}" for name, value in result.items()))
        return result
