"""Training from folder to model file, on three coloured marks, with a network that learns little but does it all."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from http.client import IncompleteRead
from io import StringIO
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from labelled import draw_picture
from PIL import Image
from safetensors.torch import save_file
from tiny import tiny_model

from streamfilter.classifier import make_classifier, proposals
from streamfilter.config import ClassifierConfig, TrainConfig
from streamfilter.console import Console, Progress
from streamfilter.errors import ConfigError, DatasetError, ModelError
from streamfilter.model import NetworkShape, build_network, load_model, model_info, save_model
from streamfilter.model.device import choose_compute
from streamfilter.training import batches as batches_module
from streamfilter.training import marking, regions
from streamfilter.training.backbone import load_backbone
from streamfilter.training.batches import FreshScenes, KeptScenes, compose_batch, keep_scenes
from streamfilter.training.frozen import frozen_maps
from streamfilter.training.loop import Plan, Trainer, set_training_mode
from streamfilter.training.loop import Progress as TrainingProgress
from streamfilter.training.refit import refit_on
from streamfilter.training.scene import Scene, SceneFacts
from streamfilter.training.train import Trained, TrainingData, train

train_module = importlib.import_module("streamfilter.training.train")  # the package has a function of this name

SETTINGS = {
    "architecture": "resnet18",
    "pretrained": False,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
    "short_side": 64,
    "scene_height": 64,
    "scene_width": 96,
    "min_side": 0.6,
    "scenes": 24,
    "validation_scenes": 10,
    "closer_scenes": 16,
    "closer_pictures": 16,
    "epochs": 2,
    "batch": 8,
    "reduced": 8,
    "embedding": 8,
    "weights": "int8",
}
MARKS = {"Boxed": (220, 30, 30), "Drawn": (30, 200, 40), "Plain": (40, 60, 220)}


class Listener(Console):
    """A console that is remembered, and that presses Ctrl-C after `steps` steps of training."""

    def __init__(self, *, steps: int | None = None) -> None:
        self.text = StringIO()
        super().__init__(1, stream=self.text)
        self._steps = steps

    @contextmanager
    def progress(self, description: str, total: float | None, **_: object) -> Iterator[Progress]:
        yield _CtrlC(self._steps if description == "training" else None)


class _CtrlC:
    def __init__(self, steps: int | None) -> None:
        self._left = steps

    def advance(self, amount: float = 1.0) -> None:
        if self._left is not None:
            if self._left <= 0:
                raise KeyboardInterrupt
            self._left -= int(amount)

    def reach(self, done: float) -> None:
        pass


def draw_mark(label: str, seed: int) -> Image.Image:
    """A mark's picture: boxed on a photograph, transparent artwork, or the plain thing, each time a little other."""
    rng = np.random.default_rng(seed)
    color = tuple(int(v) for v in np.clip(np.array(MARKS[label]) + rng.integers(-15, 16, 3), 0, 255))
    if label == "Boxed":
        picture = np.array(draw_picture(seed + 100))
        picture[20:50, 30:70] = color
        picture[30:40, 40:60] = 255
    else:
        picture = np.array(draw_picture(seed + 200 + 50 * (label == "Plain"), 60, 40).convert("RGBA"))
        picture[12:36, 10:50, :3] = color
        picture[:4, :, 3] = 0
    return Image.fromarray(picture if label != "Plain" else picture[..., :3])


