"""`train`: from folders of pictures to a model file."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from streamfilter import __version__
from streamfilter.config import TrainConfig
from streamfilter.console import Console
from streamfilter.errors import ModelError
from streamfilter.model import DenseResNet, Model, NetworkShape, Provenance, build_network, save_model
from streamfilter.model.device import Compute, choose_compute
from streamfilter.training.backbone import load_backbone
from streamfilter.training.batches import Batches, Compose, FreshScenes, KeptScenes, keep_scenes
from streamfilter.training.calibrate import fit_statistics, fit_thresholds
from streamfilter.training.dataset import read_dataset
from streamfilter.training.examples import Dataset
from streamfilter.training.loop import Plan, Trainer
from streamfilter.training.report import DatasetReport, report_on
from streamfilter.training.scenes import SceneComposer, SceneSettings
from streamfilter.training.split import split
from streamfilter.training.validation import Found, figures, search

VALIDATION_SEED = 1 << 40
STATISTICS_SEED = 1 << 41


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

    Work that can be taken up again with `resume` is kept in `OUT.work/` until the model is written. Ctrl-C writes the
    best model so far and raises `KeyboardInterrupt`. Raises `DatasetError` when nothing sensible is left to learn
    from, `ModelError` for backbone weights or devices that do not fit, or when `out` exists and `force` is not set.
    """
    if out.exists() and not (force or resume):
        raise ModelError(f"{out} exists: pass --force to replace it, or another name to --model")
    whole = _read(data, console)
    taught, held = split(whole, validation=config.validation, seed=config.seed)
    data_report = report_on(whole, held)
    for line in data_report.lines():
        console.say(line)
    compute = choose_compute(config.device, config.precision, threads=config.threads)
    session = _Session(taught, held, _plan(config, compute), compute, out, console)
    session.prepare(backbone_weights, resume=resume)
    try:
        session.fit(resume=resume)
    except KeyboardInterrupt:
        session.finish(data_report)
        raise
    trained = session.finish(data_report)
    shutil.rmtree(session.work)
    return trained


def _read(data: TrainingData, console: Console) -> Dataset:
    with console.progress("reading pictures", None) as progress:
        return read_dataset(
            data.root,
            boxes=data.boxes,
            negatives=data.negatives,
            unknown=data.unknown,
            unknown_boxes=data.unknown_boxes,
            on_progress=lambda done, _: progress.reach(done),
        )


def _plan(config: TrainConfig, compute: Compute) -> TrainConfig:
    """The settings with every `null` decided: half an hour on two cores in float32, more where the device is faster."""
    on_cuda, fast = compute.device.type == "cuda", compute.dtype != torch.float32
    tune = config.tune or ("all" if on_cuda or not config.pretrained else "layer4")
    scenes = config.scenes or (8000 if on_cuda else 4000 if fast else 2000)
    epochs = config.epochs or (12 if on_cuda else 6 if fast else 3)
    return config.model_copy(update={"tune": tune, "scenes": scenes, "epochs": epochs})


