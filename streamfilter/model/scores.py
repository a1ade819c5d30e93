"""The rejection scores of a model: the head that they recompute logits with, and their tensors in its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfilter.model.network import WINDOW_MIDDLE, DenseResNet
from streamfilter.model.thresholds import Thresholds
from streamfilter.rejector.scores import SCORES, Head, Score
from streamfilter.rejector.scores.base import Floats


def head_of(network: DenseResNet) -> Head:
    """A copy of the head's weights, in float64."""
    bias = network.head.bias
    assert bias is not None
    return Head(
        weight=_array(network.head.weight.flatten(1)),
        bias=_array(bias),
        gain=_array(network.window_gain),
        none_bias=_array(network.window_bias),
        labels=network.shape.labels,
        middle=WINDOW_MIDDLE,
    )


def restore_scores(tensors: Mapping[str, Tensor], network: DenseResNet, thresholds: Thresholds) -> dict[str, Score]:
    """The scores that have a threshold.

    Raises `ValueError` or `KeyError` for tensors of any other, or that do not fit.
    """
    head = head_of(network)
    parts: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in thresholds.scores}
    for name, tensor in tensors.items():
        if name.startswith("scores."):
            _, score, part = name.split(".", 2)
            parts[score][part] = tensor.numpy()
    shared = {f"{name}.{part}": values for name, own in parts.items() for part, values in own.items()}
    return {name: SCORES[name].restore({**shared, **own}, head) for name, own in parts.items()}


def pack_scores(scores: Mapping[str, Score]) -> dict[str, Tensor]:
    """The scores' tensors under the names that they have in a model file.

    A part that is named after another score, `knn.bank` of the fused one, is that score's own and kept once.
    """
    return {
        f"scores.{name}.{part}": torch.from_numpy(np.array(values))
        for name, score in scores.items()
        for part, values in score.tensors().items()
        if part.partition(".")[0] not in scores
    }


def _array(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().double().cpu().numpy().copy())
