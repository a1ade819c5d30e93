"""Training with every way to teach negatives: each runs, lowers its loss, can be resumed, and ends in a model file."""

from __future__ import annotations

from contextlib import nullcontext
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from labelled import draw_picture
from PIL import Image

from streamfilter.classifier.windows import window_grid, window_means
from streamfilter.config import TrainConfig, check_config
from streamfilter.console import Console
from streamfilter.errors import ConfigError
from streamfilter.model import DenseResNet, NetworkShape, build_network, load_model
from streamfilter.training.batches import KeptScenes
from streamfilter.training.loop import Plan, Trainer
from streamfilter.training.scene import SceneFacts
from streamfilter.training.train import TrainingData, train

LABELS, SCENES, EPOCHS = 2, 16, 12
GRID = (8, 12)
OPTIONS: dict[str, dict[str, object]] = {
    "plain": {},
    "several none classes": {"none_classes": 3},
    "entropic": {"loss": "entropic"},
    "weighted": {"loss": "weighted"},
    "weighted pair": {"loss": "weighted", "objectosphere": 0.01, "radius": 5.0},
    "objectosphere": {"loss": "entropic", "objectosphere": 0.01, "radius": 5.0},
    "context": {"se_stages": [3, 4]},
    "pushed": {"synthetic": {"pushed": 0.5}},
    "adversarial": {"synthetic": {"adversarial": 0.5}},
    "all at once": {
        "loss": "weighted",
        "none_classes": 3,
        "objectosphere": 0.01,
        "radius": 5.0,
        "se_stages": [3, 4],
        "synthetic": {"pushed": 0.3, "adversarial": 0.3},
    },
}


def kept_scenes() -> KeptScenes:
    """Layer 3 of scenes with a logo of the one or the other label, or none, as noise with a bright square."""
    rng = np.random.default_rng(0)
    maps = rng.random((SCENES, 256, *GRID), np.float32).astype(np.float16)
    facts = []
    for index in range(SCENES):
        boxes, labels = np.zeros((0, 4)), np.zeros(0, np.int64)
        if index % 4:
            top, left = int(rng.integers(0, 5)), int(rng.integers(0, 9))
            label = index % LABELS
            maps[index, label * 128 : label * 128 + 128, top : top + 4, left : left + 4] += 2
            boxes = np.array([[left / 12, top / 8, (left + 4) / 12, (top + 4) / 8]])
            labels = np.array([label], np.int64)
        facts.append(SceneFacts(boxes, labels))
    return KeptScenes(maps, facts, batch=4, seed=0, none=LABELS)


def config_of(options: dict[str, object]) -> TrainConfig:
    return TrainConfig(**{"epochs": EPOCHS, "learning_rate": 0.01, "tune": "head", **options})  # type: ignore[arg-type]


def trainer_of(config: TrainConfig) -> tuple[Trainer, DenseResNet]:
    """A training of neck and head, with next to nothing below them."""
    torch.manual_seed(0)
    shape = NetworkShape(
        "resnet18", LABELS, reduced=8, embedding=8, none_classes=config.none_classes, se_stages=config.se_stages
    )
    network = build_network(shape)
    network.stem = network.layer1 = network.layer2 = network.layer3 = torch.nn.Sequential()
    network.layer4 = torch.nn.Sequential(torch.nn.Conv2d(256, 512, 1, stride=2))  # what a test has the time for
    plan = Plan("head", EPOCHS, from_random=False)
    return Trainer(network, kept_scenes(), plan, config, nullcontext), network


def seen_by(network: DenseResNet) -> list[tuple[torch.Tensor, int]]:
    """Logits `(n, C+1)` of the windows of each scene that shows a label, and that label."""
    windows = torch.from_numpy(window_grid(*GRID))
    seen = []
    for batch in kept_scenes().in_order():
        with torch.inference_mode():
            logits = network.window_logits(window_means(network.upper(batch.inputs).logits, windows), windows)
        seen += [
            (each, int(facts.labels[0])) for each, facts in zip(logits, batch.facts, strict=True) if len(facts.boxes)
        ]
    return seen


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_lowers_its_loss_and_tells_the_labels_apart(tmp_path: Path, name: str) -> None:
    trainer, network = trainer_of(config_of(OPTIONS[name]))
    progress = trainer.run(lambda _: {"recall": 1.0}, tmp_path / "c.pt", advance=lambda _: None)
    losses = [figures["loss"] for figures in progress.history]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.9 * losses[0]
    assert all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())
    right = [int(logits.amax(0)[:LABELS].argmax()) == label for logits, label in seen_by(network)]
    assert np.mean(right) > 0.8


