"""The classifier: candidates of a picture, whatever else is in its batch, with boxes that lie where a mark lies."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import LABELS, tiny_model
from torch import nn

from streamfilter.classifier import DenseClassifier, make_classifier
from streamfilter.classifier.proposals import LONGEST
from streamfilter.config import ClassifierConfig
from streamfilter.errors import ModelError
from streamfilter.model import DenseResNet, Model, NetworkShape, device
from streamfilter.model.device import choose_compute
from streamfilter.model.network import DenseOutput
from streamfilter.rejector.mahalanobis import mahalanobis
from streamfilter.types import Pixels

CPU = ClassifierConfig(device="cpu", precision="float32", threads=1, floor=0.0)
RED, GREEN = (230, 20, 20), (20, 230, 20)


class ColorNetwork(nn.Module):
    """Stands in for a trained one: a window of red cells is Ring, of green ones Star, the surer the larger it is."""

    shape = NetworkShape("resnet18", 2, reduced=8, embedding=12)

    def forward(self, pictures: torch.Tensor) -> DenseOutput:
        cells = nn.functional.avg_pool2d(pictures, 16) / 255
        red, green, blue = cells.unbind(1)
        known = torch.stack([red - 2 * green - 2 * blue, green - 2 * red - 2 * blue], 1) * 6
        embedding = torch.cat([known.clamp_min(0), known.new_zeros(len(known), 10, *known.shape[2:])], 1)
        return DenseOutput(embedding, torch.cat([known, torch.zeros_like(known[:, :1])], 1))

    def window_logits(self, means: torch.Tensor, windows: torch.Tensor) -> torch.Tensor:
        none = torch.tensor([0.0, 0.0, 1.0])
        return means * (windows[:, 2] * windows[:, 3]).sqrt()[:, None] / 3 + none


def color_model() -> Model:
    return replace(tiny_model(), network=ColorNetwork())  # type: ignore[arg-type]


def picture_with(*marks: tuple[tuple[int, int, int], tuple[int, int, int, int]]) -> Pixels:
    """A gray picture, 256×192, with a rectangle per mark: its colour, and x, y, width, height in pixels."""
    picture = np.full((192, 256, 3), 90, np.uint8)
    for color, (x, y, width, height) in marks:
        picture[y : y + height, x : x + width] = color
    return picture


def noise(seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (64, 96, 3), np.uint8)


@pytest.fixture(scope="module")
def classifier() -> DenseClassifier:
    return make_classifier(tiny_model(), CPU)


@pytest.fixture(scope="module")
def colors() -> DenseClassifier:
    return make_classifier(color_model(), CPU.model_copy(update={"floor": 0.8}))


def test_candidates_do_not_depend_on_the_rest_of_the_batch(classifier: DenseClassifier) -> None:
    pictures = [noise(seed) for seed in range(4)]
    together = classifier.classify(pictures)
    assert all(len(found) > 0 for found in together)
    assert classifier.classify(pictures[::-1]) == together[::-1]
    assert [classifier.classify([picture])[0] for picture in pictures] == together


def test_no_pictures_give_no_candidates(classifier: DenseClassifier) -> None:
    assert classifier.classify([]) == []


def test_pictures_of_two_sizes_may_share_a_batch_on_a_cpu(classifier: DenseClassifier) -> None:
    small, wide = noise(1), np.ascontiguousarray(np.hstack([noise(1), noise(2)]))
    assert classifier.classify([small, wide])[0] == classifier.classify([small])[0]


def test_candidates_are_probabilities_in_order_with_all_their_facts(classifier: DenseClassifier) -> None:
    (found,) = classifier.classify([noise(5)])
    assert [c.softmax for c in found] == sorted((c.softmax for c in found), reverse=True)
    assert len(found) <= CPU.max_candidates
    for candidate in found:
        assert candidate.label in LABELS
        assert candidate.runner_up == LABELS[1 - LABELS.index(candidate.label)]
        assert candidate.softmax >= candidate.runner_up_softmax
        total = candidate.softmax + candidate.runner_up_softmax + candidate.none_probability
        assert total == pytest.approx(1, abs=1e-6)
        assert 0 <= candidate.distance_percentile <= 100
        assert candidate.distance >= 0
        assert candidate.sharpness > 0


def test_the_temperature_divides_the_logits() -> None:
    model = color_model()
    picture = picture_with((RED, (32, 32, 64, 64)))
    soft = {}
    for temperature in (1.0, 4.0):
        heated = replace(model, thresholds=replace(model.thresholds, temperature=temperature))
        (found,) = make_classifier(heated, CPU).classify([picture])
        soft[temperature] = found[0]
    odds = [np.log(c.softmax / c.none_probability) for c in soft.values()]
    assert soft[4.0].label == soft[1.0].label == "Ring"
    assert odds[1] < odds[0] / 2


@pytest.mark.parametrize("place", [(32, 48, 64, 64), (0, 0, 48, 48), (112, 112, 144, 80), (32, 64, 208, 64)])
def test_a_mark_is_found_once_and_boxed_where_it_lies(
    colors: DenseClassifier, place: tuple[int, int, int, int]
) -> None:
    (found,) = colors.classify([picture_with((RED, place))])
    assert [c.label for c in found] == ["Ring"]
    x, y, width, height = place
    box = found[0].box
    over = max(0.0, min(box.x + box.width, (x + width) / 256) - max(box.x, x / 256))
    over *= max(0.0, min(box.y + box.height, (y + height) / 192) - max(box.y, y / 192))
    assert over / (box.area + width * height / (256 * 192) - over) > 0.4


def test_several_labels_and_two_copies_are_all_found(colors: DenseClassifier) -> None:
    marks = ((RED, (16, 16, 48, 48)), (RED, (176, 112, 64, 64)), (GREEN, (160, 16, 64, 64)))
    (found,) = colors.classify([picture_with(*marks)])
    assert sorted(c.label for c in found) == ["Ring", "Ring", "Star"]


def test_a_picture_without_marks_gives_nothing(colors: DenseClassifier) -> None:
    assert colors.classify([picture_with()]) == [[]]


def test_no_more_than_max_candidates_are_kept_and_none_below_the_floor() -> None:
    few = make_classifier(tiny_model(), CPU.model_copy(update={"max_candidates": 2, "nms_iou": 1.0}))
    assert len(few.classify([noise(5)])[0]) == 2
    certain = make_classifier(tiny_model(), CPU.model_copy(update={"floor": 0.45}))
    assert all(c.softmax >= 0.45 for c in certain.classify([noise(5)])[0])


def test_distances_are_to_the_labels_mean_and_percentiles_those_of_its_validation() -> None:
    model = color_model()
    picture = picture_with((RED, (64, 64, 64, 64)))
    (found,) = make_classifier(model, CPU).classify([picture])
    best = found[0]
    embedding = np.zeros((1, 12), np.float32)
    embedding[0, 0] = (230 - 2 * 20 - 2 * 20) / 255 * 6
    expected = mahalanobis(
        embedding, model.statistics.means.double().numpy(), model.statistics.whitening.double().numpy()
    )
    assert best.distance == pytest.approx(expected[0, 0], rel=1e-4)
    assert best.distance_percentile == pytest.approx(min(100.0, best.distance / 9 * 100), rel=1e-4)


def test_a_model_of_one_label_has_no_runner_up() -> None:
    (found,) = make_classifier(tiny_model(("Alone",)), CPU).classify([noise(1)])
    assert {(c.label, c.runner_up, c.runner_up_softmax) for c in found} == {("Alone", None, 0.0)}


def test_a_blurred_mark_is_less_sharp(colors: DenseClassifier) -> None:
    sharp = picture_with((RED, (64, 64, 112, 112)))
    sharp[64:176:4, 64:176] = (210, 0, 0)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 2), np.uint8)
    (first,), (second,) = colors.classify([sharp, blurred])
    assert second.sharpness < first.sharpness / 4


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_the_analysis_size_divides_by_32_keeps_the_shape_and_stays_bounded(width: int, height: int) -> None:
    wide, high = SIZER.analysis_size(width, height)
    assert (wide % 32, high % 32) == (0, 0)
    assert min(wide, high) >= 32
    assert max(wide, high) <= LONGEST * 384
    if max(width, height) <= 3 * min(width, height):
        assert min(wide, high) == 384
        assert abs(wide / high / (width / height) - 1) < 0.05


SIZER = make_classifier(tiny_model(), CPU.model_copy(update={"short_side": 384}))


def test_the_configured_short_side_wins_over_the_models() -> None:
    assert make_classifier(tiny_model(), CPU).analysis_size(1920, 1080) == (128, 64)
    larger = CPU.model_copy(update={"short_side": 128})
    assert make_classifier(tiny_model(), larger).analysis_size(1920, 1080) == (224, 128)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_cuda_device_that_is_not_there_is_one_clear_error() -> None:
    with pytest.raises(ModelError, match="--device cpu"):
        make_classifier(tiny_model(), CPU.model_copy(update={"device": "cuda:0"}))


def test_auto_takes_what_is_there_and_one_thread_is_one_thread() -> None:
    compute = choose_compute("auto", "float32", threads=1)
    assert compute.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert torch.get_num_threads() == 1
    assert choose_compute("cpu", "bfloat16", threads=1).name == "cpu bfloat16"


@pytest.mark.parametrize(
    ("flags", "compiled"),
    [
        ({"avx512f"}, torch.float32),
        ({"avx512f", "avx512_bf16"}, torch.bfloat16),
        ({"amx_bf16"}, torch.bfloat16),
    ],
)
def test_a_compiled_network_runs_in_bfloat16_where_the_cpu_multiplies_it_and_nothing_else_is_asked_for(
    flags: set[str], compiled: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_cpu_flags", lambda: flags)
    monkeypatch.setattr(device, "_has_amx", lambda: False)
    compute = choose_compute("cpu", "auto", threads=1)
    assert (compute.dtype, compute.compiled_dtype) == (torch.float32, compiled)
    assert choose_compute("cpu", "float32", threads=1).compiled_dtype == torch.float32


def test_bfloat16_finds_what_float32_finds() -> None:
    model, picture = tiny_model(), noise(2)
    coarse = make_classifier(model, CPU.model_copy(update={"precision": "bfloat16"})).classify([picture])[0]
    fine = make_classifier(model, CPU).classify([picture])[0]
    assert abs(coarse[0].softmax - fine[0].softmax) < 0.1


def test_the_network_itself_is_a_dense_resnet(classifier: DenseClassifier) -> None:
    assert isinstance(tiny_model().network, DenseResNet)
    assert classifier.labels == LABELS
