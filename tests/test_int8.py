"""A network in int8: as near to the float one as 8 bits allow, only where it decides alike, and only as measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny import tiny_model, write_tiny_model

from streamfilter.classifier import make_classifier
from streamfilter.classifier.runtimes import choosing
from streamfilter.classifier.runtimes.conversion import as_onnx
from streamfilter.classifier.runtimes.int8 import observable, quantised
from streamfilter.cli.main import exit_code
from streamfilter.config import ClassifierConfig, RunConfig
from streamfilter.errors import DatasetError, ModelError, SinkError
from streamfilter.model import Int8, Model, add_int8, load_model, save_model
from streamfilter.model.int8 import AGREEMENT
from streamfilter.model.network import network_digest
from streamfilter.pipeline import make_network
from streamfilter.quantising import quantise
from streamfilter.quantising.quantise import Material, find_material
from streamfilter.quantising.ranges import best_scale, observed_scales

pytestmark = pytest.mark.skipif(not choosing.is_installed("openvino"), reason="OpenVINO is not installed")
CONFIG = ClassifierConfig(device="cpu", threads=1)


@pytest.fixture(scope="module")
def model() -> Model:
    return replace(tiny_model(seed=3), digest="d" * 64)


@pytest.fixture(scope="module")
def plain(model: Model) -> bytes:
    return as_onnx(model.network, "dense", cut="box", keep=False)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (4, 8, 12, 3), np.uint8)
    return [cv2.resize(one, (96, 64), interpolation=cv2.INTER_CUBIC) for one in small]


@pytest.fixture(scope="module")
def int8(model: Model, plain: bytes, pictures: list[np.ndarray]) -> Int8:
    scales = observed_scales(plain, [picture[None] for picture in pictures])
    return Int8(network_digest(model.network), {"dense": scales}, 0.998, 500, 100, doubt=0.25, in_doubt=0.125)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of tiny blobs, some hundred of them."""
    place, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(1)
    for number in range(270):
        picture = cv2.resize(rng.integers(0, 256, (4, 4, 3), np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(place / f"{number}.png"), picture)
    return place


def test_the_best_step_cuts_off_a_single_large_number_and_uses_the_range_of_even_ones() -> None:
    rng = np.random.default_rng(0)
    even = rng.uniform(0, 2, 10_000).astype(np.float32)
    assert best_scale(even) == pytest.approx(2 / 255, rel=0.02)
    lone = np.append(np.abs(rng.normal(0, 1, 1_000_000)), 30).astype(np.float32)
    assert best_scale(lone) * 255 < 20
    assert best_scale(np.zeros(10, np.float32)) > 0


def test_the_quantised_graph_is_near_the_float_one_and_smaller(
    model: Model, plain: bytes, int8: Int8, pictures: list[np.ndarray]
) -> None:
    assert len(quantised(plain, int8.scales["dense"])) < 0.4 * len(plain)
    exact = make_classifier(model, CONFIG.model_copy(update={"precision": "float32"})).runtime.dense(pictures)
    small = make_classifier(replace(model, int8=int8), CONFIG.model_copy(update={"precision": "int8"})).runtime
    for one, other in zip(small.dense(pictures), exact, strict=True):
        assert not torch.equal(one.embedding, other.embedding)
        assert (one.embedding - other.embedding).norm() < 0.1 * other.embedding.norm()


def test_where_no_tensor_is_chosen_nothing_changes(model: Model, plain: bytes) -> None:
    _, names = observable(plain)
    import onnx

    same = onnx.load_model_from_string(quantised(plain, [None] * len(names)))
    assert not [node for node in same.graph.node if "uantize" in node.op_type]
    with pytest.raises(ValueError, match=r"1 scales for \d+ tensors"):
        quantised(plain, [0.1])


@pytest.mark.skipif(not choosing.is_installed("onnx"), reason="ONNX Runtime is not installed")
def test_onnx_runtime_computes_the_same_int8(model: Model, int8: Int8, pictures: list[np.ndarray]) -> None:
    measured = replace(model, int8=int8)
    found = [
        make_classifier(measured, CONFIG.model_copy(update={"runtime": name, "precision": "int8"})).runtime
        for name in ("openvino", "onnx")
    ]
    assert [runtime.name.split()[-1] for runtime in found] == ["int8", "int8"]
    one, other = (runtime.dense(pictures[:1])[0].embedding for runtime in found)
    assert (one - other).norm() < 0.05 * other.norm()


def test_auto_takes_int8_where_the_file_carries_it_and_the_cpu_is_made_for_it(
    model: Model, int8: Int8, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = replace(model, int8=int8)
    for able in (True, False):
        monkeypatch.setattr(choosing, "has_int8", lambda able=able: able)
        monkeypatch.setattr(choosing, "has_bfloat16", lambda: False)
        classifier = make_classifier(measured, CONFIG.model_copy(update={"runtime": "openvino"}))
        assert classifier.is_int8 is classifier.runtime.name.endswith("int8") is able
        assert ("99.80% of 500 pictures" in classifier.why) == able
    monkeypatch.setattr(choosing, "has_int8", lambda: True)
    monkeypatch.setattr(choosing, "has_bfloat16", lambda: True)
    assert not make_classifier(measured, CONFIG.model_copy(update={"runtime": "openvino"})).is_int8


@pytest.mark.parametrize(
    ("runtime", "carries", "message"),
    [("torch", True, "needs OpenVINO"), ("openvino", False, "--int8 --calibrate DIR"), ("auto", False, "--calibrate")],
)
def test_int8_that_cannot_be_is_one_clear_error(
    model: Model, int8: Int8, runtime: str, carries: bool, message: str
) -> None:
    config = CONFIG.model_copy(update={"runtime": runtime, "precision": "int8"})
    with pytest.raises(ModelError, match=message):
        make_classifier(replace(model, int8=int8 if carries else None), config)


def test_the_model_file_carries_int8_and_a_run_names_it(tmp_path: Path, int8: Int8, model: Model) -> None:
    path, out = tmp_path / "m.safetensors", tmp_path / "m8.safetensors"
    save_model(model, path)
    loaded = load_model(path)
    own = replace(int8, network=network_digest(loaded.network))
    add_int8(path, out, own)
    again = load_model(out)
    assert again.int8 == own
    network = make_network(again, RunConfig(classifier=CONFIG.model_copy(update={"precision": "int8"})))
    assert network.facts.runtime.endswith("on cpu int8")
    save_model(again, tmp_path / "resaved.safetensors")
    assert load_model(tmp_path / "resaved.safetensors").int8 == own


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "0" * 64}, "another network"),
        ({"agreement": 0.9}, "agreement"),
        ({"agreement": "1"}, "agreement"),
        ({"pictures": 0}, "pictures"),
        ({"doubt": -0.1}, "doubt"),
        ({"doubt": 1e9}, "doubt"),
        ({"in_doubt": 1.5}, "in doubt"),
        ({"scales": {"dense": [-1.0]}}, "scale -1.0"),
        ({"scales": {"dense": [float("nan")]}}, "scale nan"),
        ({"scales": {"else": []}}, "passes"),
        ({"scales": []}, "damaged"),
    ],
)
def test_int8_that_was_tampered_with_is_refused(
    tmp_path: Path, int8: Int8, model: Model, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "m.safetensors"
    save_model(model, path)
    own = replace(int8, **{"network": network_digest(load_model(path).network), **change})
    if isinstance(own.scales, list):
        own = replace(own, scales={"dense": "x"})
    add_int8(path, path, own)
    with pytest.raises(ModelError, match=message):
        load_model(path)


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(DatasetError, match="1 pictures, expected at least 267"):
        find_material([tmp_path])


def test_what_is_measured_on_is_not_calibrated_with(folder: Path) -> None:
    material = find_material([folder, folder])
    assert not set(material.calibration) & set(material.held_out)
    assert (len(material.calibration), len(material.held_out)) == (67, 203)
    assert find_material([folder]) == material


def test_every_way_is_tried_until_one_agrees(model: Model, folder: Path) -> None:
    paths = sorted(folder.iterdir())
    material = Material(tuple(paths[:8]), tuple(paths[8:20]))
    told: list[str] = []
    best = quantise(model, material, wanted=1.1, told=lambda found: told.append(found.how), threads=1)
    assert len(told) >= 2
    assert best.int8.pictures == 12
    assert 0 <= best.int8.agreement <= 1
    told.clear()
    quantise(model, material, wanted=0.0, told=lambda found: told.append(found.how), threads=1)
    assert told == ["every layer but the first"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The agreement that is measured, told beforehand: measuring it takes minutes."""
    agreement = [1.0]

    def told(model: Model, material: Material, **options: object) -> object:
        found = quantise(model, Material(material.calibration[:4], material.held_out[:4]), wanted=0.0, told=print)
        return replace(found, int8=replace(found.int8, agreement=agreement[0], pictures=len(material.held_out)))

    monkeypatch.setattr("streamfilter.cli.networks.quantise", told)
    return agreement


def test_one_command_makes_a_model_file_that_a_run_computes_with_in_int8(
    tmp_path: Path, folder: Path, quick: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write_tiny_model(tmp_path / "m.safetensors"), tmp_path / "m.int8.safetensors"
    arguments = ["export", str(path), "--to", "model", "--int8", "--calibrate", str(folder), "--out", str(out)]
    assert exit_code(arguments) == 0
    assert str(out) in capsys.readouterr().out
    loaded = load_model(out)
    assert loaded.int8 is not None
    assert loaded.int8.pictures == 203
    assert exit_code(arguments) == SinkError.exit_code
    network = tmp_path / "network"
    assert exit_code(["export", str(out), "--to", "onnx", "--int8", "--out", str(network)]) == 0
    assert json.loads((network / "network.json").read_text())["int8"] == ["dense"]


def test_int8_that_decides_otherwise_is_refused_with_the_figure(
    tmp_path: Path, folder: Path, quick: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    quick[0] = AGREEMENT - 0.005
    path, out = write_tiny_model(tmp_path / "m.safetensors"), tmp_path / "out.safetensors"
    arguments = ["export", str(path), "--to", "model", "--int8", "--calibrate", str(folder), "--out", str(out)]
    assert exit_code(arguments) == ModelError.exit_code
    assert "only 99.00% of 203 held-out pictures" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--to", "model", "--out", "x"],
        ["--to", "onnx"],
        ["--to", "onnx", "--out", "x", "--calibrate", "."],
        ["--to", "csv", "--int8"],
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(tmp_path: Path, arguments: list[str]) -> None:
    assert exit_code(["export", str(tmp_path / "m.safetensors"), *arguments]) == 2
