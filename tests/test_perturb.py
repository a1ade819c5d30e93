"""The second look that ODIN takes: against pytorch-ood's, and in the classifier."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
from pytorch_ood.detector.odin import odin_preprocessing
from tiny import tiny_model

from streamfilter.classifier import make_classifier
from streamfilter.classifier.perturb import perturbed_logits
from streamfilter.classifier.windows import window_means
from streamfilter.config import ClassifierConfig
from streamfilter.rejector.scores.odin import STEP, TEMPERATURE

PICTURE = torch.rand((1, 3, 64, 96), generator=torch.Generator().manual_seed(4)) * 255
WINDOW = torch.tensor([[0, 1, 3, 4]])


def logits(picture: torch.Tensor) -> torch.Tensor:
    network = tiny_model().network
    return network.window_logits(window_means(network(picture).logits, WINDOW), WINDOW)[0]


def test_one_window_is_perturbed_as_pytorch_ood_does() -> None:
    network = tiny_model().network
    with torch.no_grad():
        best = logits(PICTURE)[:, :-1].argmax(dim=1)
    std = [1 / float(value) for value in network.std.flatten()]  # theirs divides: the step is in deviations
    moved = odin_preprocessing(logits, PICTURE, y=best, eps=STEP, temperature=TEMPERATURE, norm_std=std)
    with torch.inference_mode():
        expected = logits(moved)
    assert torch.allclose(perturbed_logits(network, PICTURE, WINDOW, nullcontext), expected, atol=1e-5)


def test_the_step_makes_the_likeliest_label_likelier() -> None:
    network = tiny_model().network
    with torch.inference_mode():
        before = (logits(PICTURE) / TEMPERATURE).softmax(1)[:, :-1].max()
    after = (perturbed_logits(network, PICTURE, WINDOW, nullcontext) / TEMPERATURE).softmax(1)[:, :-1].max()
    assert after > before
    assert all(parameter.grad is None for parameter in network.parameters())


def test_candidates_carry_perturbed_logits_where_they_are_asked_for_and_are_the_same_otherwise() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    config = ClassifierConfig(device="cpu", precision="float32", floor=0.01)
    plain, perturbed = (
        make_classifier(tiny_model(), config, perturbs=perturbs).classify([picture])[0] for perturbs in (False, True)
    )
    assert plain == perturbed != []
    for one, other in zip(plain, perturbed, strict=True):
        assert one.features is not None
        assert other.features is not None
        assert one.features.perturbed is None
        assert other.features.perturbed is not None
        assert other.features.perturbed.shape == one.features.logits.shape
        assert 0 < np.abs(other.features.perturbed - one.features.logits).max() < 5
