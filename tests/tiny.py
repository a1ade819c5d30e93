"""A small random model and its file: what tests of everything behind the network need, in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from streamfilter.model import Model, NetworkShape, Provenance, Statistics, Thresholds, build_network, save_model
from streamfilter.model.file import Weights

LABELS = ("Ring", "Star")
EMBEDDING = 12


def tiny_model(labels: Sequence[str] = LABELS, *, seed: int = 0, thresholds: Thresholds | None = None) -> Model:
    """A ResNet18 with random weights and a narrow neck; it analyses pictures at 64 pixels. Same seed, same model."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_network(NetworkShape("resnet18", len(labels), reduced=8, embedding=EMBEDDING)).eval()
        network.head.weight.data.normal_(std=1.0)
        means = torch.rand(len(labels), EMBEDDING)
        whitening = torch.eye(EMBEDDING) + 0.1 * torch.rand(EMBEDDING, EMBEDDING)
    return Model(
        network=network,
        labels=tuple(labels),
        short_side=64,
        thresholds=thresholds or Thresholds(temperature=1.5, none_class=0.6, max_softmax=0.55, mahalanobis=7.5),
        statistics=Statistics(means, whitening, torch.linspace(0, 9, 101).repeat(len(labels), 1)),
        provenance=Provenance("streamfilter of a test", settings={"seed": seed}),
    )


def write_tiny_model(path: Path, *, labels: Sequence[str] = LABELS, weights: Weights = "int8") -> Path:
    """A tiny model's file: 11 MB as int8, twice that as float16."""
    save_model(tiny_model(labels), path, weights=weights)
    return path
