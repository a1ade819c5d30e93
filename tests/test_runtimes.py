"""Every runtime finds what PyTorch finds, bit for bit whatever else is in the batch, and says what it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny import tiny_model, write_tiny_model

from streamfilter.classifier import DenseClassifier, make_classifier
from streamfilter.classifier.runtimes import choosing, conversion, with_onnx
from streamfilter.classifier.runtimes.base import make_pass
from streamfilter.classifier.runtimes.exporting import FACTS, export_network
from streamfilter.cli.main import exit_code
from streamfilter.config import ClassifierConfig, RunConfig
from streamfilter.demo.runner import MODEL
from streamfilter.demo.scene import draw_actors
from streamfilter.demo.storyboard import storyboard
from streamfilter.errors import ModelError, SinkError
from streamfilter.model import Model, load_model
from streamfilter.pipeline import load_network, make_network
from streamfilter.resume import make_plan
from streamfilter.sinks import records
from streamfilter.sinks.past import Line, Past
from streamfilter.types import Candidate, Pixels

CPU = ClassifierConfig(runtime="auto", device="cpu", precision="float32", threads=1, short_side=224, floor=0.05)
RUNTIMES = [
    "torch",
    pytest.param("openvino", marks=pytest.mark.skipif(not choosing.is_installed("openvino"), reason="not installed")),
    pytest.param("onnx", marks=pytest.mark.skipif(not choosing.is_installed("onnx"), reason="not installed")),
]
NEED_OPENVINO = pytest.mark.skipif(not choosing.is_installed("openvino"), reason="OpenVINO is not installed")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of these tests' own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "streamfilter" / "runtimes"


@pytest.fixture(scope="module")
def model(cache: Path) -> Model:
    return load_model(MODEL)


@pytest.fixture(scope="module")
def pictures(model: Model) -> list[Pixels]:
    """A picture from the middle of each shot of the demo, with logos, with strangers and with neither."""
    drawn = []
    for number, shot in enumerate(storyboard()):
        picture = shot.painter(np.random.default_rng(number), 640, 360)
        draw_actors(picture, shot.actors, (shot.start_s + shot.end_s) / 2)
        drawn.append(np.asarray(cv2.resize(picture, (384, 224), interpolation=cv2.INTER_AREA), np.uint8))
    return drawn


@pytest.fixture(scope="module")
def expected(model: Model, pictures: list[Pixels]) -> list[list[Candidate]]:
    return classifier_of(model, "torch").classify(pictures)


def classifier_of(model: Model, runtime: str) -> DenseClassifier:
    return make_classifier(model, CPU.model_copy(update={"runtime": runtime}))


@pytest.fixture(scope="module", params=RUNTIMES)
def classifier(request: pytest.FixtureRequest, model: Model) -> DenseClassifier:
    return classifier_of(model, request.param)


def test_the_same_candidates_are_found_within_a_tolerance(
    classifier: DenseClassifier, pictures: list[Pixels], expected: list[list[Candidate]]
) -> None:
    found = classifier.classify(pictures)
    assert sum(map(len, expected)) > 10
    for mine, theirs in zip(found, expected, strict=True):
        assert [one.label for one in mine] == [one.label for one in theirs]
        for one, other in zip(mine, theirs, strict=True):
            assert one.softmax == pytest.approx(other.softmax, abs=1e-3)
            assert one.none_probability == pytest.approx(other.none_probability, abs=1e-3)
            assert one.distance == pytest.approx(other.distance, rel=1e-3)
            assert one.box.iou(other.box) > 0.98


def test_the_thresholds_decide_the_same(
    classifier: DenseClassifier, model: Model, pictures: list[Pixels], expected: list[list[Candidate]]
) -> None:
    judge = make_network(model, RunConfig(classifier=CPU)).rejector.judge
    decided = [[s.label for s in judge(found)] for found in classifier.classify(pictures)]
    assert decided == [[s.label for s in judge(found)] for found in expected]
    assert any(label is not None for one in decided for label in one)


def test_what_is_found_does_not_depend_on_the_batch(classifier: DenseClassifier, pictures: list[Pixels]) -> None:
    some = pictures[:5]
    together = classifier.classify(some)
    assert classifier.classify(some[::-1]) == together[::-1]
    assert [classifier.classify([picture])[0] for picture in some] == together
    assert classifier.classify([]) == []


def test_pictures_of_two_sizes_may_share_a_batch(classifier: DenseClassifier, pictures: list[Pixels]) -> None:
    tall = np.ascontiguousarray(pictures[0].transpose(1, 0, 2))
    assert classifier.classify([tall, pictures[1]]) == [classifier.classify([one])[0] for one in (tall, pictures[1])]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_second_process_would_find_the_very_same(model: Model, pictures: list[Pixels], runtime: str) -> None:
    first, second = (classifier_of(model, runtime).classify(pictures[:2]) for _ in range(2))
    assert first == second


def test_a_runtime_names_itself_its_version_and_its_arithmetic(classifier: DenseClassifier) -> None:
    library, version, on, device, arithmetic = classifier.runtime.name.split()
    assert library in ("torch", "openvino", "onnxruntime")
    assert version[0].isdigit()
    assert (on, device, arithmetic) == ("on", "cpu", "float32")


@NEED_OPENVINO
def test_auto_takes_openvino_for_a_model_from_a_file_and_says_why(tmp_path: Path) -> None:
    network = load_network(write_tiny_model(tmp_path / "m.safetensors"), RunConfig(classifier=CPU))
    assert network.device.startswith("openvino ")
    assert network.device.endswith("(the fastest on CPUs)")
    assert network.facts.runtime == network.device.partition(" (")[0]


@pytest.mark.parametrize(
    ("settings", "perturbs", "digest", "why"),
    [
        ({}, False, "", "from no file"),
        ({}, True, "d" * 64, "gradients"),
        ({"precision": "float16"}, False, "d" * 64, "float16"),
        ({"runtime": "torch"}, False, "d" * 64, "asked for"),
    ],
)
def test_auto_takes_pytorch_where_openvino_does_not_fit(
    settings: dict[str, str], perturbs: bool, digest: str, why: str
) -> None:
    model = replace(tiny_model(), digest=digest)
    classifier = make_classifier(model, CPU.model_copy(update=settings), perturbs=perturbs)
    assert classifier.runtime.name.startswith("torch ")
    assert why in classifier.why


def test_without_openvino_auto_takes_pytorch_and_asking_for_it_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = replace(tiny_model(), digest="d" * 64)
    monkeypatch.setattr(choosing, "is_installed", lambda kind: False)
    assert "streamfilter[cpu]" in make_classifier(model, CPU).why
    for runtime, extra in (("openvino", "cpu"), ("onnx", "onnx")):
        with pytest.raises(ModelError, match=rf"runtime {runtime} is not installed.*streamfilter\[{extra}\]"):
            classifier_of(model, runtime)


@NEED_OPENVINO
def test_what_a_runtime_cannot_do_is_one_clear_error() -> None:
    model = tiny_model()
    with pytest.raises(ModelError, match=r"float16.*set it to auto"):
        make_classifier(model, CPU.model_copy(update={"runtime": "openvino", "precision": "float16"}))
    with pytest.raises(ModelError, match=r"gradients.*--runtime torch"):
        make_classifier(model, CPU.model_copy(update={"runtime": "openvino"}), perturbs=True)


def test_onnx_on_cuda_needs_a_package_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ModelError, match="onnxruntime-gpu"):
        with_onnx.OnnxRuntime(lambda name: b"", device=torch.device("cuda:0"), threads=1)


@NEED_OPENVINO
def test_only_the_first_run_with_a_model_converts_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = replace(tiny_model(), digest="e" * 64)
    picture = np.zeros((64, 96, 3), np.uint8)
    first = classifier_of(model, "openvino").classify([picture])
    digest = conversion.network_digest(model.network)[:32]
    assert [file.name for file in cache.glob(f"{digest}*")] == [f"{digest}-dense-box-float32-{conversion.VERSION}.onnx"]
    monkeypatch.setattr(conversion, "_convert", lambda network, name, cut: pytest.fail("converted again"))
    recalibrated = replace(model, digest="0" * 64)
    assert classifier_of(recalibrated, "openvino").classify([picture]) == first


@NEED_OPENVINO
def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    classifier = classifier_of(replace(tiny_model(), digest="f" * 64), "openvino")
    assert len(classifier.classify([np.zeros((64, 96, 3), np.uint8)])) == 1


@NEED_OPENVINO
@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_an_exported_network_gives_the_very_maps_of_the_model(model: Model, tmp_path: Path, form: str) -> None:
    openvino = pytest.importorskip("openvino")
    out = tmp_path / "network"
    files = export_network(model, out, form)
    facts = json.loads(files[-1].read_text("utf-8"))
    assert sorted(path.name for path in out.iterdir()) == sorted([*facts["files"], FACTS])
    assert (facts["labels"], facts["model"]) == (list(model.labels), model.digest)
    dense = openvino.Core().compile_model(out / facts["files"][0], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    picture = np.random.default_rng(3).integers(0, 256, (1, 64, 96, 3), np.uint8)
    network = make_pass("dense", model.network, "box")
    with torch.inference_mode():
        expected = network(torch.from_numpy(picture))
    for found, wanted in zip(dense(picture).values(), expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-2, atol=1e-2)


def test_threads_may_share_a_classifier(classifier: DenseClassifier, pictures: list[Pixels]) -> None:
    some = pictures[:4]
    expected = [classifier.classify([picture])[0] for picture in some]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda picture: classifier.classify([picture])[0], some * 4))
    assert found == expected * 4


@NEED_OPENVINO
def test_threads_may_convert_side_by_side(cache: Path) -> None:
    models = [replace(tiny_model(seed=seed), digest="d" * 64) for seed in (5, 6)]
    picture = np.zeros((64, 96, 3), np.uint8)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda model: classifier_of(model, "openvino").runtime.dense([picture]), models))
    assert len(found) == 2


_ENDINGS = """
import os, sys, threading, time
import numpy as np
from tiny import tiny_model
from streamfilter.classifier import make_classifier
from streamfilter.config import ClassifierConfig
runtime, way = sys.argv[1:]
config = ClassifierConfig(runtime=runtime, device="cpu", precision="float32", threads=2)
classifier = make_classifier(tiny_model(), config)
pictures = [np.zeros((224, 384, 3), np.uint8)] * 4
classifier.classify(pictures)
def look_for_ever():
    while True:
        classifier.classify(pictures)