@pytest.fixture(autouse=True)
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closer looks take most of a small training's time, and four in a picture teach as well as twelve."""
    for name in ("MOST_PLACES", "MOST_FITTED"):
        monkeypatch.setattr(proposals, name, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    rows = ["image,x1,y1,x2,y2,label"]
    for label in MARKS:
        (root / "known" / label).mkdir(parents=True)
        for index in range(6):
            draw_mark(label, index).save(root / "known" / label / f"{index}.png")
            rows += [f"Boxed/{index}.png,30,20,70,50,Boxed"] if label == "Boxed" else []
    (root / "boxes.csv").write_text("\n".join(rows))
    (root / "negatives").mkdir()
    for index in range(6):
        draw_picture(index + 500).save(root / "negatives" / f"{index}.png")
    return root


def teach(folder: Path, out: Path, *, steps: int | None = None, negatives: bool = True, **changes: object) -> Trained:
    """Train on the drawn folder; `resume`, `force`, `console` and `backbone_weights` are `train`'s own."""
    own = {name: changes.pop(name) for name in ("resume", "force", "console", "backbone_weights") if name in changes}
    data = TrainingData(folder / "known", folder / "boxes.csv", (folder / "negatives",) if negatives else ())
    own.setdefault("console", Listener(steps=steps))
    return train(data, out, TrainConfig(**{**SETTINGS, **changes}), **own)  # type: ignore[arg-type]


class Whole(dict[str, Trained]):
    """What an uninterrupted training gives, by what is tuned; trained when it is asked for."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder, self._root = folder, root

    def __missing__(self, tune: str) -> Trained:
        self[tune] = teach(self._folder, self._root / f"{tune}.safetensors", tune=tune)
        return self[tune]


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    return Whole(folder, tmp_path_factory.mktemp("whole"))


TUNES = ["head", "layer4", "all"]


@pytest.mark.parametrize("tune", TUNES)
def test_training_writes_a_model_that_loads_and_runs(whole: dict[str, Trained], tune: str) -> None:
    trained = whole[tune]
    model = load_model(trained.path)
    assert (model.labels, model.digest, model.short_side) == (("Boxed", "Drawn", "Plain"), trained.digest, 64)
    picture = np.asarray(draw_picture(7).resize((96, 64)), np.uint8)
    config = ClassifierConfig(device="cpu", precision="float32", threads=1, floor=0.0)
    (found,) = make_classifier(model, config).classify([picture])
    assert len(found) > 0
    facts = model_info(trained.path)["provenance"]
    assert facts["settings"]["tune"] == tune
    assert len(facts["figures"]["epochs"]) == 2
    assert all(np.isfinite(epoch["loss"]) for epoch in facts["figures"]["epochs"])
    assert facts["data"]["pictures"] == {"Boxed": 6, "Drawn": 6, "Plain": 6}


def test_nothing_but_the_model_is_left_and_it_names_no_place(whole: dict[str, Trained], folder: Path) -> None:
    places = {path.name for path in whole["all"].path.parent.iterdir()}
    assert places == {f"{tune}.safetensors" for tune in whole}
    assert str(folder.parent) not in json.dumps(model_info(whole["all"].path))


@pytest.mark.parametrize("tune", TUNES)
def test_ctrl_c_keeps_the_best_and_resuming_ends_as_if_nothing_had_happened(
    folder: Path, tmp_path: Path, whole: dict[str, Trained], tune: str
) -> None:
    out, console = tmp_path / "m.safetensors", Listener(steps=4)
    with pytest.raises(KeyboardInterrupt):
        teach(folder, out, tune=tune, console=console)
    assert "interrupted after 1 of 2 epochs" in console.text.getvalue()
    assert len(model_info(out)["provenance"]["figures"]["epochs"]) == 1
    load_model(out)
    assert out.with_name("m.safetensors.work").is_dir()
    resumed = teach(folder, out, tune=tune, resume=True)
    assert resumed.digest == whole[tune].digest
    assert resumed.figures == whole[tune].figures
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


def test_another_seed_gives_other_scenes_and_another_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, set[int]] = {0: set(), 1: set()}
    digests = set()
    for seed in seen:

        def remember(*args: object, seed: int = seed, **kwargs: object) -> object:
            seen[seed] |= set(args[2])  # type: ignore[call-overload]
            return keep_scenes(*args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(train_module, "keep_scenes", remember)
        digests.add(teach(folder, tmp_path / str(seed), tune="head", epochs=1, seed=seed).digest)
    assert len(digests) == 2
    assert len(seen[0]) == len(seen[1]) == 34
    assert not seen[0] & seen[1]


def test_ctrl_c_before_the_first_epoch_is_done_writes_no_model(folder: Path, tmp_path: Path) -> None:
    out, console = tmp_path / "m.safetensors", Listener(steps=1)
    with pytest.raises(KeyboardInterrupt):
        teach(folder, out, tune="head", console=console)
    assert "no model to write" in console.text.getvalue()
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors.work"]


def test_resuming_with_other_settings_or_data_is_refused(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    with pytest.raises(KeyboardInterrupt):
        teach(folder, out, tune="head", steps=1)
    with pytest.raises(ModelError, match="other settings, data or program; leave out --resume"):
        teach(folder, out, tune="head", resume=True, learning_rate=0.5)
    with pytest.raises(ModelError, match="other settings"):
        teach(folder, out, tune="head", resume=True, negatives=False)
    plan = tmp_path / "m.safetensors.work" / "plan.json"
    plan.write_text("{ torn")
    with pytest.raises(ModelError, match="cannot resume"):
        teach(folder, out, tune="head", resume=True)


def test_a_damaged_checkpoint_is_one_clear_error(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    with pytest.raises(KeyboardInterrupt):
        teach(folder, out, tune="head", steps=1)
    (tmp_path / "m.safetensors.work" / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(ModelError, match="leave out --resume to begin anew"):
        teach(folder, out, tune="head", resume=True)


def test_an_existing_model_is_replaced_only_with_force(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    out.write_text("precious")
    for resume in (False, True):
        with pytest.raises(ModelError, match="--force"):
            teach(folder, out, tune="head", resume=resume)
    assert out.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]
    teach(folder, out, tune="head", epochs=1, force=True)
    load_model(out)
    with pytest.raises(ModelError, match="is a folder"):
        teach(folder, tmp_path, force=True)


def test_resume_with_nothing_to_resume_begins_anew_and_the_same_seed_gives_the_same_file(
    folder: Path, tmp_path: Path, whole: dict[str, Trained]
) -> None:
    console = Listener()
    trained = teach(folder, tmp_path / "m.safetensors", tune="head", resume=True, console=console)
    assert "nothing to resume" in console.text.getvalue()
    assert trained.digest == whole["head"].digest


def fit_anew(folder: Path, base: Path, out: Path, console: Console | None = None, **given: object) -> Trained:
    """`train --from` on a drawn folder."""
    data = TrainingData(folder / "known", folder / "boxes.csv", (folder / "negatives",))
    config = TrainConfig(device="cpu", precision="float32", threads=1, **given)  # type: ignore[arg-type]
    return refit_on(data, out, config, base=base, console=console or Listener())


def test_a_model_fitted_anew_keeps_its_network_and_learns_what_a_review_taught(
    whole: dict[str, Trained], folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "data")
    (tmp_path / "data" / "negatives" / "review").mkdir()
    for index in range(4):
        name = f"shot-{'a' * 24}-{'b' * 24}-{index}.jpg"
        draw_picture(index + 900).convert("RGB").save(tmp_path / "data" / "negatives" / "review" / name)
    console = Listener()
    base = whole["head"].path
    again = fit_anew(tmp_path / "data", base, tmp_path / "again.safetensors", console, validation_scenes=12)
    old, new = load_model(base), load_model(again.path)
    for name, weights in old.network.state_dict().items():
        assert torch.equal(weights, new.network.state_dict()[name]), name
    assert new.closer is not None
    assert old.closer is not None
    assert not torch.equal(new.closer.weight, old.closer.weight)
    assert new.provenance.data["negatives"] == old.provenance.data["negatives"] + 4
    assert new.provenance.settings["validation_scenes"] == 12
    assert new.provenance.figures["fitted_anew_from"] == old.digest
    assert "not the pictures" not in console.text.getvalue(), "all others stay on their side of the split"


def test_what_tells_marks_is_fitted_where_pictures_enough_show_some(
    whole: dict[str, Trained], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regions, "FEWEST", 1)
    few = load_model(fit_anew(folder, whole["head"].path, tmp_path / "few.safetensors").path)
    assert few.regions is not None
    assert few.regions.marking is None
    monkeypatch.setattr(marking, "FEWEST", 1)
    more = load_model(fit_anew(folder, whole["head"].path, tmp_path / "more.safetensors").path)
    assert more.regions is not None
    assert more.regions.marking is not None
    assert more.closer is not None
    assert more.closer.mark > 0


def untrained(path: Path) -> Path:
    """The file of a model that knows the drawn folder's labels by name only."""
    model = tiny_model(tuple(MARKS))
    settings = {name: value for name, value in SETTINGS.items() if name != "closer_scenes"}
    told = replace(model.provenance, settings={**settings, "closer_scenes": 16})
    save_model(replace(model, provenance=told), path)
    return path


def test_fitting_anew_refuses_what_the_network_does_not_fit(folder: Path, tmp_path: Path) -> None:
    base, out = untrained(tmp_path / "base.safetensors"), tmp_path / "out.safetensors"
    with pytest.raises(ConfigError, match="embedding would change the network"):
        fit_anew(folder, base, out, embedding=16)
    with pytest.raises(ModelError, match="pass --force"):
        fit_anew(folder, base, base)
    shutil.copytree(folder, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "known" / "Plain")
    with pytest.raises(DatasetError, match="no pictures of Plain, which the model knows"):
        fit_anew(tmp_path / "data", base, out)
    assert not out.exists()


def test_a_label_that_the_network_does_not_know_is_left_out_and_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    shutil.copytree(folder / "known" / "Drawn", tmp_path / "data" / "known" / "New")
    with (tmp_path / "data" / "boxes.csv").open("a") as rows:
        rows.write("\nBoxed/0.png,1,1,19,19,New")
    console = Listener()
    base = untrained(tmp_path / "base.safetensors")
    again = fit_anew(tmp_path / "data", base, tmp_path / "again.safetensors", console)
    assert load_model(again.path).labels == ("Boxed", "Drawn", "Plain")
    assert "left out, for the network does not know it: New" in console.text.getvalue()


@pytest.mark.parametrize("unmarked", [False, True], ids=["with boxes", "no boxes at all"])
def test_training_without_any_negatives_works_with_a_warning(folder: Path, tmp_path: Path, *, unmarked: bool) -> None:
    console = Listener()
    data = TrainingData(folder / "known", None if unmarked else folder / "boxes.csv")
    if unmarked:
        shutil.copytree(folder / "known", tmp_path / "known")
        shutil.rmtree(tmp_path / "known" / "Drawn")
        data = TrainingData(tmp_path / "known")
    config = TrainConfig(**{**SETTINGS, "tune": "head", "epochs": 1})  # type: ignore[arg-type]
    trained = train(data, tmp_path / "m.safetensors", config, console=console)
    assert "strangers will be rejected less well" in console.text.getvalue()
    assert len(load_model(trained.path).labels) == (2 if unmarked else 3)


def test_labels_without_validation_pictures_are_taught_all_the_same(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    for index in range(3, 6):
        for label in MARKS:
            (tmp_path / "data" / "known" / label / f"{index}.png").unlink()
    console = Listener()
    trained = teach(tmp_path / "data", tmp_path / "m.safetensors", tune="head", epochs=1, console=console)
    assert set(trained.data.validation.values()) == {0}
    assert "unchecked" in console.text.getvalue()
    assert trained.figures["recall"] == 0.0
    assert np.isinf(load_model(trained.path).thresholds.mahalanobis)


def test_a_disk_without_room_for_the_scenes_is_told_before_it_is_full(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(batches_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ModelError, match="GB needed"):
        teach(folder, tmp_path / "m.safetensors", tune="head")


def test_too_few_logos_for_statistics_is_one_clear_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfilter.training.composers.unmarked_labels", lambda *_: frozenset())
    shutil.copytree(folder / "known" / "Plain", tmp_path / "known" / "Plain")
    config = TrainConfig(**{**SETTINGS, "tune": "head", "epochs": 1})  # type: ignore[arg-type]
    data = TrainingData(tmp_path / "known", negatives=(folder / "negatives",))
    with pytest.raises(DatasetError, match="0 logos in the training scenes"):
        train(data, tmp_path / "m.safetensors", config, console=Listener())


@pytest.mark.parametrize("file", ["missing.pth", "foreign.safetensors", "text.pth", "list.pth", "torn.pth"])
def test_backbone_weights_that_do_not_fit_are_one_line_that_names_the_option(
    folder: Path, tmp_path: Path, file: str
) -> None:
    path, out = tmp_path / file, tmp_path / "m.safetensors"
    if file == "foreign.safetensors":
        save_file({"conv1.weight": torch.zeros(2, 2)}, path)
    elif file == "text.pth":
        path.write_text("hello there")
    elif file == "list.pth":
        torch.save([1, 2], path)
    elif file == "torn.pth":
        torch.save({"a": torch.zeros(100)}, path)
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"^[^\n]*--backbone-weights[^\n]*$"):
        teach(folder, out, pretrained=True, backbone_weights=path)
    assert not out.with_name("m.safetensors.work").exists()


@pytest.mark.parametrize(
    "error", [URLError("no network"), TimeoutError("timed out"), RuntimeError("invalid hash"), IncompleteRead(b"")]
)
def test_a_failed_download_is_one_line_that_names_the_option(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", fail)
    with pytest.raises(ModelError, match=r"cannot download torchvision's ResNet18[^\n]*--backbone-weights FILE$"):
        teach(folder, tmp_path / "m.safetensors", pretrained=True)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_both_formats_are_read_as_float32(tmp_path: Path) -> None:
    state = {"a": torch.ones(2, dtype=torch.float16), "n": torch.tensor(3)}
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        read = load_backbone(tmp_path / name, "resnet18")
        assert (read["a"].dtype, read["n"].dtype) == (torch.float32, torch.int64)


def test_training_from_given_weights_begins_with_them(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    weights = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(weights, tmp_path / "w.pth")
    trained = teach(folder, tmp_path / "m", tune="head", epochs=1, pretrained=True, backbone_weights=tmp_path / "w.pth")
    network = load_model(trained.path).network
    largest = float(weights["layer4.0.conv1.weight"].abs().max())
    assert torch.allclose(network.layer4[0].conv1.weight, weights["layer4.0.conv1.weight"], atol=largest / 100)


def gray_scene(seed: int) -> Scene:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 96, 3), np.uint8)
    return Scene(pixels, SceneFacts(np.array([[0.25, 0.25, 0.75, 0.75]]), np.array([0], np.int64)))


def trainer(epochs: int, steps: int, *, tune: str = "head") -> Trainer:
    network = build_network(NetworkShape("resnet18", 1, reduced=8, embedding=8))
    scenes = FreshScenes(gray_scene, (64, 96), scenes=steps * 2, batch=2, seed=0, none=1)
    config = TrainConfig(**{**SETTINGS, "epochs": epochs})  # type: ignore[arg-type]
    return Trainer(network, scenes, Plan(tune, epochs, from_random=False), config, nullcontext)


@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (1, 2), (5, 2), (1, 10), (3, 5), (20, 1)])
def test_the_schedule_lasts_for_any_number_of_steps(epochs: int, steps: int) -> None:
    schedule = trainer(epochs, steps)._schedule
    rates = []
    for _ in range(epochs * steps):
        rates.append(schedule.get_last_lr()[1])
        schedule.optimizer.step()
        schedule.step()
    assert max(rates) <= 1e-3 * 1.0001
    assert schedule.get_last_lr()[1] <= 1e-3


