"""A score as a probability: a rising curve that the model file keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from streamfilter.types import Happening, Opening, Unknown

NEAREST = 1e-6
"""Scores nearer to 0 or 1 than this are taken to be this far away: their logarithms stay finite."""


@dataclass(frozen=True, slots=True)
class ProbabilityCurve:
    """Beta calibration (Kull, Silva Filho and Flach, AISTATS 2017): `logit p = a ln s − b ln(1 − s) + c`, a and b ≥ 0.

    With `a = b = 1` and `c = 0` a score is its own probability; with `a = b` it is Platt's curve over the logit.
    """

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.a, self.b, self.c)) or min(self.a, self.b) < 0:
            raise ValueError(f"{self}: expected finite numbers, a and b not below 0")

    def __call__(self, score: float) -> float:
        """The probability, 0 to 1, that a label with this score, 0 to 1, is right."""
        score = min(max(score, NEAREST), 1 - NEAREST)
        logit = self.a * math.log(score) - self.b * math.log1p(-score) + self.c
        return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def with_probability(item: Happening, curve: ProbabilityCurve | None) -> Happening:
    """The same opening or event, with probabilities for its scores; an unknown has none."""
    if curve is None or isinstance(item, Unknown):
        return item
    if isinstance(item, Opening):
        return replace(item, score=curve(item.score))
    track = tuple(replace(point, score=curve(point.score)) for point in item.track)
    return replace(item, score=curve(item.score), track=track)


def restore_curve(tree: Mapping[str, Any] | None) -> ProbabilityCurve | None:
    """The curve of a model file's header; None where it has none. Raises `ValueError` for anything else."""
    if tree is None:
        return None
    try:
        return ProbabilityCurve(**{name: float(value) for name, value in tree.items()})
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"probability: {error}") from None
