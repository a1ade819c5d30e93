"""Reconstruction error of a variational autoencoder that was taught with known embeddings only: An and Cho,
"Variational Autoencoder based Anomaly Detection using Reconstruction Probability" (2015), its error at the code's mean.

    s(x) = ‖u − decode(E[code | u])‖² / E,  u = (z / ‖z‖ − mean) / deviation

with mean and deviation of every channel over taught logos. No logit is used.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from streamfilter.rejector.scores.base import Fitting, Floats, Head, Tensors, normalised, pick, width
from streamfilter.types import Features

LAYERS = ("encode", "code", "decode", "restore")


class Vae:
    """What of an embedding the autoencoder does not give back."""

    name: ClassVar[str] = "vae"

    def __init__(self, tensors: Tensors, head: Head) -> None:
        self._mean = pick(tensors, "mean", width(head))
        self._deviation = pick(tensors, "deviation", width(head))
        self._layers: list[tuple[Floats, Floats]] = []
        inputs: int = width(head)
        for name in LAYERS:
            outputs = width(head) if name == LAYERS[-1] else None
            weight = pick(tensors, f"{name}_weight", outputs, inputs)
            inputs = len(weight)
            self._layers.append((weight, pick(tensors, f"{name}_bias", inputs)))

    def __call__(self, features: Features) -> Floats:
        rows = (normalised(features.embeddings) - self._mean) / self._deviation
        encode, code, decode, restore = self._layers
        hidden = np.maximum(_linear(rows, encode), 0)
        hidden = np.maximum(_linear(_linear(hidden, code), decode), 0)
        return np.asarray(((_linear(hidden, restore) - rows) ** 2).mean(axis=1))

    def tensors(self) -> Tensors:
        named = {"mean": self._mean, "deviation": self._deviation}
        for name, (weight, bias) in zip(LAYERS, self._layers, strict=True):
            named |= {f"{name}_weight": weight, f"{name}_bias": bias}
        return {name: values.astype(np.float32) for name, values in named.items()}

    @classmethod
    def fit(cls, training: Fitting) -> Self:
        from streamfilter.model.autoencoder import train_autoencoder

        rows = normalised(training.known.embeddings)
        mean, deviation = rows.mean(axis=0), rows.std(axis=0)
        deviation = np.maximum(deviation, max(1e-3 * float(deviation.max()), 1e-6))  # a channel that never moved
        weights = train_autoencoder(((rows - mean) / deviation).astype(np.float32), seed=training.seed)
        tensors = {name.replace(".", "_"): values for name, values in weights.items()}
        return cls(
            {**tensors, "mean": mean.astype(np.float32), "deviation": deviation.astype(np.float32)}, training.head
        )

    @classmethod
    def restore(cls, tensors: Tensors, head: Head) -> Self:
        return cls(tensors, head)


def _linear(rows: Floats, layer: tuple[Floats, Floats]) -> Floats:
    return np.asarray(rows @ layer[0].T + layer[1])