@pytest.mark.parametrize(("scenes", "batch", "steps", "size"), [(10, 4, 2, 4), (10, 16, 1, 10), (8, 8, 1, 8)])
def test_fresh_scenes_are_new_in_every_epoch_and_never_none(scenes: int, batch: int, steps: int, size: int) -> None:
    fresh = FreshScenes(gray_scene, (64, 96), scenes=scenes, batch=batch, seed=100, none=1)
    first, second = list(fresh.epoch(0)), list(fresh.epoch(1))
    assert fresh.steps == len(first) == steps
    assert {len(each.facts) for each in first} == {size}
    assert not torch.equal(first[0].inputs, second[0].inputs)
    assert torch.equal(first[0].inputs, next(iter(fresh.in_order())).inputs)
    assert torch.equal(first[0].inputs[0].permute(1, 2, 0), torch.from_numpy(gray_scene(100).pixels).float())


@pytest.mark.parametrize("with_tops", [False, True])
def test_kept_scenes_are_each_seen_once_an_epoch_and_pass_only_what_is_tuned(
    tmp_path: Path, *, with_tops: bool
) -> None:
    torch.manual_seed(0)
    network = build_network(NetworkShape("resnet18", 1, reduced=8, embedding=8)).eval()
    seeds, heard = range(50, 60), []
    look = frozen_maps(network, choose_compute("cpu", "float32", threads=1))
    maps, tops, facts = keep_scenes(look, gray_scene, seeds, tmp_path / "k", with_tops=with_tops, advance=heard.append)
    assert (tops is not None) == with_tops
    kept = KeptScenes(maps, facts, batch=4, seed=0, none=1, tops=tops)
    assert (sum(heard), kept.steps, kept.grid) == (10, 3, (4, 6))
    epochs = [[batch.inputs for batch in kept.epoch(number)] for number in (0, 1)]
    assert [len(inputs) for inputs in epochs[0]] == [4, 4, 2]
    for inputs in epochs:
        assert sorted(torch.cat(inputs)[:, 0, 0, 0].tolist()) == sorted(maps[:, 0, 0, 0].tolist())
    assert not torch.equal(epochs[0][0], epochs[1][0])
    ordered = next(iter(kept.in_order()))
    whole = compose_batch(gray_scene, seeds[:4], none=1)
    with torch.inference_mode():
        near, exact = kept.forward(network, ordered), network(whole.inputs)
    assert torch.allclose(near.logits, exact.logits, atol=0.02 * float(exact.logits.abs().max()))
    for one, other in zip(ordered.targets, whole.targets, strict=True):
        assert np.array_equal(one.labels, other.labels)