@pytest.mark.parametrize("name", ["entropic", "all at once"])
def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(tmp_path: Path, name: str) -> None:
    config = config_of(OPTIONS[name])
    trainer, whole = trainer_of(config)
    trainer.run(lambda _: {"recall": 1.0}, tmp_path / "whole.pt", advance=lambda _: None)
    trainer, _ = trainer_of(config)
    left = iter(range(3 * trainer._batches.steps))

    def interrupt(_: float) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.run(lambda _: {"recall": 1.0}, tmp_path / "c.pt", advance=interrupt)
    trainer, again = trainer_of(config)
    assert trainer.resume(tmp_path / "c.pt") == 3 * trainer._batches.steps
    trainer.run(lambda _: {"recall": 1.0}, tmp_path / "c.pt", advance=lambda _: None)
    states = zip(whole.state_dict().items(), again.state_dict().values(), strict=True)
    for (key, one), other in states:
        assert torch.equal(one, other), key


def test_fresh_context_blocks_learn_and_their_stage_does_not(tmp_path: Path) -> None:
    trainer, network = trainer_of(config_of({"se_stages": [4]}))
    before = network.layer4[0].weight.clone()
    trainer.run(lambda _: {"recall": 1.0}, tmp_path / "c.pt", advance=lambda _: None)
    assert torch.equal(network.layer4[0].weight, before)
    assert bool(network.context["stage4"].join.weight.any())  # type: ignore[union-attr,operator]


def test_from_folder_to_model_file_with_everything_on(tmp_path: Path) -> None:
    rows = ["image,x1,y1,x2,y2,label"]
    for label, colour in (("Red", (220, 30, 30)), ("Green", (30, 200, 40))):
        (tmp_path / "known" / label).mkdir(parents=True)
        for index in range(5):
            picture = np.array(draw_picture(index + 100 * len(label)))
            picture[20:50, 30:70] = colour
            Image.fromarray(picture).save(tmp_path / "known" / label / f"{index}.png")
            rows.append(f"{label}/{index}.png,30,20,70,50,{label}")
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    (tmp_path / "negatives").mkdir()
    for index in range(4):
        draw_picture(index + 900).save(tmp_path / "negatives" / f"{index}.png")
    made = dict.fromkeys(("mixed", "erased", "scrambled", "recoloured", "pushed", "adversarial"), 0.3)
    small = {"scene_height": 64, "scene_width": 96, "short_side": 64, "min_side": 0.5, "scenes": 16, "epochs": 2}
    config = TrainConfig(
        architecture="resnet18",
        pretrained=False,
        device="cpu",
        precision="float32",
        threads=1,
        **{
            "tune": "head",
            "reduced": 8,
            "embedding": 8,
            "validation_scenes": 10,
            "closer_scenes": 16,
            "closer_pictures": 16,
            **small,
        },  # type: ignore[arg-type]
        **{**OPTIONS["all at once"], "synthetic": made},  # type: ignore[arg-type]
    )
    data = TrainingData(tmp_path / "known", tmp_path / "boxes.csv", (tmp_path / "negatives",))
    trained = train(data, tmp_path / "m.safetensors", config, console=Console(1, stream=StringIO()))
    shape = load_model(trained.path).network.shape
    assert (shape.none_classes, shape.se_stages) == (3, (3, 4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "entropic", "none_classes": 2}, "none_classes must be 1"),
        ({"se_stages": [4, 4]}, "stands there twice"),
        ({"se_stages": [5]}, "less than or equal to 4"),
        ({"se_stages": [2, 4], "tune": "layer4"}, "only with tune: all"),
        ({"synthetic": {"erased": 1.5}}, "less than or equal to 1"),
        ({"synthetic": {"painted": 0.1}}, "unknown setting synthetic.painted"),
        ({"objectosphere": -1}, "greater than or equal to 0"),
    ],
)
def test_options_that_do_not_fit_are_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        check_config(TrainConfig, settings, origin="train.yaml")
    assert "\n" not in str(refused.value)
