"""Maximum softmax probability: Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution
Examples in Neural Networks" (ICLR 2017), at the temperature that calibrates it (Guo et al., ICML 2017).

    s(x) = 1 − max_{c ≤ C} softmax(f(x) / T)_c

All C+1 logits share the denominator, so a window that the network gives to none of the above is unfamiliar; the maximum
goes over the C labels only.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from streamfilter.rejector.scores.base import Fitting, Floats, Head, Tensors, number, pick
from streamfilter.rejector.softmax import softmax
from streamfilter.types import Features


class MaxSoftmax:
    """One less the probability of the likeliest label, 0 to 1."""

    name: ClassVar[str] = "max_softmax"

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def __call__(self, features: Features) -> Floats:
        chances = softmax(features.logits, self.temperature)
        best = chances[:, :-1].argmax(axis=1)
        chances[np.arange(len(best)), best] = 0.0  # one less a number close to one would lose its digits
        return np.asarray(chances.sum(axis=1))

    def tensors(self) -> Tensors:
        return {"temperature": number(self.temperature)}

    @classmethod
    def fit(cls, training: Fitting) -> Self:
        return cls.restore({"temperature": number(training.temperature)}, training.head)

    @classmethod
    def restore(cls, tensors: Tensors, head: Head) -> Self:
        temperature = float(pick(tensors, "temperature"))
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature}, expected a number above 0")
        return cls(temperature)