def test_a_pretrained_backbone_keeps_its_statistics_and_a_random_one_learns_them() -> None:
    network = build_network(NetworkShape("resnet18", 1, reduced=8, embedding=8))
    set_training_mode(network, from_random=False)
    assert not network.layer4.training
    assert not network.stem.training
    assert network.reduce.training
    assert network.embed.training
    set_training_mode(network, from_random=True)
    assert network.layer4.training
    assert network.stem.training


def test_the_best_epoch_is_kept_not_the_last(tmp_path: Path) -> None:
    torch.manual_seed(0)
    one = trainer(3, 2)
    recalls, states = iter([0.1, 0.9, 0.4]), []

    def judge(network: torch.nn.Module) -> dict[str, float]:
        states.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return {"recall": next(recalls)}

    progress = one.run(judge, tmp_path / "c.pt", advance=lambda _: None)
    assert isinstance(progress, TrainingProgress)
    assert (progress.epoch, progress.best) == (3, 0.9)
    kept = one._network.state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in states[1].items())
    assert not torch.equal(kept["head.weight"], states[2]["head.weight"])


@pytest.mark.parametrize(
    ("tune", "tuned", "frozen"),
    [("head", "reduce.0", "layer4.0.conv1"), ("layer4", "layer4.0.conv1", "layer3.0.conv1"), ("all", "stem.0", None)],
)
def test_only_what_is_tuned_changes(tmp_path: Path, tune: str, tuned: str, frozen: str | None) -> None:
    torch.manual_seed(0)
    one = trainer(1, 2, tune=tune)
    before = {name: tensor.clone() for name, tensor in one._network.state_dict().items()}
    one.run(lambda _: {"recall": 1.0}, tmp_path / "c.pt", advance=lambda _: None)
    after = one._network.state_dict()
    assert not torch.equal(after[f"{tuned}.weight"], before[f"{tuned}.weight"])
    assert frozen is None or torch.equal(after[f"{frozen}.weight"], before[f"{frozen}.weight"])
    assert torch.equal(after["layer4.0.bn1.running_mean"], before["layer4.0.bn1.running_mean"])