if way == "thread":
    threading.Thread(target=look_for_ever, daemon=True).start()
    time.sleep(0.3)
elif way == "in flight":
    for request in classifier.runtime._requests["dense"]:
        request.start_async({0: pictures[0][None]})
elif way == "fork":
    child = os.fork()
    if not child:
        # As multiprocessing ends a child: ONNX Runtime waits for ever for its threads where it is taken down in one.
        try:
            classifier.classify(pictures)
        except RuntimeError as error:
            os._exit(0 if "forked" in str(error) else 1)
        os._exit(1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("way", ["thread", "in flight", "fork"])
def test_a_program_may_end_in_the_midst_of_a_picture(runtime: str, way: str) -> None:
    if way == "in flight" and runtime != "openvino":
        pytest.skip("only OpenVINO has requests")
    if way == "thread" and runtime != "openvino":
        pytest.xfail("threads of PyTorch may still abort a program that ends while a daemon thread computes")
    command = [sys.executable, "-W", "ignore", "-c", _ENDINGS, runtime, way]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, "PYTHONPATH": path}
    )
    assert (done.returncode, done.stderr) == (0, "")


@NEED_OPENVINO
def test_a_runtime_can_be_used_again_after_it_was_interrupted(model: Model, pictures: list[Pixels]) -> None:
    runtime = classifier_of(model, "openvino").runtime
    expected = runtime.dense(pictures[:1])[0].logits
    with pytest.raises(TypeError):
        runtime.dense([*pictures[:2], None])  # type: ignore[list-item]
    for request in runtime._requests["dense"]:  # type: ignore[attr-defined]
        request.wait()
    assert torch.equal(runtime.dense(pictures[:1])[0].logits, expected)


@NEED_OPENVINO
def test_what_reports_the_use_of_openvino_is_not_even_imported() -> None:
    code = """
import sys
from streamfilter.classifier.runtimes.with_openvino import import_openvino
import_openvino().Core()
print([name for name in sys.modules if "telemetry" in name or "ovc" in name])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_model_export_leaves_what_is_there_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    arguments = ["model", "export", str(MODEL), "--to", "onnx", "--out", str(tmp_path)]
    assert exit_code(arguments) == SinkError.exit_code
    assert "--force" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_run_is_not_resumed_with_another_runtime() -> None:
    config = RunConfig()
    facts = records.ModelFacts("m", ("Ring",), {}, runtime="openvino 1 on cpu float32")
    start = {"source": None, **records.run_start(config, replace(facts, runtime="torch 2 on cpu float32"))}
    past = Past((Line(b"", start),), lost=0)
    with pytest.raises(SinkError, match="runtime torch 2 on cpu float32, not openvino 1 on cpu float32"):
        make_plan(past, [], config=config, model=facts, fingerprints=[], retry=lambda name: None)
