"""Labels that were added to a model without training its network: what the model file keeps of each.

An enrolled label is one more linear row over the mean embedding of a window, like a row of the head, with a probability
of its own: it takes nothing from the other labels, which are judged as if it were not there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

PREFIX = "enrolled."
_TENSORS = ("weight", "mean", "quantiles")
_NUMBERS = ("bias", "threshold", "far")


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """One enrolled label.

    The probability that a window shows it is the logistic function of `weight · x + bias + size · (1, s, s²)[1:]`:
    `x` is the window's mean embedding, `(E,)`, `s` the binary logarithm of its side in cells less `WINDOW_MIDDLE`.
    `mean`: `(E,)`, and `quantiles`: `(101,)`, the percentiles of its own examples' Mahalanobis distances to it, with
    the whitening of the model's statistics. `threshold`: least probability, and `far`: largest distance, of what is
    accepted. `facts`: what it was enrolled from, for people. Tensors are float32.
    """

    label: str
    weight: Tensor
    mean: Tensor
    quantiles: Tensor
    bias: float
    size: tuple[float, float]
    threshold: float
    far: float
    facts: dict[str, Any] = field(default_factory=dict)


def pack_enrolled(enrolled: Sequence[Enrolled]) -> dict[str, Tensor]:
    """Their tensors, as the model file names them."""
    return {
        f"{PREFIX}{index}.{name}": getattr(one, name).float() for index, one in enumerate(enrolled) for name in _TENSORS
    }


def describe_enrolled(enrolled: Sequence[Enrolled]) -> dict[str, Any]:
    """The rest of them, as JSON, by label."""
    return {
        one.label: {**{name: getattr(one, name) for name in _NUMBERS}, "size": list(one.size), "facts": one.facts}
        for one in enrolled
    }


def restore_enrolled(
    header: Mapping[str, Any], tensors: Mapping[str, Tensor], *, labels: Sequence[str], embedding: int
) -> tuple[Enrolled, ...]:
    """The labels that gave this header and these tensors. `ValueError`, `KeyError` or `TypeError` for any others."""
    if not isinstance(header, dict):
        raise TypeError(f"enrolled: {type(header).__name__}, expected labels")
    if clash := header.keys() & set(labels):
        raise ValueError(f"enrolled: {sorted(clash)[0]!r} is a taught label too")
    own = [name for name in tensors if name.startswith(PREFIX)]
    if len(own) != len(header) * len(_TENSORS):
        raise ValueError(f"enrolled: {len(header)} labels, but {len(own)} tensors")
    return tuple(
        _restore(label, facts, {n: tensors[f"{PREFIX}{index}.{n}"].float() for n in _TENSORS}, embedding)
        for index, (label, facts) in enumerate(header.items())
    )


def _restore(label: str, facts: Mapping[str, Any], tensors: Mapping[str, Tensor], embedding: int) -> Enrolled:
    for name, expected in (("weight", embedding), ("mean", embedding), ("quantiles", 101)):
        if tensors[name].shape != (expected,) or not bool(torch.isfinite(tensors[name]).all()):
            raise ValueError(f"enrolled: {name} of {label!r} is {tuple(tensors[name].shape)}, expected {expected}")
    bias, threshold, far = (float(facts[name]) for name in _NUMBERS)
    first, second = (float(value) for value in facts["size"])
    if not all(map(math.isfinite, (bias, first, second))) or not 0 < threshold < 1 or not far > 0:
        raise ValueError(f"enrolled: {label!r} has a bias, a threshold or a distance that is none")
    return Enrolled(
        label, **tensors, bias=bias, size=(first, second), threshold=threshold, far=far, facts=dict(facts["facts"])
    )
