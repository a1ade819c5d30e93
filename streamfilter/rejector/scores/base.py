"""What a score is, what it is fitted to, and the head with which logits can be had from an embedding again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from streamfilter.types import Features

Floats = NDArray[np.float64]
Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The last layer of a network, and what a window's size does to its logits: see `DenseResNet.window_logits`.

    `weight`: `(C+K, E)` float64, `labels` (C) rows for the labels and K for none of the above. `bias`: `(C+K,)`.
    `gain`, `none_bias`: `(3,)`, parabolas over the binary logarithm of a window's side in cells, less `middle`.
    """

    weight: Floats
    bias: Floats
    gain: Floats
    none_bias: Floats
    labels: int
    middle: float

    def logits(self, embeddings: NDArray[Any], cells: NDArray[Any]) -> Floats:
        """Logits `(n, C+1)` of windows with mean embeddings `(n, E)` and areas `(n,)` in cells."""
        size = np.log2(cells.astype(np.float64)) / 2 - self.middle
        powers = np.stack([np.ones_like(size), size, size**2], axis=1)
        scaled = (embeddings @ self.weight.T + self.bias) * np.exp(powers @ self.gain)[:, None]
        none = log_sum_exp(scaled[:, self.labels :]) + powers @ self.none_bias
        return np.concatenate([scaled[:, : self.labels], none[:, None]], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Fitting:
    """What scores are fitted to.

    `known`: windows of taught logos, `labels`: `(n,)` int64, whose they are; `strange`: the windows likest a logo of
    taught scenes without one. `held`: windows of logos that the network was not taught with. `negatives`: windows of
    pictures without a known logo that it was not taught with either; `sources`: `(m,)` int64, where each of them comes
    from: a fusion must hold on sources that it has not seen.
    """

    known: Features
    labels: NDArray[np.int64]
    head: Head
    temperature: float = 1.0
    seed: int = 0
    strange: Features | None = None
    held: Features | None = None
    negatives: Features | None = None
    sources: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if len(self.known) != len(self.labels):
            raise ValueError(f"{len(self.known)} windows of known logos, but {len(self.labels)} labels")
        sources = None if self.sources is None else len(self.sources)
        if (None if self.negatives is None else len(self.negatives)) != sources:
            raise ValueError(f"{sources} sources: expected one for every negative")


class Score(Protocol):
    """How unfamiliar windows are: larger = less familiar. Fitted once; what it was fitted to is in its tensors."""

    name: ClassVar[str]

    def __call__(self, features: Features) -> Floats:
        """`(n,)` float64, finite, one per window."""

    def tensors(self) -> Tensors:
        """What the model file keeps of it: arrays of float16 or float32."""

    @classmethod
    def fit(cls, training: Fitting) -> Self:
        """The score of a network, from its windows of training data. `ValueError` where those are too few."""

    @classmethod
    def restore(cls, tensors: Tensors, head: Head) -> Self:
        """The score that gave these tensors. `ValueError` for any that do not fit."""


class Unfitted:
    """Base of scores that are the same for every network: there is nothing to fit and nothing to keep."""

    def tensors(self) -> Tensors:
        """None at all."""
        return {}

    @classmethod
    def fit(cls, training: Fitting) -> Self:
        """The score."""
        return cls()

    @classmethod
    def restore(cls, tensors: Tensors, head: Head) -> Self:
        """The score."""
        return cls()


def log_sum_exp(values: Floats) -> Floats:
    """`log Σ exp` over the last axis of `(n, m)`, m > 0: `(n,)`."""
    top = values.max(axis=-1)
    return np.asarray(top + np.log(np.exp(values - top[..., None]).sum(axis=-1)))


def margins(logits: NDArray[Any]) -> Floats:
    """By how much `(n, C)` the logit of every label exceeds that of none of the above; logits `(n, C+1)`.

    A network with a class for nothing need not make the labels' logits small where it sees nothing: on its own their
    size says little.
    """
    return np.asarray(logits[:, :-1].astype(np.float64) - logits[:, -1:].astype(np.float64))


def normalised(embeddings: NDArray[Any]) -> Floats:
    """Rows `(n, E)` at unit length; a row of zeros stays one."""
    rows = embeddings.astype(np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1.0))


def pick(tensors: Tensors, name: str, *shape: int | None) -> Floats:
    """One tensor as float64, checked: `None` in `shape` stands for any length of at least one."""
    if name not in tensors:
        raise ValueError(f"{name} is missing")
    values = np.asarray(tensors[name], np.float64)
    fits = values.ndim == len(shape) and all(w is None or w == n for w, n in zip(shape, values.shape, strict=True))
    if not fits or not values.size or not np.isfinite(values).all():
        raise ValueError(f"{name} is {values.shape}, expected {shape} finite numbers")
    return values


def number(value: float) -> NDArray[np.float32]:
    """A single number as the model file keeps it."""
    return np.asarray(value, np.float32)


def width(head: Head) -> int:
    """Channels of the embedding, E."""
    return int(head.weight.shape[1])
