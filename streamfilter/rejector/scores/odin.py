"""ODIN: Liang, Li and Srikant, "Enhancing The Reliability of Out-of-distribution Image Detection in Neural Networks"
(ICLR 2018).

    s(x) = 1 − max_{c ≤ C} softmax(f(x̃) / T)_c,  x̃ = x + ε sign(∇ₓ log max_{c ≤ C} softmax(f(x) / T)_c),  T = 1000

The step makes what is known more certain than what is not. It needs the network: where this score decides, the
classifier passes a picture twice and back once, for all its candidates together, and `Features.perturbed` has the
logits. Features without them are measured as they are, by temperature alone. All C+1 logits share the denominator, the
maximum goes over the labels.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from streamfilter.rejector.scores.base import Floats, Unfitted
from streamfilter.rejector.softmax import softmax
from streamfilter.types import Features

TEMPERATURE = 1000.0
STEP = 0.0014
"""ε, in standard deviations of a channel over ImageNet."""


class Odin(Unfitted):
    """One less the probability of the likeliest label of a perturbed picture, at a high temperature."""

    name: ClassVar[str] = "odin"

    def __call__(self, features: Features) -> Floats:
        logits = features.logits if features.perturbed is None else features.perturbed
        return np.asarray(1.0 - softmax(logits, TEMPERATURE)[:, :-1].max(axis=1))