class _Session:
    """One training: its composers, its network and its work folder."""

    def __init__(
        self, taught: Dataset, held: Dataset, config: TrainConfig, compute: Compute, out: Path, console: Console
    ) -> None:
        self._config, self._compute, self._out, self._console = config, compute, out, console
        self._labels = taught.labels
        self._data_digest = taught.digest()
        settings = SceneSettings(
            height=config.scene_height, width=config.scene_width, min_side=config.min_side, max_side=config.max_side
        )
        self._compose = SceneComposer(taught.examples, taught.labels, settings).compose
        self._compose_held = SceneComposer(held.examples, taught.labels, settings).compose
        self.work = out.with_name(out.name + ".work")
        self._checkpoint = self.work / "checkpoint.pt"

    def prepare(self, backbone_weights: Path | None, *, resume: bool) -> None:
        """The work folder, the network, and the scenes that stay the same from epoch to epoch."""
        config = self._config
        self._open_work(resume=resume)
        torch.manual_seed(config.seed)
        shape = NetworkShape(config.architecture, len(self._labels), config.reduced, config.embedding)
        weights = load_backbone(backbone_weights, config.architecture) if config.pretrained else None
        self._network = build_network(shape, weights).to(self._compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network.eval()
        self._console.say(f"training {config.architecture} ({config.tune}) on {self._compute.name}")
        assert config.scenes is not None
        make = self._fresh if config.tune == "all" else self._kept
        self._validation = make("validation", self._compose_held, VALIDATION_SEED, config.validation_scenes)
        self._batches = make("training", self._compose, 0, config.scenes)

    def fit(self, *, resume: bool) -> None:
        """The loop itself, with a bar."""
        config = self._config
        assert config.epochs is not None and config.tune is not None
        plan = Plan(config.tune, config.epochs, from_random=not config.pretrained)
        self._trainer = Trainer(self._network, self._batches, plan, config, self._compute.autocast)
        with self._console.progress("training", float(config.epochs * self._batches.steps)) as progress:
            if resume and self._checkpoint.exists():
                progress.advance(self._trainer.resume(self._checkpoint))
            self._trainer.run(self._validate, self._checkpoint, advance=progress.advance)

    def finish(self, data: DatasetReport) -> Trained:
        """Fit statistics and thresholds with the best network and write the model file."""
        config = self._config
        found = self._search(self._validation)
        statistics = fit_statistics(self._search(self._statistics_batches()), found, len(self._labels))
        thresholds = fit_thresholds(found, statistics, false_share=config.false_share)
        result = figures(found)
        model = Model(
            network=self._network.cpu(),
            labels=self._labels,
            short_side=config.short_side,
            thresholds=thresholds,
            statistics=statistics,
            provenance=Provenance(
                made_by=f"streamfilter {__version__}",
                settings={**config.model_dump(mode="json"), "computed_on": self._compute.name},
                data={**asdict(data), "digest": self._data_digest},
                figures={"validation": result, "epochs": self._trainer.progress.history},
            ),
        )
        return Trained(self._out, save_model(model, self._out, weights=config.weights), result, data)

    def _open_work(self, *, resume: bool) -> None:
        made_from = {
            "settings": self._config.model_dump(mode="json"),
            "data": self._data_digest,
            "program": __version__,
        }
        plan = self.work / "plan.json"
        if resume and plan.exists():
            if json.loads(plan.read_text(encoding="utf-8")) != made_from:
                raise ModelError(
                    f"cannot resume {self.work}: it was begun with other settings or data; leave out --resume"
                )
            return
        try:
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir(parents=True)
            plan.write_text(json.dumps(made_from), encoding="utf-8")
        except OSError as error:
            raise ModelError(f"cannot write {self.work}: {error.strerror}; choose another folder for --model") from None

    def _kept(self, name: str, compose: Compose, first: int, count: int) -> Batches:
        seeds = range(first, first + count)
        with self._console.progress(f"{name} scenes", float(count)) as progress:
            maps, facts = keep_scenes(
                self._network,
                compose,
                seeds,
                self.work / f"{name}.f16",
                autocast=self._compute.autocast,
                advance=progress.advance,
            )
        return KeptScenes(maps, facts, batch=self._config.batch, seed=self._config.seed, none=len(self._labels))

    def _fresh(self, name: str, compose: Compose, first: int, count: int) -> Batches:
        size = (self._config.scene_height, self._config.scene_width)
        return FreshScenes(compose, size, scenes=count, batch=self._config.batch, seed=first, none=len(self._labels))

    def _statistics_batches(self) -> Batches:
        """Taught logos for the class statistics: what training saw, or as many scenes of its kind."""
        if isinstance(self._batches, KeptScenes):
            return self._batches
        return self._fresh("statistics", self._compose, STATISTICS_SEED, self._config.validation_scenes * 3)

    def _search(self, batches: Batches) -> Found:
        return search(self._network, batches.in_order(), batches.forward, self._compute.autocast)

    def _validate(self, network: DenseResNet) -> dict[str, float]:
        batches = self._validation
        result = figures(search(network, batches.in_order(), batches.forward, self._compute.autocast))
        self._console.explain(" ".join(f"{name} {value:.3f}" for name, value in result.items()))
        return result
